"""The people of the sandbox. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass

from scrm.channels.sandbox.networks import BLUESKY, MASTODON, X


@dataclass(frozen=True, slots=True)
class Persona:
    """A person of the sandbox.

    `key` never changes; it is the handle in lower case. `mail` is "" for a person without mail.
    `on`: the social networks that the person uses.
    """

    key: str
    name: str
    reach: int
    mail: str = ""
    on: tuple[str, ...] = (X,)


PEOPLE = (
    Persona("roncalder", "Ron Calder", 1_600_000, "ron@calderfilms.example"),
    Persona("amara_flies", "Amara Okafor", 48_200, "amara.okafor@post.example", (X, BLUESKY)),
    Persona("lukasz_w", "Łukasz Wiśniewski", 412, "lukasz@wisniewski.example", (MASTODON,)),
    Persona("misaki_s", "佐藤 美咲", 9_870, "misaki.sato@yado.example"),
    Persona("dasha_v_puti", "Дарья Смирнова", 23_400),
    Persona("alkhatib_m", "محمد الخطيب", 1_180, "m.alkhatib@suq.example"),
    Persona("chloedbs", "Chloé Dubois", 655, "chloe.dubois@poste.example", (BLUESKY,)),
    Persona("jaruiz", "José Ángel Ruiz", 87, "jaruiz@correo.example"),
    Persona("nikos_pap", "Νίκος Παπαδάκης", 2_040, on=(MASTODON,)),
    Persona("minjun_k", "김민준", 15_300, "minjun@haneul.example", (BLUESKY,)),
    Persona("priyanair", "Priya Nair", 3_310, "priya.nair@post.example"),
    Persona("noa_levi", "נועה לוי", 540),
    Persona("somchai_j", "สมชาย ใจดี", 129, "somchai@thip.example"),
    Persona("anil_sharma", "अनिल शर्मा", 760, "anil.sharma@dak.example"),
    Persona("ingrid_ak", "Ingrid Åkesson", 5_025, "ingrid@akesson.example", (MASTODON,)),
    Persona("tombecker71", "Tom Becker", 12, "tom.becker@post.example", (X, MASTODON)),
    Persona("fatima_zahra", "Fatima Zahra Bennani", 31_900),
    Persona("wenzhang", "张雯", 7_400, "wen.zhang@youju.example"),
    Persona("gracembeki", "Grace Mbeki", 268, "grace@mbeki.example"),
    Persona("aisle_seat_al", "Al Ferreira", 112_000, "al@aisleseat.example"),
    Persona("mairead_oc", "Máiréad O'Connor", 945, "mairead@oconnor.example"),
)
CROWD = PEOPLE[1:]
"""All personas but the film director, who posts only in the story or as an answer to us."""

_BY_KEY = {person.key: person for person in PEOPLE} | {p.mail: p for p in PEOPLE if p.mail}


def persona(key: str) -> Persona | None:
    """Return the persona with this key, handle or mail address, or None."""
    return _BY_KEY.get(key.lstrip("@").lower())


def handle_on(network: str, key: str) -> str:
    """Return the handle of a person in the form that is usual on the network."""
    if network == MASTODON:
        return f"{key}@social.example"
    return f"{key.replace('_', '-')}.sky.example" if network == BLUESKY else key
