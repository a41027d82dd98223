"""Test data for the inbox: many cases of people with names in different writing systems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import User
from responses.models import SavedReply
from routing.intake import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm.channels.base import Author, Visibility
from scrm.channels.sandbox import community
from scrm.channels.sandbox.networks import MICROBLOG

US = "skywardair"
PEOPLE = {
    # key: (name, text)
    "ron": ("Ron Calder", "Your captain threw me off @SkywardAir for my size."),
    "layla": ("ليلى الحداد", "أين حقيبتي يا @SkywardAir؟ أنتظر منذ ثلاثة أيام."),
    "noa": ("נועה לוי", "המזוודה שלי לא הגיעה. @SkywardAir, מה עושים?"),
    "olena": ("Олена Шевченко", "Де мій багаж, @SkywardAir?"),
    "eleni": ("Ελένη Παπαδοπούλου", "Η πτήση άργησε τρεις ώρες, @SkywardAir."),
    "misaki": ("佐藤美咲", "@SkywardAir 搭乗券のゲートが違いました。"),
    "wei": ("王偉", "@SkywardAir 航班延误，没有人解释。"),
    "jiwoo": ("김지우", "@SkywardAir 앱에 로그인이 안 돼요."),
    "priya": ("प्रिया नायर", "@SkywardAir क्या समूह के लिए छूट है?"),
    "somchai": ("สมชาย ใจดี", "@SkywardAir เที่ยวบินถูกยกเลิกโดยไม่แจ้ง"),
    "anahit": ("Անահիտ Սարգսյան", "@SkywardAir որտե՞ղ է իմ ճամպրուկը։"),
    "nino": ("ნინო ბერიძე", "@SkywardAir რატომ გაუქმდა რეისი?"),
    "abebe": ("አበበ በቀለ", "@SkywardAir ሻንጣዬ የት ነው?"),
    "marta": ("Marta Janssen", "Second time my boarding pass shows the wrong gate."),
    "long": ("Wolfeschlegelsteinhausenbergerdorff-Venkatanarasimharajuvaripeta", "x" * 300),
}
RIGHT_TO_LEFT = ("layla", "noa")


@dataclass
class World:
    """The cases of a test, by the key of their author.

    The keys are those of PEOPLE. The first person in PEOPLE wrote the newest post.
    """

    cases: dict[str, Case]

    def __getitem__(self, key: str) -> Case:
        return Case.objects.get(pk=self.cases[key].pk)

    def name(self, key: str) -> str:
        return PEOPLE[key][0]


def populate(agent: User) -> World:
    """Record one post of each person in PEOPLE, and create a saved reply."""
    SavedReply.objects.create(name="Sorry", text="We are sorry to hear it.", owner=agent)
    begun = timezone.now() - timedelta(minutes=len(PEOPLE) + 1)
    cases = {
        key: says(key, text, name=name, at=begun + timedelta(minutes=len(PEOPLE) - n))
        for n, (key, (name, text)) in enumerate(PEOPLE.items())
    }
    return World(cases)


def says(
    key: str,
    text: str,
    *,
    name: str = "",
    visibility: Visibility = "public",
    at: datetime | None = None,
) -> Case:
    """Record a post that is addressed to us, and return its case.

    `at` is the time of the post; None means the current time.
    """
    now = at or timezone.now()
    author = Author(MICROBLOG, key, handle=key, name=name or PEOPLE.get(key, (key,))[0])
    post = community.post(MICROBLOG, key, text, at=now, to="" if visibility == "public" else US)
    said = Entry(
        MICROBLOG, post, author, "sandbox", "post", visibility, text,
        occurred_at=now,
    )  # fmt: skip
    row = record([said], now=now)[0]
    facts = Facts(channel="sandbox", network=MICROBLOG, kind="post", text=text)
    arrival = Arrival(row.interaction, row.conversation, row.profile or 0, None, now, facts)
    return Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])
