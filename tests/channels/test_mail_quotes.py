"""How a mail is divided into its new text and the text quoted from earlier mails."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.channels.email.quotes import LEFT_OUT, fold, marked
from tests.channels.quotations import CLIENTS, LANGUAGES, quotation

WORDS = ["leaks", "please", "Straße", "насос", "ポンプ", "café", "12 €", "no.", "why?", "tomorrow"]

LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            ["", "> quoted", ">> more", "On Monday, Jo wrote:", "-----Original Message-----",
             "From: Jo", "Sent: today", "To: us", "Subject: bag", "_" * 32, "-- "]
        ),
    ),
    max_size=30,
)  # fmt: skip


@pytest.mark.parametrize(
    "below",
    [
        "On Mon, 3 Mar 2025 at 10:00, Skyward <care@skyward.example> wrote:\n\n> We found it.\n",
        "On Mon, 3 Mar 2025 at 10:00, Skyward Customer Care\n<care@skyward.example> wrote:\n> Yes.",
        "Am 3. März 2025 um 10:00 schrieb Skyward <care@skyward.example>:\n> Gefunden.",
        "Le 3 mars 2025 à 10:00, Skyward a écrit :\n> Trouvé.\n>\n> Skyward",
        "-----Original Message-----\nFrom: Skyward\n\nWe found it.",
        "-------- Ursprüngliche Nachricht --------\nWir haben sie.",
        "____________________\nFrom: Skyward\nSent: Monday\nTo: Jo\nSubject: Bag\n\nYes.",
        "From: Skyward\nDate: Monday\nTo: Jo\nSubject: Re: Bag\n\nWe found it.",
        "Von: Skyward\nGesendet: Montag\nAn: Jo\nBetreff: Tasche\n\nGefunden.",
        "> We found it.\n> Yours",
    ],
)
def test_what_programs_put_below_an_answer_is_left_out(below: str) -> None:
    folded = fold(f"Thank you!\n\nJo\n\n{below}")
    assert folded.new == "Thank you!\n\nJo"
    assert folded.quoted


def test_an_answer_between_the_lines_shows_where_lines_are_missing() -> None:
    folded = fold("Hello,\n\n> When?\n\nOn Monday.\n\n> Where?\n\nAt gate 4.")
    assert folded.new == f"Hello,\n\n{LEFT_OUT}\n\nOn Monday.\n\n{LEFT_OUT}\n\nAt gate 4."


def test_an_answer_below_the_quotation_stands_alone() -> None:
    assert fold("On Monday, Skyward wrote:\n> When?\n\nToday.").new == "Today."


def test_what_says_nothing_of_its_own_is_left_whole() -> None:
    forwarded = "-----Original Message-----\nFrom: Jo\n\nMy bag is lost."
    assert fold(forwarded).new == forwarded
    assert fold(forwarded).quoted == ""


@pytest.mark.parametrize(
    "text",
    [
        "They wrote: all is well.\n\nIs it?",
        "From: Berlin\n\nis where I come.",
        "I said\n- first\n- second",
        "a > b and b > c",
    ],
)
def test_ordinary_words_are_no_quotation(text: str) -> None:
    assert fold(text).new == text


def test_html_says_by_its_tags_what_it_quotes() -> None:
    html = "<p>Yes</p><blockquote><p>Is it?</p><blockquote>Old</blockquote></blockquote><p>Jo</p>"
    assert marked(html) == "Yes\n> Is it?\n>> Old\nJo"
    assert fold(marked(html)).new == f"Yes\n\n{LEFT_OUT}\n\nJo"


@given(LINES)
def test_no_line_is_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    folded = fold(text)
    kept = [line.strip() for line in (*folded.new.splitlines(), *folded.quoted.splitlines())]
    there = [line.strip() for line in text.splitlines() if line.strip()]
    assert [line for line in there if line not in kept] == []


@given(LINES)
def test_nothing_is_made_up(lines: list[str]) -> None:
    text = "\n".join(lines)
    there = {line.strip() for line in text.splitlines()} | {LEFT_OUT, ""}
    assert {line.strip() for line in fold(text).new.splitlines()} <= there


@given(st.text(alphabet="<>/blockquote \n", max_size=300))
def test_any_html_can_be_marked(html: str) -> None:
    assert isinstance(marked(html), str)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("client", CLIENTS)
@given(
    new=st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join),
    quoted=st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map("\n".join),
    width=st.sampled_from([0, 40, 72]),
    blank=st.sampled_from(["", "\n", "\n\n"]),
)
@settings(max_examples=15, deadline=None)
def test_only_the_new_text_stays(
    client: str, language: str, new: str, quoted: str, width: int, blank: str
) -> None:
    """The quotations of eight programs in twelve languages, wrapped or not."""
    if client.startswith("Outlook"):
        width = 0  # Outlook does not wrap its headers
    folded = fold(f"{new}\n{blank}{quotation(client, language, quoted, width=width)}")
    assert folded.new == new


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("It still leaks.\n\nOn Tue, 7 Jan 2020 at 09:00, Help <help@a.example> wrote:\n\nDid you?",
         "It still leaks."),
        ("It still leaks.\n\n2020-01-07 9:00 GMT+01:00 Help <help@a.example>:\n\n> Did you?",
         "It still leaks."),
        (("It leaks.\n\nDate: Tue, 7 Jan 2020 09:00:00 +0100\nSubject: Pump\nFrom: help@a.example\n"
         "To: jo@b.example\n\nIs the valve shut?"), "It leaks."),
        ("Yes.\n\nFrom: Help <help@a.example>\nTo: jo@b.example\n\nIs it?", "Yes."),
        ("Yes.\n\nVon: Help\nGesendet: Dienstag\nBetreff: Pumpe\n\nIst sie zu?", "Yes."),
        (("Yes.\n\nOn 7 Jan 2020, at 9:00, Help <help@a.example\n<mailto:help@a.example>> wrote:"
         "\n\n> Is it?"), "Yes."),
    ],
)  # fmt: skip
def test_forms_that_were_not_recognised_once(text: str, new: str) -> None:
    assert fold(text).new == new


@pytest.mark.parametrize(
    "text",
    [
        "From: Berlin\nTo: Rome\nDate: 7 January\n\nPlease book this.",
        "De: Paris\nPara: Madrid\nFecha: 7 de enero\nHora: 9:00",
        "Hello,\n\nOn 7 Jan 2020 I wrote:\n\nthe pump leaks. It still does.",
        "My data:\nName: Jo\nDate: 7.1.2020\nSubject: pump",
        "I asked Jo at jo@b.example:\n\nno answer.",
        "Hello,\n\nMy order is from May 2026, my mail anna@b.example:\nthe parcel is broken.",
        "Contact me at 12:30 at jo@b.example:\nI am at home.",
    ],
)
def test_what_only_looks_like_a_quotation_stays(text: str) -> None:
    assert fold(text).new == text


@pytest.mark.parametrize(
    "marker",
    [
        "---------- Forwarded message ---------", "-------- Weitergeleitete Nachricht --------",
        "Begin forwarded message:", "Début du message transféré :", "----- Mensaje reenviado -----",
        "-------- Пересылаемое сообщение --------", "--- Vidarebefordrat meddelande ---",
    ],
)  # fmt: skip
def test_text_that_is_passed_on_is_no_quotation(marker: str) -> None:
    """Fails if the words of a forwarded complaint are folded: no topic would see them."""
    text = f"Please answer him.\n\n{marker}\nFrom: Jo <jo@b.example>\nSubject: Pump\n\nIt leaks."
    assert fold(text).new == text


@pytest.mark.parametrize("mark", ["Fw:", "FWD:", "WG:", "TR :", "RV:", "转发："])
def test_outlook_says_in_the_subject_that_it_passes_on(mark: str) -> None:
    text = "Please answer.\n\nFrom: Jo <jo@b.example>\nSent: Monday\nSubject: Pump\n\nIt leaks."
    assert fold(text, f"{mark} Pump").new == text
    assert fold(text, "Re: Pump").new == "Please answer."


@pytest.mark.parametrize(
    "piece", ["> a\n", "From: a\n", "On 7 Jan 2020 a@b.example wrote:\n", "-" * 50, "wrote: " * 9]
)
def test_a_long_mail_is_divided_in_time(piece: str) -> None:
    """Fails if a mail that was written to be slow takes more than a moment."""
    text = (piece * 200_000)[:200_000]
    start = process_time()
    fold(f"Hello\n{text}")
    assert process_time() - start < 4


@pytest.mark.parametrize("above", ["Yes, please cancel it.", "I bought it on 7 Jan 2020.", "Yes"])
@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, 7 Jan 2020 at 09:00, Help <help@a.example> wrote:",
        "On Tue, 7 Jan 2020 at 09:00, Help\n<help@a.example> wrote:",
        "On Tue, 7 Jan 2020 at 09:00, Help\nDesk wrote:",
        "2020-01-07 9:00 GMT+01:00 Help <help@a.example>:",
    ],
)
def test_words_directly_above_a_quotation_are_the_customers(above: str, attribution: str) -> None:
    """Fails if a line of the customer is taken for a part of the line that names the author."""
    assert fold(f"Hello,\n\n{above}\n{attribution}\n> Shall we cancel?").new == f"Hello,\n\n{above}"
