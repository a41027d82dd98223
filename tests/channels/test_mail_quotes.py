"""How a mail is divided into its new text and the text quoted from earlier mails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.email.quotes import LEFT_OUT, fold, marked

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
