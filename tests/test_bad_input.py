"""Unusual values in paths, queries and form fields are refused, and no page crashes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from crm.models import Account, Attachment, Contact, Department, User
from listening.views import discovery
from responses.models import Response
from routing.models import Case, RoutingRule
from scrm.channels.base import Found
from scrm.channels.email import connect as mailbox
from scrm.channels.wordpress import connect as blog
from tests.test_access import GET, POST, World, address, build, table

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FORM = "application/x-www-form-urlencoded"
ODD = {
    "nothing": "",
    "NUL": "a%00b",
    "5,000 digits": "9" * 5000,
    "negative": "-1",
    "other digits": quote("²"),
    "emoji, lone surrogate, no UTF-8, line ends": quote("🛫") + "%ED%A0%80%FF%0D%0A",
    "last day": "9999-12-31",
}
"""Description → value, percent-encoded."""

MOMENTS = {
    "last minute": "9999-12-31T23:59",
    "first minute": "0001-01-01T00:00",
    "last place": quote("9999-12-31T23:59:59-23:59,1"),
    "first place": quote("0001-01-01T00:00:00+23:59,1"),
    "far offset": quote("2026-03-04T12:00:00+23:59,1"),
}
URLS = {
    "long address": "https://a.example/" + "a" * 2022,
    "bad address": quote("http://[::1"),
}
PATHS = {"deep path": ".".join(["1"] * 500), "JSON": quote('["0", "\\u0000", []]'), "minus": "-1"}
MORE = {
    "before": MOMENTS, "since": MOMENTS, "until": MOMENTS, "said_at": MOMENTS, "when-0": MOMENTS,
    "url": URLS, "address": URLS, "next": URLS, "found": URLS, "cond-add": PATHS,
    "cond-use": PATHS, "cond-remove": PATHS, "cond-add-group": PATHS,
}  # fmt: skip
"""Field → further unusual values for this field alone."""

QUERIES = {
    "routing:inbox": "q view sort department status who assignee priority due call_back channel "
    "kind topic tag issue followed participant since until before",
    "routing:news": "heard ids shown current view",
    "routing:palette": "q",
    "nav": "at",
    "routing:new": "profile_q case profile form kind text said_at name phone direction outcome "
    "duration recording call_back_at written_on received_on address reference which",
    "routing:new_who": "profile_q profile",
    "routing:case": "all",
    "routing:participant": "q",
    "routing:issue": "q show",
    "routing:rules": "case",
    "responses:composer": "tab from",
    "responses:issue_statement": "department corrects",
    "responses:issue_said": "outcome",
    "responses:response": "outcome",
    "responses:correct": "again",
    "responses:calendar": "month",
    "responses:history": "q state audience department author issue campaign outcome since until "
    "before",
    "responses:export": "q state audience department author issue campaign outcome since until",
    "responses:campaign_rows": "kind account contact profile outcome before",
    "listening:source_new": "address",
    "listening:source": "before",
    "listening:sources": "only",
    "listening:mentions": "only before fetch",
    "crm:contacts": "q kind owner tag after",
    "crm:strangers": "q after",
    "crm:find_contacts": "q besides",
    "crm:find_profiles": "q besides",
    "crm:namesakes": "name",
    "crm:contact": "before by channel kind text since until",
    "crm:contact_new": "name",
    "crm:profile": "before by channel kind text since until",
    "account_login": "next",
    "account_reset_password": "next",
}
_HOURS = {
    "name": "Night desk", "zone": "UTC", "is_default": "on", "departments": "@department",
    "snooze_pauses": "on", "mon": "09:00-18:00", "tue": "22:00-06:00", "wed": "", "thu": "",
    "fri": "9-12, 13-18", "sat": "", "sun": "", "holiday_day": "2026-12-24",
    "holiday_name": "Christmas Eve", "holiday_hours": "9-12", "holiday_yearly": "yes",
    "pasted": "2026-12-25 Christmas Day",
}  # fmt: skip
_TARGETS = {"urgent_first": "1 h", "high_next": "90 min", "normal_resolution": "2 d"}
TYPED: dict[str, dict[str, Any]] = {
    "routing:new": {
        "form": uuid.UUID(int=7), "kind": "call", "text": "Hello.", "name": "Ron",
        "phone": "+44 20 7946 0958", "said_at": "", "profile": "", "case": "", "profile_q": "",
        "kept": "@scan", "direction": "in", "outcome": "call back", "duration": "5:12",
        "recording": "https://a.example/1", "call_back_at": "2999-01-01T00:00",
    },
    "routing:new letter": {
        "form": uuid.UUID(int=7), "kind": "letter", "text": "Dear Sir", "name": "Ron",
        "phone": "", "profile": "", "case": "", "profile_q": "", "written_on": "2026-03-01",
        "received_on": "2026-03-04", "address": "Ron\nRoad 1\nTown", "reference": "",
    },
    "routing:call_back": {
        "number": "+44 20 7946 0958", "preset": "", "until": "2999-01-01T00:00",
        "person": "@member", "seen": "@last_inbound",
    },
    "responses:letter_sheet": {
        "form": uuid.UUID(int=8), "seen": "@last_inbound", "how": "letter", "text": "Dear Ron",
        "address": "Ron\nRoad 1\nTown",
    },
    "responses:by_hand letter": {
        "form": uuid.UUID(int=8), "seen": "@last_inbound", "how": "letter", "text": "Dear Ron",
        "address": "Ron\nRoad 1\nTown",
    },
    "routing:new_cards": {
        "form": uuid.UUID(int=7), "rows": "10", "lines": "", "text-0": "Good.", "name-0": "Ron",
        "reach-0": "+442079460958", "when-0": "2026-03-04",
    },
    "routing:new_cards fill": {
        "fill": "1", "form": "", "rows": "10", "lines": "Good.", "text-0": "",
    },
    "routing:new_event": {
        "form": uuid.UUID(int=7), "rows": "10", "lines": "", "event": "Fair", "place": "Here",
        "day": "2026-03-04", "text-0": "Good.", "name-0": "Ron",
        "reach-0": "+442079460958",
    },
    "routing:survey": {
        "title": "Onboard", "encoding": "utf-8", "delimiter": ",", "heading": "on", "order": "",
        "shape": "utf-8 , True", "seen": "", "column-0": "text",
    },
    "routing:survey_bad": {
        "title": "Onboard", "encoding": "utf-8", "delimiter": ",", "heading": "on", "order": "",
        "shape": "utf-8 , True", "column-0": "text",
    },
    "listening:csv_import": {
        "encoding": "utf-8", "delimiter": ",", "heading": "on", "order": "", "zone": "UTC",
        "source": "Old tool", "stance": "about us", "since": "day", "shape": "utf-8 , True",
        "seen": "", "column-0": "text",
    },
    "listening:csv_bad": {
        "encoding": "utf-8", "delimiter": ",", "heading": "on", "order": "", "zone": "UTC",
        "source": "Old tool", "stance": "about us", "since": "day", "shape": "utf-8 , True",
        "column-0": "text",
    },
    "routing:new search": {
        "search": "", "form": "", "kind": "", "text": "", "name": "", "phone": "", "said_at": "",
        "profile": "", "case": "", "profile_q": "Ron",
    },
    "routing:claim": {"assignee": ""},
    "routing:give_back": {"seen": "@last_inbound", "why": ""},
    "routing:transfer": {"department": "@elsewhere", "person": "", "why": "Theirs."},
    "responses:note": {"form": uuid.UUID(int=9), "seen": "", "text": "Calls on Friday."},
    "routing:assign": {"person": "@member"},
    "routing:tag": {"was": "", "tags": "bag, seat"},
    "routing:priority": {"priority": "high"},
    "routing:merge": {"other": "@other_case", "keep": "this", "why": "The same."},
    "routing:forwarded_sender": {"item": "@last_inbound"},
    "routing:split": {"item": "@last_inbound", "what": "item", "why": ""},
    "routing:link": {"other": "@other_case", "kind": "linked"},
    "routing:participant": {"person": "@profile", "role": "influencer", "q": "Ron"},
    "routing:add_follower": {"person": "@member"},
    "routing:remove_follower": {"person": "@member"},
    "routing:remove_participant": {"participant": "1"},
    "routing:here": {"replying": "1"},
    "routing:save_view": {"query": "?view=all", "name": "Mine too", "is_shared": "on"},
    "responses:save_view": {"query": "?state=held", "name": "Mine too", "is_shared": "on"},
    "responses:campaign_new": {
        "name": "Autumn", "aim": "More guests.", "department": "@department", "owner": "@admin",
        "starts_on": "2026-03-04", "ends_on": "", "words": "#autumn",
    },
    "responses:campaign_edit": {
        "name": "Autumn", "aim": "More guests.", "department": "@department", "owner": "@admin",
        "starts_on": "2026-03-04", "ends_on": "2026-04-04", "words": "#autumn",
    },
    "responses:count_in": {"campaign": "@campaign"},
    "crm:read": {"notice": ""},
    "crm:me": {"name": "Ada", "email": "ada@scrm.example", "password": "", "shortcuts": "on"},
    "responses:bulk": {
        "form": uuid.UUID(int=10), "verb": "tag", "case": "1:1:0", "tag": "bag", "person": "",
        "issue": "", "why": "",
    },
    "responses:draft": {
        "draft_kind": "reply", "draft_version": "0", "text": "Hi", "place": "@place",
        "subject": "", "accounts": "@speaking", "kept": "@scan",
    },
    "responses:issue_draft": {
        "draft_kind": "statement", "draft_version": "0", "text": "Hi", "accounts": "@speaking",
        "department": "@department", "subject": "", "corrects": "", "campaign": "@campaign",
    },
    "responses:saved_reply_new": {
        "name": "New", "text": "Dear {{ name }}", "department": "", "owner": "@admin",
    },
    "responses:saved_reply": {
        "name": "Old", "text": "Dear {{ name }}", "department": "", "owner": "@admin",
    },
    "routing:snooze": {"preset": "", "until": "2999-01-01T00:00", "seen": "@last_inbound"},
    "routing:done": {"seen": "@last_inbound", "why": "", "every": "Thanks"},
    "routing:done_reasons": {"labels": "Thanks"},
    "routing:mute": {"reason": "Insults"},
    "routing:procedure": {"text": "Ask Legal.", "on_call": "@member", "days": "30"},
    "routing:noise": {"seen": "@last_inbound", "why": ""},
    "routing:reopen": {"why": ""},
    "routing:group": {"issue": "@issue"},
    "routing:issue_new": {
        "name": "Seats", "about": "", "owner": "@admin", "departments": "@department",
    },
    "routing:issue_edit": {
        "name": "Seats", "about": "", "owner": "@admin", "departments": "@department",
    },
    "routing:issue_add": {"numbers": "@case"},
    "routing:issue_add ticked": {"case": "@case"},
    "routing:issue_remove": {"case": "@case"},
    "routing:department_new": {
        "name": "New", "colour": "#123456", "owner": "@admin", "accounts": "@account",
    },
    "routing:department": {
        "name": "Old", "colour": "#123456", "owner": "@admin", "accounts": "@account",
        "is_fallback": "on",
    },
    "routing:member": {"user": "@member", "role": "agent"},
    "routing:calendar_new": _HOURS,
    "routing:calendar": _HOURS,
    "routing:targets": {"calendar": "1", **_TARGETS},
    "routing:hours_try": {
        **_HOURS, **_TARGETS, "calendar": "", "department": "@department", "day": "4",
        "time": "17:40", "priority": "urgent",
    },
    "routing:rule_new": {
        "name": "New", "owner": "@admin", "department": "@department", "assign": "nobody",
        "person": "", "priority": "normal", "tags": "a, b", "cond-match": "all",
        "cond-0-field": "text", "cond-0-op": "contains", "cond-0-value": "seat",
        "cond-1-field": "reach", "cond-1-op": "at least", "cond-1-value": "5",
        "cond-2-match": "any", "cond-2.0-field": "time", "cond-2.0-op": "between",
        "cond-2.0-value": "09:00-17:00",
    },
    "routing:rule": {
        "revision": "@revision", "name": "Old", "owner": "@admin", "department": "@department",
        "assign": "person", "person": "@member", "priority": "normal", "tags": "",
    },
    "routing:department_archive": {"to": "archive"},
    "routing:take_over": {"to": "@admin"},
    "routing:take_over_undo": {"token": "x"},
    "crm:away": {"back_on": "2099-01-01"},
    "crm:reassign": {"everything": "@member"},
    "routing:rule_move": {"to": "up"},
    "routing:rule_switch": {"to": "on"},
    "responses:reply": {
        "form": uuid.UUID(int=8), "seen": "@last_inbound", "place": "@place", "text": "Hi",
        "kept": "@scan",
    },
    "responses:statement": {
        "form": uuid.UUID(int=8), "seen": "@last_inbound", "accounts": "@speaking", "subject": "",
        "text": "Hello, all.", "corrects": "", "campaign": "@campaign", "send_at": "",
    },
    "responses:issue_statement": {
        "form": uuid.UUID(int=8), "seen": "", "accounts": "@speaking", "subject": "",
        "text": "Hello, all.", "corrects": "", "campaign": "@campaign",
        "department": "@department",
    },
    "responses:by_hand": {
        "form": uuid.UUID(int=8), "seen": "@last_inbound", "how": "call", "text": "We called.",
    },
    "responses:nothing": {"form": uuid.UUID(int=8), "seen": "@last_inbound", "why": "Spam."},
    "responses:approve": {"shown": "@hash", "instead": "1"},
    "responses:send_back": {"reason": "No."},
    "responses:edit": {"shown": "@hash", "seen": "@last_inbound", "text": "Sorry!", "then": "keep"},
    "responses:send": {"seen": "@last_inbound", "shown": "@hash"},
    "responses:remove_file": {"shown": "@hash", "file": "@scan", "back": "approvals"},
    "responses:mark_sent": {"url": "https://a.example/1", "key": "1"},
    "responses:judge": {"outcome": "thanks"},
    "responses:rule_new": {
        "name": "New", "verdict": "hold", "reason": "Look.", "move_to": "", "position": "3",
        "owner": "@admin", "cond-match": "all",
        "cond-0-field": "text", "cond-0-op": "contains", "cond-0-value": "seat",
        "steps": "lead", "within": "8", "wording": "", "example-TOTAL_FORMS": "1",
        "example-INITIAL_FORMS": "0", "example-0-text": "Your seat", "example-0-holds": "yes",
        "example-0-audience": "one", "example-0-visibility": "public", "example-0-people": "Ron",
    },
    "responses:rule": {
        "name": "Old", "verdict": "move", "reason": "Look.", "move_to": "mail", "position": "3",
        "owner": "@admin", "steps": "lead", "example-TOTAL_FORMS": "0",
        "example-INITIAL_FORMS": "0",
    },
    "listening:topic_new": {
        "name": "New", "purpose": "", "owner": "@admin", "any_of": "seat", "all_of": "",
        "none_of": "",
    },
    "listening:topic_stored": {"days": "1"},
    "listening:topic_edit": {
        "name": "Brand", "purpose": "", "owner": "@admin", "any_of": "seat", "seen": "1",
    },
    "listening:topic_pause": {"to": "active"},
    "listening:source_new": {
        "address": "https://b.example", "account": "", "found": "https://b.example/feed",
        "name": "B", "stance": "about us", "rhythm": "300", "since": "day", "owner": "@admin",
    },
    "listening:source_edit": {
        "name": "B", "stance": "about us", "rhythm": "300", "owner": "@admin"
    },
    "listening:source_move": {"address": "https://b.example/feed"},
    "listening:source_pause": {"to": "active"},
    "listening:webhook_new": {
        "name": "Survey", "stance": "for us", "owner": "@admin", "address": uuid.UUID(int=11),
    },
    "listening:webhook_remove_secret": {"secret": ""},
    "crm:contact_new": {"name": "Ron", "kind": "customer", "about": "", "owner": "@admin"},
    "crm:contact_edit": {
        "name": "Ron", "kind": "customer", "about": "", "owner": "@admin",
        "seen": "@version",
    },
    "crm:contact_link": {"profile": "@profile", "evidence": "Told us.", "move": "", "q": "ron"},
    "crm:link": {"contact": "@contact", "evidence": "Told us.", "seen": "", "q": "ron"},
    "crm:make_contact": {"name": "Ron", "kind": "customer"},
    "crm:tag": {"tag": "vip"},
    "crm:untag": {"tag": "vip"},
    "crm:relate": {"kind": "works at", "way": "forth", "contact": "@other", "q": "mar"},
    "crm:unlink": {"seen": ""},
    "routing:invite": {"email": "new@scrm.example", "name": "New", "role": "supervisor"},
    "routing:memberships": {"part": ""},
    "crm:workspace": {
        "organisation": "Acme", "zone": "Europe/Berlin", "handles": "acme", "signature": "Yours",
        "country": "DE", "address": "Road 1, Town",
    },
    "sample:start": {
        "organisation": "Acme", "zone": "Europe/Berlin", "handles": "acme", "signature": "Yours",
        "confirm": "Acme", "name": "Ada", "email": "ada@acme.example",
        "password": "a password of my own", "password_again": "a password of my own",
    },
    "crm:person_edit": {"name": "Rea", "email": "rea@scrm.example", "role": "supervisor"},
    "crm:account_new": {
        "network": "sandbox.mail", "self_key": "us@scrm.example", "name": "Us", "owner": "@admin",
    },
    "crm:connect wordpress": {
        "address": "http://127.0.0.1:1", "user": "ada", "password": "secret", "owner": "@admin",
    },
    "crm:account": {"name": "Us", "owner": "@admin"},
    "crm:connect email": {
        "address": "us@scrm.example", "sender": "Us", "user": "us", "password": "secret",
        "imap_host": "127.0.0.1", "imap_port": "1", "imap_security": "tls", "smtp_port": "1",
        "smtp_host": "127.0.0.1", "smtp_security": "none", "signature": "Us", "owner": "@admin",
        "do": "save",
    },
    "crm:reconnect": {
        "sender": "Us", "user": "us", "password": "", "imap_host": "127.0.0.1", "imap_port": "1",
        "imap_security": "tls", "smtp_port": "1", "smtp_host": "127.0.0.1",
        "smtp_security": "none", "signature": "Us", "owner": "@admin", "do": "test",
    },
    "crm:account_pause": {"to": "active"},
    "crm:account_events": {"to": "stop"},
    "crm:account_budget": {"per_hour": "10", "per_day": ""},
    "crm:account_spending": {"usd_per_day": "1.50", "usd_per_month": ""},
    "responses:pause": {"to": "paused", "why": "A storm."},
    "responses:release": {"looked": "on"},
    "account_login": {"login": "ada@scrm.example", "password": "secret", "next": "/"},
    "account_reset_password": {"email": "ada@scrm.example"},
    "account_change_password": {"oldpassword": "a", "password1": "b", "password2": "b"},
}  # fmt: skip
"""Each form, filled in so that an unusual value in one field causes the first error.

A value such as @case stands for the key of the existing row.
"""

DATED = [
    ("routing:new", "said_at", "routing:inbox"),
    ("routing:new_cards", "when-0", "routing:inbox"),
    ("routing:new_event", "day", "routing:inbox"),
    ("routing:snooze", "until", "routing:case"),
    ("routing:call_back", "until", "routing:case"),
    ("routing:new", "call_back_at", "routing:inbox"),
    ("routing:new letter", "written_on", "routing:inbox"),
    ("routing:new letter", "received_on", "routing:inbox"),
    ("responses:campaign_edit", "starts_on", "responses:campaign"),
    ("responses:campaign_edit", "ends_on", "responses:campaign"),
]
"""Form, field, and the page that shows the stored value."""

PROBES = {"readyz", "live"}
"""Pages that answer 5xx by design."""

UUIDS = {
    "crm:attachment", "crm:files", "crm:whole", "crm:job", "routing:survey", "listening:csv_import",
    "listening:webhook_receive", "listening:events", "responses:letter_copy",
}  # fmt: skip
"""Pages whose path has a UUID instead of a number."""

BUTTONS = {
    "routing:cancel_call_back", "routing:dismiss_thanks", "responses:thanks", "routing:unmute",
    "routing:mute_renew", "routing:create_default_topics", "routing:follow", "routing:unfollow",
    "routing:undo_event", "crm:files",
    "responses:cancel", "responses:check", "responses:send_again", "responses:send_late",
    "responses:dismiss_problem", "responses:review", "responses:record_check", "routing:issue",
    "routing:issue_close",
    "listening:webhook_receive", "listening:webhook_add_secret", "listening:webhook_test",
    "listening:events",
    "listening:source_fetch", "responses:correct", "responses:take_down",
    "listening:source_bring_in", "listening:replay", "crm:deactivate", "crm:activate",
    "crm:reset_password", "routing:left", "routing:drop_view", "responses:drop_view",
    "responses:campaign_close",
    "routing:undo", "routing:next",
    "responses:bulk_undo", "routing:new_survey", "listening:csv_upload",
    "listening:topic_import", "listening:topic_searches", "responses:thread_fetch",
    "responses:moderate", "responses:message_privately", "responses:close_as_deleted",
    "crm:link_confirm", "crm:link_again", "crm:relation_end",
    "crm:relation_again", "reports:checklist", "sample:look_as",
}  # fmt: skip
"""Forms that consist of buttons only, or that need a network."""


def test_the_table_names_every_form() -> None:
    known = {name.partition(" ")[0] for name in TYPED} | BUTTONS
    assert {name for name, _ in table(POST)} - known == set()
    assert set(QUERIES) - {name for name, _ in table(GET)} == set()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One object of each kind.

    The objects are created only once, because the changes of each request are rolled back.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield furnished(build())
        transaction.set_rollback(True)


def furnished(world: World) -> World:
    """Add rows that the forms need, for example an account that can send.

    Values for the forms of each page are added too.
    """
    admin, ids = world.people["admin"], world.ids
    service = Department.objects.get(pk=ids["department"])
    speaking = Account.objects.create(
        kind="sandbox", network="sandbox.microblog", self_key="skywardair", owner=admin
    )
    service.accounts.add(speaking)
    case = Case.objects.get(pk=ids["case"])
    mine = {"by": admin, "content_type": "text/csv", "size": 10}
    more = {
        "scan": Attachment.objects.create(**mine, name="1.png").uuid,
        "upload": Attachment.objects.create(
            **mine, name="a.csv", file=ContentFile(b"text\nGood\n", name="a.csv")
        ).uuid,
        "admin": admin.pk,  # type: ignore[union-attr]
        "speaking": speaking.pk,
        "last_inbound": case.last_inbound_id,
        "other_case": Case.objects.create(profile=case.profile, department=service).pk,
        "elsewhere": Department.objects.exclude(pk=service.pk).earliest("pk").pk,
        "hash": Response.objects.get(pk=ids["response"]).content_hash,
        "place": f"{speaking.pk}:{ids['profile']}:public",
        "version": Contact.objects.get(pk=ids["contact"]).version,
        "revision": RoutingRule.objects.get().current_id,
        "member": User.objects.get(email="agent@scrm.example").pk,
    }
    return World(world.people, ids | more)


class OpenSite:
    """A fake blog that accepts every login and gives the same response to every request."""

    host = "b.example"

    def __init__(self, *login: str) -> None:
        self.row = {
            "home": "https://b.example", "name": "B", "id": 1,
            "authentication": {"application-passwords": {"endpoints": {}}},
            "capabilities": dict.fromkeys(
                ["publish_posts", "edit_published_posts", "moderate_comments"], True
            ),
        }  # fmt: skip

    def get(self, path: str, **query: str) -> OpenSite:
        return self


@pytest.fixture
def browser(world: World, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A test client of an admin. If a page crashes, the client returns a response with status 500.

    Look-ups on the network are replaced by fixed results.
    """
    found = [Found("https://b.example/feed", "B")]
    monkeypatch.setattr(discovery, "_discover", lambda where: found)
    monkeypatch.setattr(blog, "find_api", lambda address: "https://b.example/")
    monkeypatch.setattr(blog, "Site", OpenSite)
    monkeypatch.setattr(mailbox, "check", lambda *_, **__: {})
    client = Client(raise_request_exception=False)
    client.force_login(world.people["admin"])  # type: ignore[arg-type]
    return client


def filled(name: str, ids: dict[str, Any]) -> dict[str, str]:
    """Return the valid values of a form's fields, percent-encoded."""
    typed = {field: str(value) for field, value in TYPED[name].items()}
    named = {field: ids[value[1:]] for field, value in typed.items() if value.startswith("@")}
    return {field: quote(str(value)) for field, value in (typed | named).items()}


def post(
    browser: Client, name: str, fields: dict[str, str], ids: dict[str, Any], after: str = ""
) -> int:
    """Submit a form, then request the page `after`.

    Returns the higher of the two status codes.
    """
    body = "&".join(f"{field}={value}" for field, value in fields.items())
    url, _, kind = name.partition(" ")
    ids = ids | {"kind": kind}
    with transaction.atomic():
        answer = browser.post(address(url, ids), body, content_type=FORM)
        seen = browser.get(address(after, ids)).status_code if after else 0
        transaction.set_rollback(True)
    return max(answer.status_code, seen)


def get(browser: Client, url: str) -> int:
    with transaction.atomic():
        answer = browser.get(url)
        transaction.set_rollback(True)
    return answer.status_code


def crashes(answers: Iterable[tuple[str, int]]) -> list[str]:
    return [what for what, status in answers if status >= 500]


@pytest.mark.parametrize("name", TYPED)
def test_the_form_is_accepted_as_it_stands(world: World, browser: Client, name: str) -> None:
    """Each form of this test is accepted if all of its values are valid.

    The other tests change one value of such a form. If the unchanged form were refused, they would
    always see the same refusal. The status 409 counts as accepted: all values are valid, but the
    action was already done.
    """
    assert post(browser, name, filled(name, world.ids), world.ids) in {200, 302, 409}


@pytest.mark.parametrize(("name", "field"), [(n, field) for n in TYPED for field in TYPED[n]])
def test_an_odd_value_in_a_field(world: World, browser: Client, name: str, field: str) -> None:
    form, odd = filled(name, world.ids), ODD | MORE.get(field, {})
    answers = [
        (what, post(browser, name, form | {field: value}, world.ids)) for what, value in odd.items()
    ]
    assert crashes(answers) == []


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name in QUERIES for field in QUERIES[name].split()]
)
def test_an_odd_value_in_a_query(world: World, browser: Client, name: str, field: str) -> None:
    url, odd = address(name, world.ids), ODD | MORE.get(field, {})
    answers = [(what, get(browser, f"{url}?{field}={value}")) for what, value in odd.items()]
    assert crashes(answers) == []


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_the_ends_of_the_calendar(world: World, browser: Client, settings: Any, zone: str) -> None:
    """No page crashes on the first and last dates of the calendar.

    One day more, or another time zone, makes such a date invalid.
    """
    settings.TIME_ZONE = zone
    ends = ODD | MOMENTS
    history, inbox = address("responses:history", {}), address("routing:inbox", {})
    contact = address("crm:contact", world.ids)
    pages = {history: ("since", "until", "before"), inbox: ("before",), contact: ("since", "until")}
    answers = [
        *(
            (f"{url} {name} {what}", get(browser, f"{url}?{name}={value}"))
            for url, names in pages.items()
            for name in names
            for what, value in ends.items()
        ),
        *(
            (f"{name} {what}", post(browser, name, form | {field: value}, world.ids, after))
            for name, field, after in DATED
            for form in [filled(name, world.ids)]
            for what, value in ends.items()
        ),
    ]
    assert crashes(answers) == []


@pytest.mark.parametrize("name", [name for name, _ in table(GET) if name not in PROBES])
def test_an_odd_key_in_the_path(world: World, browser: Client, name: str) -> None:
    url = address(name, dict.fromkeys(world.ids, uuid.UUID(int=0) if name in UUIDS else 424242))
    keys = ["0", "9" * 19, "9" * 30, "9" * 5000, "%00", "-1", quote("²")]
    answers = [(key[:30], get(browser, url.replace("424242", key))) for key in keys]
    assert crashes(answers) == []
