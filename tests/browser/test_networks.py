"""Networks in the browser: connect, break, reconnect, run out of money, answer on three channels.

The networks are the stand-ins of Mastodon and X, real servers on loopback.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from crm.models import Account, Contact, Department, Interaction, Job, Profile, User
from listening.models import Fetch, Mention, Source
from routing.models import Case
from scrm.bus.nudge import nudge
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import MAIL
from tests.browser.conftest import SHOTS, Windows, leaves
from tests.machinery import eventually
from tests.standins.mastodon import MastodonServer
from tests.standins.x import XServer

ANN_MAIL = "ann@lindqvist.example"
APP = "app-of-acme"


@pytest.fixture
def mastodon(windows: Windows) -> Iterator[MastodonServer]:
    with MastodonServer() as server:
        yield server


@pytest.fixture
def x(windows: Windows) -> Iterator[XServer]:
    with XServer() as server:
        server.apps[APP] = ""
        yield server


def shot(page: Page, name: str) -> None:
    """Keep a picture of the whole page in var/browser."""
    page.screenshot(path=SHOTS / f"networks-{name}.png", full_page=True)


def connect_mastodon(page: Page, server: MastodonServer) -> Account:
    """Connect our account as an admin does, from the list of networks to the account's page."""
    page.goto("/our-accounts/")
    page.get_by_role("link", name="Connect Mastodon").click()
    page.get_by_label("Server").fill(server.url)
    log_in(page)
    expect(page.locator("main h1")).to_contain_text("@us@")
    return Account.objects.get(kind="mastodon")


def log_in(page: Page) -> None:
    """Submit the form, and continue on the page of the network, which sends the browser back."""
    page.locator("main form button.primary").click()
    page.get_by_role("link", name="Continue on 127.0.0.1").click()


def opened_source(account: Account, address: str) -> Source:
    """Wait until the workers have created and fetched the source of a new account."""
    nudge("scrm.pipeline.tick")
    eventually(lambda: Source.objects.filter(account=account, address=address), within=60)
    source = Source.objects.get(account=account, address=address)
    nudge("scrm.pipeline.poll", source.pk)
    eventually(lambda: source.fetches.exclude(outcome="running"), within=60)
    source.refresh_from_db()
    return source


def fetch_now(page: Page, source: Source) -> Fetch:
    """Press "Fetch now" on the source's page, and wait for the end of the fetch."""
    eventually(lambda: not source.fetches.filter(outcome="running"), within=60)
    before = list(source.fetches.values_list("pk", flat=True))
    page.goto(source.get_absolute_url())
    page.get_by_role("button", name="Fetch now").click()
    ended = source.fetches.exclude(pk__in=before).exclude(outcome="running")
    eventually(lambda: ended.exists(), within=60)
    page.goto(source.get_absolute_url())
    return ended.latest("pk")


def case_of(text: str) -> Case:
    """Wait until a post with this text is recorded, and return its case."""
    heard = Interaction.objects.filter(text__contains=text)
    eventually(lambda: Case.objects.filter(last_inbound__in=heard.values("pk")), within=60)
    return Case.objects.get(last_inbound__in=heard.values("pk"))


def log_a_call(page: Page, case: Case, text: str) -> None:
    page.goto(f"{reverse('routing:new')}?case={case.pk}")
    page.locator("textarea[name=text]").fill(text)
    page.get_by_role("button", name="Log interaction").click()
    eventually(lambda: Interaction.objects.filter(kind="call", text=text), within=60)


def answer(page: Page, case: Case, place: str, text: str, *, publicly: bool = False) -> None:
    """Send a reply to one of the places that the composer offers, and wait until it is sent.

    publicly: answer publicly although the person also wrote privately, which must be confirmed.
    """
    page.goto(reverse("responses:composer", args=[case.pk]))
    page.locator("fieldset.places label", has_text=place).first.click()
    if publicly:
        page.get_by_label("Answer publicly although this person wrote privately").check()
    page.locator("#compose-text").fill(text)
    shot(page, f"compose-{'public' if publicly else 'private'}")
    name = "Send publicly" if publicly else "Send privately"
    page.get_by_role("button", name=name).click()
    eventually(lambda: case.responses.filter(text=text), within=60)
    leaves(case.responses.get(text=text).deliveries.get())


def answer_by_phone(page: Page, case: Case, text: str) -> None:
    page.goto(f"{reverse('responses:composer', args=[case.pk])}?tab=by-hand")
    page.get_by_label("How you answered").select_option("call")
    page.get_by_label("Your answer").fill(text)
    page.get_by_role("button", name="Log response").click()
    eventually(lambda: case.responses.filter(text=text), within=60)


def test_an_account_breaks_and_is_reconnected_without_losing_a_post(
    windows: Windows, mastodon: MastodonServer, admin: User, service: Department
) -> None:
    """Fails if reconnecting skips what was written meanwhile, or brings anything twice."""
    ann = mastodon.account("ann")
    page = windows.open(admin)
    account = connect_mastodon(page, mastodon)
    shot(page, "connected")
    source = opened_source(account, "mentions")
    mastodon.write(ann, "@us The gate was closed early.")
    assert fetch_now(page, source).outcome == "ok"
    case_of("The gate was closed early.")

    tokens, mastodon.tokens = dict(mastodon.tokens), {}
    mastodon.write(ann, "@us Is anybody there?")
    assert fetch_now(page, source).outcome == "failed"
    expect(page.locator("#health")).to_contain_text("failing")
    expect(page.locator("#health")).to_contain_text("Connect the account again")
    shot(page, "broken")

    mastodon.tokens = tokens
    page.get_by_role("link", name="Reconnect the account").click()
    shot(page, "reconnect")
    log_in(page)
    expect(page.locator("main h1")).to_contain_text("@us@")
    assert fetch_now(page, source).outcome == "ok"
    case_of("Is anybody there?")
    expect(page.locator("#health")).to_contain_text("healthy")
    shot(page, "reconnected")
    heard = Interaction.objects.filter(direction="in").values_list("text", flat=True)
    assert len(heard) == len(set(heard)) == 2
    assert Account.objects.get() == account


def test_one_person_is_answered_on_three_channels_in_one_case(
    windows: Windows, mastodon: MastodonServer, admin: User, agent: User, service: Department
) -> None:
    """Ann posts, writes a mail and calls; after her mail is linked, one case answers all three."""
    mail = Account.objects.create(
        kind="sandbox", network=MAIL, self_key="care@skyward.example", owner=admin,
        address="care@skyward.example", name="care@skyward.example",
        config={"visibilities": ["private"]},
    )  # fmt: skip
    ann = mastodon.account("ann", display_name="Ann Lindqvist")
    page = windows.open(admin)
    account = connect_mastodon(page, mastodon)
    service.accounts.add(account, mail)
    mentions = opened_source(account, "mentions")
    inbox = Source.objects.create(
        kind="sandbox", address="inbox", account=mail, name="Mail",
        stance=Source.Stance.FOR_US, owner=admin,
    )  # fmt: skip
    mastodon.write(ann, "@us My bag did not arrive in Lyon.")
    fetch_now(page, mentions)
    case = case_of("My bag did not arrive")
    community.post(MAIL, ANN_MAIL, "My booking is SK 590.", to=mail.self_key,
                   name="Ann Lindqvist", title="My bag")  # fmt: skip
    fetch_now(page, inbox)
    case_of("My booking is SK 590.")

    page = windows.open(agent, case.profile.get_absolute_url())
    page.get_by_role("button", name="Create contact").click()
    expect(page.locator("#messages")).to_contain_text("was created")
    contact = Contact.objects.get()
    page.goto(Profile.objects.get(key=ANN_MAIL).get_absolute_url())
    expect(page.locator("#who")).to_contain_text("Is it one of these?")
    shot(page, "proposed-link")
    page.get_by_role("button", name="Yes, link").click()
    expect(page.locator("main h1")).to_contain_text("Ann Lindqvist")

    log_a_call(page, case, "Where is my bag?")
    answer(page, case, "@us@", "We are looking for it.", publicly=True)
    answer(page, case, ANN_MAIL, "Thank you, we have found your bag.")
    answer_by_phone(page, case, "She gets it this evening.")
    page.goto(case.get_absolute_url())
    shot(page, "three-answers")

    texts = [post["text"] for post in mastodon.posts_of(mastodon.us)]
    assert texts == ["@ann We are looking for it."]
    assert Post.objects.get(network=MAIL, to_key=ANN_MAIL).text.startswith("Thank you")
    page.goto(contact.get_absolute_url())
    for said in ("My bag did not arrive", "SK 590", "Where is my bag?", "We are looking for it.",
                 "we have found your bag", "She gets it this evening."):  # fmt: skip
        expect(page.locator("main")).to_contain_text(said)
    shot(page, "one-timeline")


def test_a_used_up_budget_says_what_waits_and_for_how_long(
    windows: Windows, x: XServer, admin: User, service: Department
) -> None:
    """The page says what waits; with a higher limit, everything arrives and nothing twice."""
    page = windows.open(admin)
    page.goto("/our-accounts/")
    page.get_by_role("link", name="Connect X", exact=True).click()
    page.get_by_label("Client ID").fill(APP)
    page.get_by_label("API address").fill(x.url)
    shot(page, "connect-x")
    log_in(page)
    expect(page.locator("main h1")).to_contain_text("Acme")
    account = Account.objects.get(kind="x")
    source = opened_source(account, "mentions")
    budget(page, account, "0.02")
    assert fetch_now(page, source).outcome == "waiting"
    expect(page.locator("#health")).to_contain_text("Raise the limit to continue.")
    shot(page, "budget-too-low")
    budget(page, account, "0.09")
    for number in range(30):
        x.post(x.user(str(500 + number), f"asker{number}"), f"@acme question {number}")
    fetch_now(page, source)
    fetch_now(page, source)
    fetch = fetch_now(page, source)
    assert fetch.outcome == "waiting"
    expect(page.locator("#health")).to_contain_text("budget used up")
    expect(page.locator("#health")).to_contain_text("Fetching continues on")
    shot(page, "budget-used-up")
    page.goto(reverse("crm:account", args=[account.pk]))
    shot(page, "budget-account")
    heard = Interaction.objects.filter(channel="x")
    assert 0 < heard.count() < 30
    budget(page, account, "5")
    fetch_now(page, source)
    eventually(lambda: heard.count() == 30, within=60)
    assert heard.values("key").distinct().count() == 30


def budget(page: Page, account: Account, usd: str) -> None:
    page.goto(reverse("crm:account", args=[account.pk]))
    page.locator("#budget").get_by_label("per day").first.fill(usd)
    page.get_by_role("button", name="Save budget").click()
    expect(page.locator("#messages")).to_contain_text("Saved")


def test_five_thousand_mentions_are_imported_except_twelve_bad_rows(
    windows: Windows, admin: User, service: Department, tmp_path: Path
) -> None:
    """The export of another listening tool: preview, bad rows, progress and result."""
    rows = ["Article Id,Media Type,Author,Publish Date,URL,Topic Profile,Headline,Content"]
    rows += [
        f"{n},BLOGS,Author {n},{'soon' if n % 417 == 5 else '11/24/2026 2:30 PM'},"
        f"http://blog.example/{n},Skyward Air,,Post {n}"
        for n in range(5_000)
    ]
    export = tmp_path / "export.csv"
    export.write_text("\n".join(rows))
    page = windows.open(admin, "/sources/new/csv/")
    page.locator("input[type=file]").set_input_files(export)
    page.get_by_role("button", name="Show preview").click()
    preview = page.locator("#mentions")
    expect(preview).to_contain_text("Recognised: Radian6 export")
    expect(preview).to_contain_text("4988 new mentions")
    expect(preview).to_contain_text("12 rows have errors and will be skipped")
    shot(page, "csv-preview")
    page.get_by_role("button", name="Import 4988 mentions").click()
    shot(page, "csv-progress")
    nudge("listening.import_mentions", Job.objects.get().pk)
    eventually(lambda: Job.objects.filter(state="done"), within=120)
    page.reload()
    expect(page.locator("main")).to_contain_text("4988")
    shot(page, "csv-result")
    assert Mention.objects.count() == 4_988
