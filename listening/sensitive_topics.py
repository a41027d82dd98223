"""The sensitive topics with which every workspace starts. Admins can change their words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from crm.models import User
from listening.models import Topic
from listening.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class DefaultTopic:
    """One topic: its words in English, German and French, and texts that show what it is for.

    matches, does_not_match: examples that the topic must match and must not match.
    """

    name: str
    purpose: str
    any_of: tuple[str, ...]
    none_of: tuple[str, ...]
    matches: tuple[str, ...]
    does_not_match: tuple[str, ...]


DEFAULT_TOPICS: dict[Sensitivity, DefaultTopic] = {
    Sensitivity.SAFEGUARDING: DefaultTopic(
        name="Safeguarding",
        purpose="Someone may be in danger: suicide, self-harm, violence, a child at risk.",
        any_of=(
            "I can't go on", "I cannot go on", "can't go on anymore", "kill myself",
            "killing myself", "end my life", "ending my life", "take my own life", "want to die",
            "wanna die", "better off dead", "no reason to live", "suicide", "suicidal",
            "self-harm", "hurt myself", "cut myself", "my child is in danger", "he beats me",
            "she beats me", "hits my child", "sexually assaulted", "assaulted me",
            "ich kann nicht mehr", "mich umbringen", "bringe mich um", "mir das leben nehmen",
            "will nicht mehr leben", "will sterben", "selbstmord", "suizid",
            "mich selbst verletzen",
            "schlägt mich", "schlägt mein kind", "je n'en peux plus", "me suicider", "me tuer",
            "mettre fin à mes jours", "envie de mourir", "veux mourir", "plus envie de vivre",
            "me faire du mal", "il me frappe", "frappe mon enfant", "agressée",
        ),
        none_of=("suicide squad", "could kill for a"),
        matches=(
            "You lost everything I had. I can't go on.",
            "Ich kann nicht mehr, ich will nicht mehr leben.",
            "Je n'en peux plus, j'ai envie de mourir.",
        ),
        does_not_match=(
            "Suicide Squad on the seat screen froze again.",
            "We can go on with the booking, thanks.",
        ),
    ),
    Sensitivity.LEGAL: DefaultTopic(
        name="Legal threats",
        purpose="Someone threatens to sue, or a lawyer, court, authority or regulator is involved.",
        any_of=(
            "my lawyer", "our lawyer", "my attorney", "my solicitor", "see you in court",
            "take you to court", "taking you to court", "small claims court", "sue you",
            "will sue", "suing you", "legal action", "legal proceedings", "letter before action",
            "cease and desist", "class action", "report you to", "file a complaint with",
            "mein anwalt", "meine anwältin", "meinem anwalt", "meiner anwältin", "rechtsanwalt",
            "rechtsanwältin", "rechtliche schritte", "vor gericht", "verklage", "verklagen",
            "anzeige erstatten", "strafanzeige", "abmahnung", "schlichtungsstelle",
            "mon avocat", "mon avocate", "notre avocat", "porter plainte", "porterai plainte",
            "mise en demeure", "en justice", "devant le tribunal", "action en justice",
            "poursuites judiciaires", "poursuivre en justice",
        ),
        none_of=(),
        matches=(
            "You will hear from my lawyer.",
            "Ich werde rechtliche Schritte einleiten.",
            "Je vais porter plainte si vous ne répondez pas.",
        ),
        does_not_match=("The tennis court at your hotel is great.", "Is there a lawyer's lounge?"),
    ),
    Sensitivity.DATA_REQUEST: DefaultTopic(
        name="Data-subject requests",
        purpose="Someone asks for a copy, correction or deletion of their personal data.",
        any_of=(
            "delete my data", "delete all my data", "erase my data", "delete my personal data",
            "remove my data", "copy of my data", "access to my data", "my personal data",
            "data subject request", "data subject access request", "subject access request",
            "DSAR", "right to be forgotten", "right of access", "right to erasure", "GDPR request",
            "under the GDPR", "meine daten löschen", "löschen sie meine daten",
            "löschung meiner daten", "auskunft über meine daten", "auskunft nach art. 15",
            "kopie meiner daten", "datenauskunft", "art. 15 dsgvo", "artikel 15 dsgvo",
            "art. 17 dsgvo", "dsgvo-auskunft", "supprimer mes données", "supprimez mes données",
            "suppression de mes données", "effacer mes données", "accès à mes données",
            "copie de mes données", "droit à l'oubli", "droit d'accès", "demande rgpd",
        ),
        none_of=(),
        matches=(
            "Please send me a copy of my data.",
            "Bitte löschen Sie meine Daten.",
            "Je demande la suppression de mes données.",
        ),
        does_not_match=(
            "Where do I find the data on delays?", "My data plan does not work on board.",
        ),
    ),
}  # fmt: skip


def create_default_topics(
    owner: User, *, except_names: Iterable[str] = (), since: datetime | None = None
) -> list[Topic]:
    """Create the sensitive topics, except those whose names are in `except_names`."""
    now = since or timezone.now()
    made = []
    for kind, default in DEFAULT_TOPICS.items():
        if default.name in except_names:
            continue
        topic = Topic.objects.create(
            name=default.name,
            purpose=default.purpose,
            sensitivity=kind,
            owner=owner,
            created_at=now,
        )
        topic.revise(
            any_of=list(default.any_of), all_of=[], none_of=list(default.none_of), by=owner, now=now
        )
        made.append(topic)
    return made


def missing() -> list[str]:
    """Return the names of the default topics that do not exist."""
    names = [default.name for default in DEFAULT_TOPICS.values()]
    known = set(Topic.objects.filter(name__in=names).values_list("name", flat=True))
    return [name for name in names if name not in known]
