"""The content of each column of a survey file is guessed from its name and its cells."""

from __future__ import annotations

import pytest

from routing.offline import column_guess


@pytest.mark.parametrize(
    ("heading", "rows", "are"),
    [
        (["Name", "E-Mail", "Kommentar"], [["J", "j@x.example", "Gut"]], "name mail text"),
        (["Phone", "Score", "Date", "Comment"], [["1", "2", "3", "x"]], "phone score when text"),
        (["名前", "評価", "コメント"], [["田中", "3", "よい"]], "name score text"),
        (["Имя", "Отзыв", "x"], [["Анна", "Хорошо", ""]], "name text -"),
        (["id", "a", "b"], [["1007", "j@x.example", "It was good"]], "- mail text"),
        ([], [["j@x.example", "2026-03-04", "It was all good", "9"]], "mail when text score"),
        (["Name", "Name"], [["a", "b"]], "name text"),
        (["Line", "Problem", "Text"], [["3", "No name here", "ok"]], "- - text"),
    ],
)
def test_what_the_columns_hold_is_guessed(
    heading: list[str], rows: list[list[str]], are: str
) -> None:
    found = column_guess.guess(heading, rows, len(rows[0]))
    assert [each or "-" for each in found] == are.split()


@pytest.mark.parametrize(
    ("first", "others", "is_"),
    [
        (["text"], [["Good"]], True),
        (["How did you like it?"], [["Good"]], True),
        (["Sitz", "Punkte"], [["gut", "3"], ["ok", "4"]], True),
        (["Good coffee"], [["Bad coffee"]], False),
        (["Good", "ron@x.example"], [["Bad", "rita@x.example"]], False),
        (["Good", "9"], [["Bad", "1"]], False),
    ],
)
def test_a_heading_is_recognised(first: list[str], others: list[list[str]], is_: bool) -> None:
    assert column_guess.names_columns(first, others) is is_


def test_long_figures_cost_no_time() -> None:
    assert column_guess.guess([], [["1" * 100_000 + "x"]], 1) == ["text"]
