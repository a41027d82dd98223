"""The story of a film director who was not allowed on a flight, day by day (see the README)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from random import Random

from django.db import transaction
from django.utils import timezone

from crm.models import Profile
from listening.models import Topic
from responses import release
from responses.models import Campaign, Feedback, Response
from responses.results.feedback import fall_silent
from routing.models import Case, CaseEvent, Issue
from routing.wake import wake_snoozed
from scrm.channels.sandbox import community
from scrm.channels.sandbox.community import US
from scrm.channels.sandbox.networks import BLOG, FORM, MAIL, MASTODON, X
from scrm.sample import marker, words
from scrm.sample.clock import at
from scrm.sample.crowd import PASSERS_BY, talk, work
from scrm.sample.logins import Login
from scrm.sample.people import MARKETING, SERVICE
from scrm.sample.setup import (
    DIRECTOR,
    DIRECTOR_PHONE,
    furnish,
    keep_private_matters_private,
)
from scrm.sample.stage import Stage, date_our_posts

DAYS = 21
HIS_MAIL = "ron@calderfilms.example"
Act = Callable[[Stage], None]


@transaction.atomic
def load() -> list[Login]:
    """Write the whole story to an empty database, and return the logins of the staff.

    The story ends at the present time.
    """
    now = timezone.now()
    community.reset()
    stage = Stage(furnish(since=now - timedelta(days=DAYS + 1)), Random(590))  # noqa: S311
    for moment, act in sorted(_script(now), key=lambda line: line[0]):
        with at(moment):
            act(stage)
    # Call this at the present time, because only now have all deadlines of the story passed.
    fall_silent(now=now)
    date_our_posts()
    # Call this last, because every row that exists now then belongs to the sample.
    marker.set_now(now=timezone.now())
    return stage.workspace.logins


def _script(now: datetime) -> list[tuple[datetime, Act]]:
    """Return all actions with their times: those of the story, and the everyday work."""
    story = [(_on(now, days, clock), act) for days, clock, act in _STORY]
    rounds = [
        (_on(now, days, "19:30"), _everyday(hours=9, number=2, share=0.8))
        for days in range(DAYS, 0, -1)
    ]
    today = [
        (now - timedelta(minutes=minutes), _everyday(hours=minutes / 80, number=8, share=share))
        for minutes, share in ((360, 0.3), (120, 0.15), (3, 0))
    ]
    # The last action, so that no later message wakes the case.
    today.append((now - timedelta(minutes=1), _mia_waits_for_the_workshop))
    return [line for line in story + rounds + today if line[0] <= now]


def _on(now: datetime, days: int, clock: str) -> datetime:
    day = timezone.localdate(now) - timedelta(days=days)
    return timezone.make_aware(datetime.combine(day, time.fromisoformat(clock)))


def _everyday(*, hours: float, number: int, share: float) -> Act:
    def act(stage: Stage) -> None:
        now = timezone.now()
        wake_snoozed(now=now)
        talk(stage, now - timedelta(hours=hours), now, number=number)
        stage.listen()
        work(stage, share=share)

    return act


def _his_case(stage: Stage) -> Case:
    return stage.case_of(X, DIRECTOR)


def _issue() -> Issue:
    return Issue.objects.get(name="Seat policy")


def _he_tweets(stage: Stage) -> None:
    stage.say(X, DIRECTOR, words.TWEET, key="sk590")
    stage.listen()


def _hundreds_repeat_it(stage: Stage) -> None:
    """Let thirty people repeat the director's post.

    The story speaks of hundreds of people, but thirty are enough for the sample.
    """
    now = timezone.now()
    for who in PASSERS_BY[:30]:
        with at(now - timedelta(minutes=stage.rng.randrange(100))):
            text = stage.rng.choice(words.ECHOES)
            stage.say(who.on, who.key, text, name=who.name, reach=who.reach)
    stage.listen()


def _he_writes(stage: Stage) -> None:
    stage.say(MAIL, HIS_MAIL, words.MAIL, to=US[MAIL], title=words.MAIL_SUBJECT)
    stage.listen()


def _carla_answers_by_tweet(stage: Stage) -> None:
    case = _his_case(stage)
    case.claim(by=stage.workspace.people["carla"])
    stage.reply(case, stage.place(case, "x"), words.REPLY_BY_TWEET, by="carla")
    stage.deliver()


def _bystanders_answer_the_tweet(stage: Stage) -> None:
    for who, text in zip(PASSERS_BY[60:68], words.BYSTANDERS, strict=True):
        stage.say(X, who.key, text, name=who.name, reach=who.reach, in_reply_to=_our_last_post(X))
    stage.listen()


def _he_answers_the_tweet(stage: Stage) -> None:
    stage.say(X, DIRECTOR, words.HIS_ANSWER, in_reply_to=_our_last_post(X))
    stage.listen()


def _our_last_post(network: str) -> str:
    sent = Response.objects.filter(deliveries__scope=network, deliveries__state="sent")
    return str(sent.latest("deliveries__sent_at").deliveries.get(scope=network).sent_key)


def _he_calls(stage: Stage) -> None:
    profile = Profile.objects.get(network="phone", key=DIRECTOR_PHONE)
    stage.log("call", words.CALL, by="ben", profile=profile)


def _ben_answers_by_mail(stage: Stage) -> None:
    case, subject = _his_case(stage), words.REPLY_BY_MAIL_SUBJECT
    case.claim(by=stage.workspace.people["ben"], seen=case.assignee_id)
    place = stage.place(case, "mail")
    stage.reply(case, place, words.REPLY_BY_MAIL, by="ben", subject=subject)
    stage.deliver()


def _carla_opens_the_issue(stage: Stage) -> None:
    carla = stage.workspace.people["carla"]
    issue = Issue.objects.create(
        name="Seat policy",
        about="A guest was put off SK 590 for his size; the whole town talks about it.",
        owner=carla,
        created_at=timezone.now(),
    )
    topic = Topic.objects.get(name="Seat policy")
    about = Case.objects.living().filter(
        events__kind=CaseEvent.Kind.ROUTED,
        events__facts__topics__contains=[{"topic": topic.pk}],
        opened_at__gt=timezone.now() - _A_DAY,
    )
    for case in about.distinct():
        case.group(issue, by=carla)


_A_DAY = timedelta(days=1)


def _tim_writes_a_statement(stage: Stage) -> None:
    stage.state(
        _issue(), ["blog", "x", "mastodon", "bluesky"], words.STATEMENT_SUBJECT, words.STATEMENT,
        by="tim", department=MARKETING,
    )  # fmt: skip


def _nora_approves(stage: Stage) -> None:
    release.approve(Response.objects.held().get(), by=stage.workspace.people["nora"])
    stage.deliver()


def _readers_comment(stage: Stage) -> None:
    for key, text in words.COMMENTS:
        stage.say(BLOG, key, text, in_reply_to=_our_last_post(BLOG))
    stage.listen()


def _mia_closes_what_it_answers(stage: Stage) -> None:
    mia = stage.workspace.people["mia"]
    for case in _issue().cases.active().exclude(profile__key=DIRECTOR):
        case.finish(
            by=mia,
            seen=case.last_inbound_id,
            reasons="Answered elsewhere",
            why="Our statement answers this.",
        )


def _he_complains_about_it(stage: Stage) -> None:
    ours = _our_last_post(X)
    stage.say(X, DIRECTOR, words.COMPLAINT_ABOUT_STATEMENT, in_reply_to=ours)
    stage.listen()


def _nora_corrects_it(stage: Stage) -> None:
    first = Response.objects.get(issue=_issue(), audience="many")
    his = Feedback.objects.filter(response=first, interaction__profile__key=DIRECTOR)
    his.update(outcome=Feedback.Outcome.ANGRY, judged_by=stage.workspace.people["nora"])
    stage.state(
        _issue(), ["blog", "x", "mastodon", "bluesky"], words.CORRECTION_SUBJECT, words.CORRECTION,
        by="nora", department=MARKETING, corrects=first,
    )  # fmt: skip
    stage.deliver()


def _nora_begins_a_campaign(stage: Stage) -> None:
    """Create a campaign with both posts about the issue.

    From now on, scrm also finds posts that contain the hashtag or the link of the campaign.
    """
    nora = stage.workspace.people["nora"]
    campaign = Campaign.objects.create(
        name="Room for everyone",
        aim="People know the seat rule before they book, and hear it from us first.",
        owner=nora,
        department=stage.workspace.departments[MARKETING],
        starts_on=timezone.localdate() - timedelta(days=1),
        created_at=timezone.now(),
    )
    words = ["#RoomForEveryone", "blog.skyward.example/seats"]
    campaign.listen_for(words, by=nora, now=timezone.now())
    for statement in Response.objects.filter(issue=_issue(), audience="many", state="released"):
        campaign.add(statement, by=nora, now=timezone.now())


def _they_use_its_hashtag(stage: Stage) -> None:
    for who, text in zip(PASSERS_BY[30:33], words.HASHTAG, strict=True):
        stage.say(who.on, who.key, text, name=who.name, reach=who.reach)
    stage.listen()


def _sunita_adds_the_rule(stage: Stage) -> None:
    keep_private_matters_private(stage.workspace.people, since=timezone.now())


def _carla_calls_him(stage: Stage) -> None:
    stage.log_reply(_his_case(stage), words.REPLY_BY_PHONE, by="carla")


def _readers_comment_again(stage: Stage) -> None:
    for key, text in words.CORRECTION_COMMENTS:
        stage.say(BLOG, key, text, in_reply_to=_our_last_post(BLOG))
    stage.listen()


def _he_thanks(stage: Stage) -> None:
    stage.say(MAIL, HIS_MAIL, words.THANKS_BY_MAIL, to=US[MAIL], in_reply_to=_our_last_post(MAIL))
    stage.listen()


def _carla_is_done(stage: Stage) -> None:
    case = _his_case(stage)
    why = "He flew home and thanked us. The rule is on the site."
    case.finish(
        by=stage.workspace.people["carla"], seen=case.last_inbound_id, reasons="Thanks", why=why
    )


def _post_arrives(number: int) -> Act:
    def act(stage: Stage) -> None:
        kind, name, text = words.LETTERS[number]
        stage.log(kind, text, by=("ben", "mia", "tim")[number % 3], name=name)

    return act


def _a_delivery_fails(stage: Stage) -> None:
    community.fail(X, "refused")
    _statement_of_deals(stage, "x", words.FAILED)


def _a_delivery_stays_unknown(stage: Stage) -> None:
    community.fail(X, "answer lost")
    _statement_of_deals(stage, "deals", words.UNKNOWN)


def _statement_of_deals(stage: Stage, account: str, text: str) -> None:
    stage.state(_issue(), [account], "", text, by="nora", department=MARKETING)
    stage.deliver()


def _others_write(stage: Stage) -> None:
    """Let people write in other languages, at least once on each network."""
    for network, key, title, text in words.OTHER_LANGUAGES:
        to = US[network] if network in (MAIL, FORM) else ""
        stage.say(network, key, text, title=title, to=to)
    stage.listen()


def _nora_explains_in_a_thread(stage: Stage) -> None:
    accounts = ["x", "bluesky"]
    stage.state(
        _issue(), accounts, "", words.THREAD, by="nora", department=MARKETING, as_thread=True
    )
    stage.deliver()


def _she_asks(stage: Stage) -> None:
    stage.say(MASTODON, "ingrid_ak", words.QUESTION, key="belt-extender")
    stage.listen()


def _she_edits_it(stage: Stage) -> None:
    community.edit(MASTODON, "belt-extender", words.QUESTION_EDITED)
    stage.listen()


def _he_insults_the_crew(stage: Stage) -> None:
    stage.say(X, "somchai_j", words.INSULT, key="insult")
    stage.listen()


def _he_deletes_it(stage: Stage) -> None:
    community.delete(X, "insult")
    stage.listen()


def _mia_waits_for_the_workshop(stage: Stage) -> None:
    mia, until = stage.workspace.people["mia"], timezone.now() + timedelta(days=2)
    case = Case.objects.active().filter(department__name=SERVICE).earliest("opened_at")
    case.snooze(until=until, by=mia, seen=case.last_inbound_id)


def _a_statement_waits(stage: Stage) -> None:
    stage.state(_issue(), ["blog"], words.HELD_SUBJECT, words.HELD, by="tim", department=MARKETING)


_STORY: tuple[tuple[int, str, Act], ...] = (
    (18, "10:00", _post_arrives(0)),
    (16, "15:00", _post_arrives(1)),
    (13, "18:04", _he_tweets),
    (13, "20:40", _hundreds_repeat_it),
    (13, "21:00", _carla_answers_by_tweet),
    (13, "21:12", _bystanders_answer_the_tweet),
    (13, "21:30", _he_answers_the_tweet),
    (13, "22:10", _he_writes),
    (12, "08:20", _he_calls),
    (12, "09:15", _ben_answers_by_mail),
    (12, "10:00", _carla_opens_the_issue),
    (12, "12:00", _tim_writes_a_statement),
    (12, "12:40", _nora_approves),
    (12, "15:00", _readers_comment),
    (12, "17:30", _he_complains_about_it),
    (12, "19:00", _mia_closes_what_it_answers),
    (11, "09:00", _nora_corrects_it),
    (11, "09:20", _nora_begins_a_campaign),
    (11, "09:30", _sunita_adds_the_rule),
    (11, "10:00", _carla_calls_him),
    (11, "13:00", _readers_comment_again),
    (11, "16:00", _they_use_its_hashtag),
    (10, "08:45", _he_thanks),
    (10, "09:30", _carla_is_done),
    (9, "11:00", _post_arrives(2)),
    (9, "15:00", _nora_explains_in_a_thread),
    (8, "12:00", _others_write),
    (7, "14:00", _post_arrives(3)),
    (5, "10:30", _post_arrives(4)),
    (3, "09:45", _post_arrives(5)),
    (2, "12:00", _a_delivery_fails),
    (2, "16:00", _a_delivery_stays_unknown),
    (1, "08:10", _she_asks),
    (1, "08:40", _she_edits_it),
    (1, "09:00", _post_arrives(6)),
    (1, "10:15", _he_insults_the_crew),
    (1, "11:30", _he_deletes_it),
    (1, "13:30", _post_arrives(7)),
    (1, "17:00", _a_statement_waits),
)
"""Days ago, time of day, action."""
