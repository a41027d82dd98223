"""Recording calls and surveys, grouping cases into an issue, and linking profiles.

The tests use the keyboard or the mouse.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Route, expect

from crm.models import Contact, Interaction, Profile, User
from responses.models import Delivery
from routing.models import Case, Issue
from tests.browser.conftest import Windows, leaves
from tests.browser.hands import Hand, Keyboard
from tests.browser.world import World

SitDown = Callable[..., Hand]
SURVEY = """When;E-mail;NPS;What should we do better?
2026-03-04 10:00;ann@mail.example;9;Keep the crews.
2026-03-04 11:00;no address;2;The seats.
2026-03-04 12:00;bob@mail.example;;
2026-03-05 09:00;cem@mail.example;7;Çay, lütfen.
2026-03-05 10:00;dov@mail.example;1;המושבים
"""


def log_a_call(hand: Hand) -> None:
    page = hand.page
    hand.press("c", page.locator(".nav a.new"))
    who = page.locator("#profile_q")
    expect(who).to_be_focused()
    hand.type(who, "Erika Mustermann")
    new = page.get_by_label("New person: Erika Mustermann")
    expect(new).to_be_visible()
    if isinstance(hand, Keyboard):
        page.keyboard.press("Enter")
    else:
        new.check()
    hand.type(page.get_by_label("What was said"), "Asked whether two seats must be bought.")
    hand.press("Control+Enter", hand.button("Log interaction"))
    expect(page.locator(".case-title h1")).to_have_text("Erika Mustermann")


def test_a_call_of_a_stranger_is_logged(sit_down: SitDown, agent: User, world: World) -> None:
    log_a_call(sit_down(agent))
    said = Interaction.objects.get(channel="manual")
    assert (said.kind, said.staff) == ("call", agent)
    assert said.text == "Asked whether two seats must be bought."
    assert said.profile is not None
    assert said.profile.name == "Erika Mustermann"
    assert said.profile.link is None


def test_a_name_typed_before_the_scripts_are_there_is_looked_up(
    windows: Windows, agent: User, world: World
) -> None:
    """A user can type a name before the scripts of the page are loaded.

    When the scripts are loaded, the page searches for the name.

    Fails if the script does not search at the event DOMContentLoaded.
    """
    page = windows.browser(agent).new_page()
    held: list[Route] = []
    page.route("**/person_search.js", lambda route: held.append(route))
    page.goto("/new/", wait_until="commit")
    page.locator("#profile_q").press_sequentially("Marta")
    held[0].continue_()
    expect(page.get_by_label("Marta Janssen")).to_be_visible()


def test_a_survey_comes_in_without_its_two_bad_rows(
    sit_down: SitDown, agent: User, world: World, tmp_path: Path
) -> None:
    """A survey file with two bad rows is imported without these two rows.

    Fails if the preview does not show the errors, or if a row with an error is imported.
    """
    file = tmp_path / "answers.csv"
    file.write_text(SURVEY)
    hand = sit_down(agent, "/new/")
    hand.go(hand.page.get_by_role("link", name="Survey"))
    with hand.page.expect_file_chooser() as chooser:
        hand.go(hand.page.locator("input[type=file]"))
    chooser.value.set_files(file)
    hand.go(hand.button("Show preview"))
    bad = hand.page.locator(".bad-rows tbody tr")
    expect(bad).to_have_count(2)
    expect(bad.nth(0)).to_contain_text("3")
    expect(bad.nth(0)).to_contain_text("E-mail")
    hand.go(hand.button("Import 3 answers"))
    expect(hand.page.locator("main")).to_contain_text(
        "3 answers were imported, 2 rows were skipped. By department:"
    )
    answers = Interaction.objects.filter(kind="survey answer")
    assert sorted(answers.values_list("profile__key", flat=True)) == [
        "ann@mail.example",
        "cem@mail.example",
        "dov@mail.example",
    ]


def test_five_become_an_issue_and_a_statement_answers_them(
    sit_down: SitDown, windows: Windows, agent: User, world: World
) -> None:
    windows.expect("422")  # if the user has chosen no place
    five = [world[key] for key in ("ron", "layla", "noa", "olena", "eleni")]
    hand = sit_down(agent)
    hand.pick(*five)
    bulk = hand.page.locator("#bulk")
    hand.go(bulk.locator("summary", has_text="More"))
    hand.type(bulk.get_by_label("Issue"), "Lost bags in Athens")
    hand.go(bulk.get_by_role("button", name="Add to issue"))
    expect(hand.said).to_contain_text("5 cases.")
    expect(hand.said.get_by_role("button", name="Undo")).to_be_visible()
    issue = Issue.objects.get(name="Lost bags in Athens")
    assert set(issue.cases.all()) == set(five)
    hand.go(hand.page.locator("#nav-inbox a", has_text="Lost bags in Athens"))
    hand.type(hand.page.get_by_label("Find cases by name"), "Marta")
    expect(hand.page.locator("#found")).to_contain_text("Marta Janssen")
    hand.press("p", hand.page.locator("main a[data-key=p]"))
    hand.type(hand.page.get_by_label("Your statement"), "We have found the bags; they fly tonight.")
    hand.go(hand.button("Publish to everyone"))
    wrong = hand.page.locator("#statement .errorlist")
    expect(wrong).to_have_text("Select at least one channel.")
    hand.tick(hand.page.get_by_role("checkbox", name="@SkywardAir"))
    expect(wrong).to_have_count(0)
    hand.go(hand.button("Publish to everyone"))
    expect(hand.said).to_contain_text("is sent in")
    sent = Delivery.objects.get()
    assert (sent.response.audience, sent.response.issue) == ("many", issue)
    leaves(sent)
    hand.choose(hand.page.get_by_label("Reason for unanswered messages"), "Answered elsewhere")
    hand.go(hand.button("Mark 5 open cases done"))
    expect(hand.said).to_contain_text("Done: 5 cases.")
    expect(hand.page.locator("#cases .chip", has_text="Done")).to_have_count(5)
    expect(hand.page.locator(".all-done")).to_have_count(0)
    expect(hand.page.get_by_label("Find cases by name")).to_be_visible()


def test_two_profiles_are_linked_and_unlinked(sit_down: SitDown, agent: User, world: World) -> None:
    """A user links a second profile to a contact, and unlinks it again."""
    hand = sit_down(agent)
    page = hand.page
    hand.open(world["ron"])
    hand.go(hand.opened.locator(".who .name a"))
    hand.go(hand.button("Create contact"))
    expect(page.locator("main h1")).to_contain_text("Ron Calder")
    contact = Contact.objects.get()
    hand.go(page.locator("summary", has_text="Link another profile"))
    hand.type(page.get_by_label("Profile"), "Marta")
    hand.tick(page.get_by_label("Marta Janssen"))
    hand.type(page.get_by_label("Evidence"), "She wrote for him.")
    hand.go(page.locator("#profiles ~ details form").get_by_role("button", name="Link"))
    marta = Profile.objects.get(key="marta")
    expect(page.locator("#profiles + ul")).to_contain_text("marta")
    assert marta.link is not None
    assert marta.link.contact == contact
    row = page.locator("#profiles + ul > li", has_text="marta")
    hand.go(row.get_by_role("button", name="Unlink"))
    expect(row).to_be_hidden()
    assert Profile.objects.get(key="marta").link is None
    assert Case.objects.get(pk=world["marta"].pk).profile == marta
