"""Comment cards and events that are typed into rows of a form.

Each row becomes an interaction, but only if all rows are valid.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, Interaction, Profile, User
from routing.forms.offline_grid import MAX_ROWS
from routing.models import Case, RoutingRule

As = Callable[[User], Client]
NAMES = [
    "Zoë", "Ελένη", "Анна", "عائشة", "נועה", "अनिता", "สมชาย", "王小明", "さくら", "김민지",
]  # fmt: skip


def cards(*rows: tuple[str, ...], **facts: Any) -> dict[str, Any]:
    cells = {
        f"{what}-{n}": cell
        for n, row in enumerate(rows)
        for what, cell in zip(("text", "name", "reach", "when"), row, strict=False)
    }
    return {"form": uuid.uuid4(), "rows": max(10, len(rows))} | cells | facts


def event(*rows: tuple[str, ...], **facts: Any) -> dict[str, Any]:
    cells = {
        f"{what}-{n}": cell
        for n, row in enumerate(rows)
        for what, cell in zip(("name", "text", "reach"), row, strict=False)
    }
    about = {"event": "Town hall", "place": "Lower Marsh", "day": "2026-03-04"}
    return {"form": uuid.uuid4(), "rows": 10} | about | cells | facts


def test_the_page_offers_ten_empty_rows_and_more(as_: As, agent: User) -> None:
    client = as_(agent)
    assert len(client.get("/new/cards/").context["grid"].rows) == 10
    more = client.post("/new/cards/", cards(("Half typed",), more="1"))
    assert (more.status_code, len(more.context["grid"].rows)) == (200, 20)
    assert "Half typed" in more.content.decode()
    assert "errorlist" not in more.content.decode()


def test_an_address_beyond_ascii_is_shown_as_it_was_typed(as_: As, agent: User) -> None:
    as_(agent).post("/new/cards/", cards(("Lovely crew", "Eva", "Eva@Straße.test")))
    eva = Interaction.objects.get().profile
    assert eva is not None
    assert (eva.key, eva.handle) == ("eva@xn--strae-oqa.test", "eva@straße.test")


def test_each_filled_row_becomes_one_offline_contact(as_: As, agent: User) -> None:
    page = as_(agent).post(
        "/new/cards/",
        cards(
            ("The coffee was cold", "Ron", "Ron@Calder.example", "2026-03-04"),
            (),
            ("Lovely crew", "", "+1 212 555 0100", ""),
            ("Loud", "", "", "4.3.2026 18:30"),
        ),
        follow=True,
    )
    said = {each.text: each for each in Interaction.objects.select_related("profile")}
    assert set(said) == {"The coffee was cold", "Lovely crew", "Loud"}
    assert {each.kind for each in said.values()} == {"comment card"}
    cold, lovely, loud = (said[text] for text in ("The coffee was cold", "Lovely crew", "Loud"))
    assert (cold.profile.network, cold.profile.key) == ("email", "ron@calder.example")
    assert (lovely.profile.network, lovely.profile.key) == ("phone", "+12125550100")
    assert (loud.profile.network, str(loud.profile)) == ("offline", "Unknown")
    assert loud.occurred_at.isoformat() == "2026-03-04T18:30:00+00:00"
    assert "3 interactions were logged: 3 in Customer service." in page.content.decode()
    assert 'href="/new/cards/">Log another interaction</a>' in page.content.decode()


def test_names_in_any_script_come_through(as_: As, agent: User) -> None:
    as_(agent).post("/new/cards/", cards(*[("Fine", name) for name in NAMES]))
    assert set(Profile.objects.values_list("name", flat=True)) == set(NAMES)


def test_one_bad_row_stores_nothing_and_loses_nothing(as_: As, agent: User) -> None:
    """If one row of the form has an error, no row is stored, and the page shows all typed values.

    Fails if `entered` returns the valid rows although another row has an error.
    """
    later = (timezone.now() + timedelta(days=2)).date().isoformat()
    form = cards(("Good", "Ann", "a@b.example"), ("", "عائشة", "call me", later), ("Also good",))
    page = as_(agent).post("/new/cards/", form)
    assert page.status_code == 422
    assert not Interaction.objects.exists()
    rows = page.context["grid"].rows
    assert [set(row.wrong) for row in rows[:3]] == [set(), {"text", "reach", "when"}, set()]
    html = page.content.decode()
    for words in ("Good", "Ann", "a@b.example", "عائشة", "call me", later, str(form["form"])):
        assert words in html
    assert 'id="reach-1-wrong"' in html
    assert "3 cells have errors" in html


def test_a_form_with_nothing_in_it_says_so(as_: As, agent: User) -> None:
    for address, form in (("/new/cards/", cards()), ("/new/event/", event())):
        page = as_(agent).post(address, form)
        assert page.status_code == 422
        assert "Fill in at least one row" in page.content.decode()


def test_a_second_click_records_nothing_twice(as_: As, agent: User) -> None:
    form = cards(("Good", "Ann"), ("Good", "Ann"))
    first, second = (as_(agent).post("/new/cards/", form) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert Interaction.objects.count() == 2


def test_what_is_typed_into_an_old_form_is_recorded(as_: As, agent: User) -> None:
    """If a user goes back and submits the same form with another text, scrm records a second card.

    Both submissions have the same UUID.
    """
    form = cards(("First",))
    as_(agent).post("/new/cards/", form)
    as_(agent).post("/new/cards/", form | {"text-0": "Second"})
    assert set(Interaction.objects.values_list("text", flat=True)) == {"First", "Second"}


def test_lines_of_a_spreadsheet_fill_the_rows(as_: As, agent: User) -> None:
    lines = 'Cold coffee\tRon\tron@calder.example\n"Two\nlines"\tعائشة\n'
    page = as_(agent).post("/new/cards/", cards(("Typed",), lines=lines, fill="1"))
    rows = page.context["grid"].rows
    assert [row.cells["text"] for row in rows[:3]] == ["Typed", "Cold coffee", "Two\nlines"]
    assert page.context["grid"].lines == ""
    assert not Interaction.objects.exists()


def test_lines_that_are_pasted_and_logged_at_once_are_logged(as_: As, agent: User) -> None:
    as_(agent).post("/new/cards/", cards(lines="One\nTwo\tRon"))
    assert set(Interaction.objects.values_list("text", flat=True)) == {"One", "Two"}


@pytest.mark.parametrize("button", [{"fill": "1"}, {}])
def test_two_thousand_lines_are_too_many_and_stay_where_they_are(
    as_: As, agent: User, button: dict[str, str]
) -> None:
    lines = "\n".join(f"Card {n}\tRon" for n in range(2000))
    page = as_(agent).post("/new/cards/", cards(("Typed",), lines=lines) | button)
    html = page.content.decode()
    assert "2,001 rows are too many: a form takes at most 200." in html
    assert "Card 1999\tRon" in html
    assert "Typed" in html
    assert not Interaction.objects.exists()


def test_a_grid_never_shows_more_rows_than_fit(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/cards/", cards(rows="9" * 18, more="1"))
    assert len(page.context["grid"].rows) == MAX_ROWS
    assert 'name="more"' not in page.content.decode()


def test_a_quotation_mark_that_is_never_closed_is_said(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/cards/", cards(lines='"never closed\tRon', fill="1"))
    assert "a quotation mark is not closed" in page.content.decode()
    assert "never closed\tRon" in page.content.decode()


def test_an_event_ties_its_voices_together(as_: As, agent: User) -> None:
    voices = event(("Ron", "Seats are too narrow"), ("", "Thank you", "Ann@b.example"))
    as_(agent).post("/new/event/", voices)
    said = Interaction.objects.order_by("text")
    assert {(each.kind, each.title) for each in said} == {("event", "Town hall (Lower Marsh)")}
    day = timezone.make_aware(datetime(2026, 3, 4))
    assert {each.occurred_at for each in said} == {day}
    assert Case.objects.count() == 2


def test_an_event_needs_a_title_and_a_day_that_was(as_: As, agent: User) -> None:
    tomorrow = (timezone.localdate() + timedelta(days=1)).isoformat()
    page = as_(agent).post("/new/event/", event(("Ron", "Narrow"), event="", day=tomorrow))
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {"event", "day"}
    assert "Narrow" in page.content.decode()
    assert not Interaction.objects.exists()


def test_what_the_rules_give_to_others_is_counted(
    as_: As, agent: User, admin: User, sales: Department
) -> None:
    rule = RoutingRule.objects.create(name="Events", owner=admin)
    only_events = {"all": [{"field": "kind", "op": "is", "value": "event"}]}
    rule.revise(conditions=only_events, department=sales, by=admin)
    voices = event(("Ron", "Narrow"), ("Ann", "Wide"))
    page = as_(agent).post("/new/event/", voices, follow=True)
    assert page.redirect_chain == [("/", 302)]
    assert "2 in Sales" in page.content.decode()


def test_statements_do_not_grow_with_the_rows(as_: As, agent: User) -> None:
    client, counts = as_(agent), []
    for n in (3, 60):
        rows = [(f"Card {n} {each}", "", f"{n}-{each}@b.example") for each in range(n)]
        with CaptureQueriesContext(connection) as asked:
            client.post("/new/cards/", cards(*rows))
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_who_may_only_read_logs_nothing(as_: As, reader: User) -> None:
    assert as_(reader).post("/new/cards/", cards(("Good",))).status_code == 403
    assert not Interaction.objects.exists()
