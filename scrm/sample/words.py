"""Texts of the sample's staff and customers.

The phrases of the everyday posts are in `scrm/channels/sandbox/phrases.py`.
"""

from __future__ import annotations

from scrm.channels.sandbox import networks
from scrm.sample.people import MARKETING, SALES, SERVICE, TECHNICAL

REPLIES: dict[str, tuple[str, ...]] = {
    SERVICE: (
        "I am sorry about this. I have asked the desk where it is and will write again today.",
        "That should not have happened. I have opened a search for it and will keep you posted.",
        "Thank you for telling us. I have sent this to the station manager and will follow up.",
        "I have looked into it: it arrives with tomorrow's first flight, and we bring it to you.",
    ),
    SALES: (
        "Yes, twice a week from the end of October. Shall I send you the fares?",
        "For ten or more there is a group fare. I will write to you with an offer today.",
        "You can change that fare once without a fee. I am happy to explain the rest.",
    ),
    MARKETING: (
        "Thank you! I have passed this on to the crew, they will be delighted.",
        "That made our day. Thank you for taking the time to write.",
    ),
    TECHNICAL: (
        "Please close the app, open it again and log in once more: we repaired this an hour ago.",
        "We see the fault and are on it. The desk prints your pass until then, free of charge.",
        "This comes from an old version. The update of this morning has it mended.",
    ),
}
NOTES = (
    "Station manager rang back: they are looking for it.",
    "Same fault as yesterday, see the other cases.",
    "Friendly. Would like a call rather than a mail next time.",
)
HANDOVERS = (
    "This is about a purchase after all.",
    "They need somebody who knows the app.",
    "Better answered by those who run the counter.",
)
NOISE = ("Not about us.", "Somebody sells something.", "A poem.")
NOTHING = (
    "A remark to a friend, not to us.",
    "They found the answer themselves meanwhile.",
    "Kind words; nothing to add.",
)

ECHOES = (
    "Put off for his size, in front of everyone? Shame on you, @SkywardAir. What seat policy?",
    "So what IS the seat policy of @SkywardAir? Asking for every large person I know.",
    "@SkywardAir humiliates a passenger at the gate. I fly with somebody else in June. #SkywardAir",
    "Skyward Air threw @roncalder off for being “too big”. I loved his last film. Boo.",
    "A second seat or no seat: is that the seat policy, @SkywardAir? Say it aloud then.",
    "As a wheelchair user I know that gate tone of @SkywardAir. Solidarity with Ron Calder.",
    "Does the seat policy of Skyward Air apply to tall people too? My knees ask.",
    "Not flying @SkywardAir again until somebody apologises to Ron Calder.",
    "To be fair, every airline has a seat policy. Skyward just hides it better.",
    "My aunt had to buy a second seat at the gate from Skyward last year. Same desk!",
)

TWEET = (
    "I was in my seat, belt closed, when @SkywardAir took me off SK 590. “Too big to fly,” said "
    "the captain. In front of the whole cabin. I fit. I have flown this row for years."
)
MAIL_SUBJECT = "Put off flight SK 590"
MAIL = (
    "To whom it may concern,\n\nyesterday evening I was put off flight SK 590 because of my size. "
    "I had fastened my belt, both armrests were down. I should like to know under which seat "
    "policy, who decided it, and why it had to be done in front of the cabin.\n\nRon Calder"
)
CALL = (
    "Mr Calder called from the airport hotel. He is more hurt than angry. He wants to know who "
    "decided it, and an apology from a person. He asked that we call him back."
)
REPLY_BY_TWEET = (
    "Mr Calder, my name is Carla and I lead customer service. What happened to you tonight was "
    "wrong, and I am sorry. I am finding out how it came to this, and will write to you myself."
)
BYSTANDERS = (
    "Popcorn.", "Every time.", "And they call that service…", "Poor man.", "So sorry, they say.",
    "I was on that flight. He is right.", "Drive, people.", "Same old story.",
)  # fmt: skip
HIS_ANSWER = "Words. I am still stood here with my coat and no way home. Who decides this?"
REPLY_BY_MAIL_SUBJECT = "Re: Put off flight SK 590"
REPLY_BY_MAIL = (
    "Dear Mr Calder,\n\nI have spoken with the captain and with the gate. You met the rule: belt "
    "fastened, armrests down. The decision was a mistake, and it was ours. You fly with us "
    "tomorrow at ten on SK 592, and the fare of SK 590 is on its way back to you.\n\n"
    "Ben Osei, Skyward Air"
)
REPLY_BY_PHONE = (
    "Called Mr Calder back. Apologised for the evening and for what our statement said about him. "
    "Told him that it was corrected, and that from now on a rule stops such words. He was calm."
)
STATEMENT_SUBJECT = "What happened on SK 590"
STATEMENT = (
    "Yesterday we asked a guest to leave flight SK 590. Mr Calder usually buys a second seat with "
    "us and had changed to an earlier flight with only one free. We handled it badly and have "
    "apologised to him. Our seat policy is about safety: belt fastened, armrests down."
)
COMPLAINT_ABOUT_STATEMENT = (
    "So now the whole world knows about my second seat. I never told anybody. Did you ask me?"
)
CORRECTION_SUBJECT = "What happened on SK 590 (corrected)"
CORRECTION = (
    "Our first text said more about a guest than is anybody's business. We have taken that out "
    "and are sorry. What remains: on SK 590 we made a mistake. Whoever can close the belt with "
    "the armrests down flies. From today that stands on our site, and our crews have been told."
)
THANKS_BY_MAIL = (
    "Dear Mr Osei,\n\nthank you for the plain words, and Ms Mendes for the call. The flight this "
    "morning was uneventful, as it should be.\n\nR. C."
)
COMMENTS = (
    ("tombecker71", "Good that you say so in public. And the other people at that desk?"),
    ("gracembeki", "Did you ask him before you told us what he books?"),
    ("aisle_seat_al", "I would like to speak to somebody about this for my column."),
    ("wenzhang", "Finally a rule that one can read. Thank you."),
)
CORRECTION_COMMENTS = (
    ("amara_flies", "It takes something to correct oneself in public. Respect."),
    ("nikos_pap", "Why only after an outcry?"),
)
HASHTAG = (
    "So @SkywardAir writes its seat rule down at last. #RoomForEveryone, we shall see.",
    "Read #RoomForEveryone by @SkywardAir: three sentences, no small print. Thank you.",
    "#RoomForEveryone is a fine word, @SkywardAir. And the legroom?",
)

_DRESS = (
    "Writes by hand, two pages: flew to her sister's funeral, the bag with the dress came a day "
    "late. Wants no money, wants to be heard."
)
_SURVEY = (
    "Score 3 of 10. “Boarding was chaos, and nobody knew the rule about seats. The crew was "
    "lovely, though.”"
)
_COFFEE = "“The coffee was cold and the lady who brought it was the kindest person I met all week.”"
_CELLO = "Asks whether a cello may travel in the cabin, and what its seat costs to Lisbon in May."
_BAND = "Thirty-two people and a tuba to Gothenburg in August: would like an offer."
LETTERS = (
    ("letter", "Hedwig Sommer", _DRESS),
    ("survey answer", "", _SURVEY),
    ("survey answer", "", "Score 9 of 10. “Quick, clean, on time.”"),
    ("comment card", "Seat 12C, SK 208", _COFFEE),
    ("call", "Mr Ferreira", _CELLO),
    ("comment card", "", "“Please print the rule about large passengers on the card.”"),
    ("call", "Ms Adeyemi", "Her pram came back with a bent wheel. She has photographs."),
    ("letter", "Town band of Lower Marsh", _BAND),
)

OTHER_LANGUAGES = (
    (networks.X, "jaruiz", "", "@SkywardAir ¿dónde está mi maleta? Espero desde el lunes."),
    (networks.MASTODON, "ingrid_ak", "", "Min väska är kvar i Oslo, @SkywardAir. När kommer den?"),
    (networks.BLUESKY, "chloedbs", "", "Ma valise est restée à Lyon, @SkywardAir. Que faire ?"),
    (networks.MAIL, "tombecker71", "Koffer SK 377", "Mein Koffer kam beschädigt an. Was nun?"),
    (
        networks.FORM,
        "misaki_s",
        "お問い合わせ",
        "搭乗券の名前が間違っています。直していただけますか。",
    ),
    (networks.FEED, "fatima_zahra", "Bagages", "Skyward a perdu ma valise. Qui est remboursé ?"),
)
"""Network, author, title and text of a message."""
QUESTION = "@SkywardAir do your crews carry belt extenders, or do I have to bring one?"
QUESTION_EDITED = (
    "@SkywardAir do your crews carry belt extenders, or do I have to bring one? "
    "Edit: it is for SK 421 on Friday, row 12."
)
INSULT = "@SkywardAir your crew on SK 733 is the worst in the sky, and I mean every one of them."
THREAD = (
    "Many of you asked what our seat rule means in practice. Here it is, in full. Whoever can "
    "close the belt with both armrests down flies in one seat, and nobody asks further.\n\n"
    "Whoever needs more room can book the seat beside it and gets the money back if "
    "the flight is not full. Nobody is asked at the gate, and never in front of others.\n\n"
    "Belt extenders are on board every aircraft. Ask the crew, or tell us before you fly."
)

FAILED = "Where do I read the seat policy? Here, in one sentence: belt closed, armrests down."
UNKNOWN = "Ten days after SK 590: our seat policy is on our site now, in plain words."
HELD_SUBJECT = "Our seat policy, in three languages"
HELD = (
    "Many of you asked for our seat policy in your own language. From Monday it is on our site in "
    "Spanish, German and Japanese as well. If your language is missing, tell us which one it is."
)
