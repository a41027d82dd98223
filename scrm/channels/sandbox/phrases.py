"""Templates of the texts in the sandbox, and the words that fill them."""

from __future__ import annotations

from random import Random

_SLOTS = {
    "us": ("@SkywardAir", "Skyward Air", "@SkywardAir", "#SkywardAir", "Skyward"),
    "city": (
        "Lisbon", "Oslo", "Nairobi", "Kraków", "Osaka", "Toronto", "Athens", "Seville", "Dublin",
        "Mumbai", "Cape Town", "Chiang Mai", "Lyon", "Casablanca", "Gothenburg",
    ),
    "flight": ("SK 114", "SK 208", "SK 377", "SK 421", "SK 590", "SK 733", "SK 861", "SK 902"),
    "thing": (
        "suitcase", "bag", "rucksack", "pram", "cello case", "ski bag", "green duffel",
        "blue trunk",
    ),
    "many": ("two", "three", "four", "five", "six", "nine"),
    "gate": ("A4", "B12", "B27", "C3", "D19"),
    "row": ("7A", "12C", "14B", "23F", "31D"),
    "sum": ("€35", "€60", "$85", "£49", "€120"),
}  # fmt: skip

COMPLAINTS = (
    "{us} lost my {thing} between {city} and home. It has been {many} days and nobody calls back.",
    "Day {many} without my luggage, {us}. The desk in {city} just shrugged.",
    "My {thing} came off the belt in {city} with a broken handle. How do I claim that, {us}?",
    "{us} the baggage tracker says my {thing} is “on its way” for {many} days. On its way where?",
    "Lost luggage form of {us}: {many} pages, then “session expired”. Wonderful.",
    "So {us} sends my {thing} to {city} and me to somewhere else entirely.",
    "{us} wants me to pay {sum} for a second seat. Where is that seat policy written down?",
    "Asked at gate {gate} about the seat policy of {us}. I asked {many} people and no two agreed.",
    "{us} moved us from row {row} to the back so that a stranger could sit by our toddler.",
    "Was told on {flight} that I am “too big for {row}”. In front of everyone. Shame, {us}.",
    "Paid {sum} for seat {row} on {flight} and got a middle seat. Refund please, {us}.",
    "Whoever wrote the seat policy of {us} has never sat in row {row}.",
    "The {us} app crashed {many} times while I stood at gate {gate} with no boarding pass.",
    "My boarding pass vanished from the app right at security in {city}. Thanks, {us}.",
    "{us} app: “Something went wrong.” That is all it says. Check-in for {flight} closes soon!",
    "Can anyone log in to the {us} app today? It eats my password and crashes.",
    "Mobile boarding pass for {flight} shows the wrong name, and the {us} app cannot change it.",
    "{many} hours at gate {gate} in {city}, no word about {flight}. {us}, are you awake?",
    "{flight} cancelled by text message at 4 a.m. and the hotline of {us} is “closed for the day”.",
    "Refund for {flight}: promised in {many} days, now waiting for {many} weeks. {us}?",
    "¿Alguien más con la maleta perdida en {city}? {us} no contesta desde hace {many} días.",
    "Mein Koffer ist seit {many} Tagen in {city}, ich nicht. {us}, bitte melden!",
    "{us} a perdu ma valise entre {city} et Lyon. Formidable.",
    "{us} のアプリが落ちて搭乗券が出せません。ゲート {gate} です。",
    "{us} потеряли мой чемодан в городе {city}. Кто-нибудь ответит?",
)
PRAISE = (
    "Crew of {flight} sang for my daughter's birthday somewhere over {city}. Thank you, {us}!",
    "{us} found my {thing} in under {many} hours and brought it to my door. Impressed.",
    "Best landing I ever had: {flight} into {city} in a storm. Hats off, {us}.",
    "The lady at gate {gate} in {city} walked me to my connection herself. More of this, {us}.",
    "Credit where it is due: {us} refunded {sum} within a day.",
    "New boarding by rows works well, {us}. {flight} left early for once.",
    "The vegetarian meal on {flight} was actually good. Who are you and what did you do to {us}?",
)
QUESTIONS = (
    "Does {us} fly from {city} to {city2} in winter?",
    "{us}, when do tickets for the new {city} route go on sale?",
    "Group of {many} from {city} to {city2} in May: does {us} give group fares?",
    "Looking for a direct flight from {city} to {city2}. {us} or somebody else?",
    "How much is a cello on {us}? It would need its own seat to {city}.",
    "{us}, can I buy the lounge in {city} with an economy ticket, and is it {sum} or more?",
    "Thinking of booking {us} to {city} for a conference. Is the business fare flexible?",
)
NOISE = (
    "Rain in {city} again. Coffee number {many}.",
    "Skyward we look, says the poet, and steps into a puddle.",
    "Anyone else think the airport in {city} smells of cinnamon?",
    "Selling a barely used {thing}, {sum}, pick up in {city}.",
    "Watched {many} episodes last night. Send help.",
    "My cat has opinions on my {thing}. None are kind.",
    "Sourdough, attempt {many}. It is alive, I think.",
    "The night train from {city} to {city2} is the only civilised way to travel.",
    "Marathon in {city}: {many} blisters, one medal.",
    "Does anybody read the terms and conditions? Asking for a lawyer in {city}.",
    "Saw {many} storks over {city} this morning.",
)
ECHOES = (
    "Same here, {many} days and counting.",
    "This happened to me in {city} last year.",
    "Have you tried the desk at gate {gate}? They helped me.",
    "Not my experience at all, {flight} was fine.",
    "Unbelievable. Keep us posted!",
    "They owe you {sum} at least, look up your rights.",
    "I was on {flight} too, it was even worse in row {row}.",
    "Sending strength from {city}.",
    "No me sorprende nada.",
    "それはひどいですね。",
)
MESSAGES = (
    "Hi, my booking for {flight} shows no seat. Can you look? I had {row}.",
    "Hello, I left a {thing} on {flight}, row {row}. Did anyone find it?",
    "Could you tell me in private what you paid others for a lost {thing}?",
    "My boarding pass for {flight} will not open in the app. I fly in {many} hours.",
    "I would like to add {many} people to my booking to {city}. Who can help?",
    "You charged me {sum} twice for {flight}.",
)
MAILS = (
    (
        "Lost {thing}, {flight}",
        (
            "my {thing} did not arrive in {city} with {flight}. I filled in the form {many} days "
            "ago and have heard nothing since. Please tell me where it is."
        ),
    ),
    (
        "Refund of {sum}",
        ("you promised me {sum} for the delay of {flight} in {city}. That was {many} weeks ago."),
    ),
    (
        "Your seat policy",
        (
            "before I book {flight} I would like to read your seat policy. The page on your site "
            "is empty, and on the telephone I was told to pay {sum} for a second seat."
        ),
    ),
    (
        "Group of {many} to {city}",
        (
            "we are a choir and would like to fly from {city2} to {city} in June. Do you make "
            "offers for groups, and may the {thing} travel in the cabin?"
        ),
    ),
    (
        "App and boarding pass",
        (
            "the app on my telephone crashes when I open the boarding pass for {flight}. I have "
            "installed it again {many} times."
        ),
    ),
    (
        "Thank you, {flight}",
        (
            "I only want to thank the crew of {flight}. My mother is ill, and they carried her "
            "{thing} and sat with her at gate {gate} in {city} until I came."
        ),
    ),
    (
        "Complaint about the desk in {city}",
        (
            "the agent at gate {gate} refused my {thing} although it fits your own measure, and "
            "took {sum} from me. I ask for that sum back."
        ),
    ),
)
FORMS = (
    ("Lost property", "Left a {thing} in row {row} of {flight}. It is the only one I have."),
    ("Claim for {sum}", "{flight} to {city} was {many} hours late. Please pay for the hotel."),
    ("Feedback on the app", "This form works, the app does not: no boarding pass at {gate}."),
)
ENTRIES = (
    ("Skyward Air to {city}", "Is {us} the only one that flies there? {flight} was full."),
    ("Seat policy in practice", "Asked at gate {gate} what the seat policy of {us} is."),
    ("Luggage from {city}", "My {thing} is with {us} since {flight}. What worked for you?"),
)
THANKS = (
    "Thank you, that was quick!",
    "That helped. My {thing} is here, thanks.",
    "Thanks for answering like a human being.",
    "Okay, thank you. I will try that today.",
    "All good now. Have a calm day over there!",
    "¡Muchas gracias!",
    "ありがとうございます。助かりました。",
    "Appreciated. I take back half of what I said.",
)
ANGER = (
    "That is no answer. I have waited {many} days.",
    "I have heard that before, in {city}, from somebody else.",
    "So you apologise and nothing changes. Great.",
    "{sum} would be an answer. This is not.",
    "I asked for a person to call me. Nobody has.",
    "Then I will take it to the ombudsman.",
    "Das reicht mir nicht.",
)
FOLLOW_UPS = (
    "And how long will that take?",
    "Do I need the receipt for that?",
    "Which form do you mean, the one with {many} pages?",
    "Does that hold for {flight} as well?",
    "Can you send me that by mail?",
    "Whom do I ask for at gate {gate}?",
    "Is that true for flights from {city} too?",
)
COMMENTS = (
    "Good that you say so in public.",
    "Nice words. What about those who paid {sum} already?",
    "And what does this mean for {flight} next week?",
    "You could have written that {many} days ago.",
    "I still do not understand the seat policy after reading this.",
    "As a frequent flyer from {city}: thank you for being clear.",
    "Will the app tell us as well, or only the blog?",
    "Why does it always need an outcry first?",
    "This names more than I would want to be named. Did you ask him?",
    "My {thing} is still in {city}, by the way.",
    "Fair enough.",
)


def fill(template: str, rng: Random) -> str:
    words = {slot: rng.choice(choices) for slot, choices in _SLOTS.items()}
    words["city2"] = rng.choice([city for city in _SLOTS["city"] if city != words["city"]])
    filled = template.format(**words)
    return filled[0].upper() + filled[1:]


def say(templates: tuple[str, ...], rng: Random) -> str:
    return fill(rng.choice(templates), rng)
