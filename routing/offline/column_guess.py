"""Guess the content of each column of a file from the column's name and its first cells.

These functions do not access the database."""

from __future__ import annotations

import re
from collections.abc import Sequence

from routing.offline.cells import Unclear, mail
from scrm.text.csv_file import FAULT, LINE
from scrm.text.dates import ascii_form
from scrm.text.fold import fold

TEXT, SCORE, NAME, MAIL, PHONE, WHEN, NOTHING = "text", "score", "name", "mail", "phone", "when", ""
ONE_OF_EACH = (NAME, MAIL, PHONE, WHEN)
"""Kinds of content that only one column may have; texts and scores may be in several columns."""

_WORDS = {
    MAIL: "mail email e-mail courriel correo почта メール 邮箱",
    PHONE: "phone telephone tel mobile telefon handy téléphone teléfono телефон 電話 电话",
    WHEN: "when date time day timestamp submitted datum uhrzeit fecha jour дата 日付 日期",
    SCORE: "score rating nps csat points stars grade note bewertung puntuación оценка 評価 评分",
    NAME: "name customer guest passenger kunde nom nombre имя 名前 姓名",
    TEXT: "text comment comments answer feedback message remark said opinion kommentar antwort "
    "meinung commentaire réponse avis comentario respuesta отзыв комментарий コメント 回答 评论",
}
_CONTENTS = {fold(word): what for what, words in _WORDS.items() for word in words.split()}
_FIGURE = re.compile(r"[\d\s.,:/%+TZ-]+")
_PHONE = re.compile(r"(?=.{7,40}$)\+?[\d ()/.-]+")
_QUESTION = ("?", "\uff1f", "\u061f")  # Latin, Chinese and Arabic
_LOOK_AT = 50


def names_columns(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row contains the names of the columns.

    If one of its cells is a number, a date or a mail address, the result is False. Otherwise the
    result is True if the first row has a cell of one of these kinds:

    - The cell contains a known word.
    - The cell ends with a question mark.
    - The cell is not empty, and all cells below it are numbers, dates or mail addresses.
    """
    if any("@" in cell or _is_figure(cell) for cell in first):
        return False
    if any(_content_named(cell) or cell.strip().endswith(_QUESTION) for cell in first):
        return True
    return any(
        cell.strip() and below and all(_is_figure(value) or "@" in value for value in below)
        for n, cell in enumerate(first)
        for below in [_column(others, n)]
    )


def guess(heading: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Guess the content of each column. A column whose content cannot be guessed gets NOTHING."""
    found: list[str] = []
    for n in range(width):
        name = heading[n] if n < len(heading) else ""
        what = NOTHING if _is_ours(name) else _content_named(name) or _content_of(_column(rows, n))
        if what == NOTHING and name.strip().endswith(_QUESTION):
            what = TEXT
        found.append(NOTHING if what in ONE_OF_EACH and what in found else what)
    if TEXT not in found:
        _mark_longest_as_text(found, heading, rows)
    return found


def _is_ours(name: str) -> bool:
    """Return whether scrm adds a column with this name to a file of rejected rows."""
    return name in {str(LINE), str(FAULT)}


def _content_named(name: str) -> str:
    """Return the content that a column name states, for example MAIL for “E-mail address”.

    Returns "" if the name states no content. A name of more than four words is considered to be a
    question, and its words are ignored.
    """
    words = re.findall(r"[\w-]+", fold(name))
    if len(words) > 4:
        return ""
    return next((_CONTENTS[word] for word in words if word in _CONTENTS), "")


def _content_of(cells: Sequence[str]) -> str:
    """Guess the content of a column from its cells; return NOTHING if that is not possible."""
    if not cells:
        return NOTHING
    if all(_is_mail(cell) for cell in cells):
        return MAIL
    # Test for dates before phone numbers: a date with dots also parses as a phone number.
    if all(re.match(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}", cell) for cell in cells):
        return WHEN
    if all(_PHONE.fullmatch(ascii_form(cell)) for cell in cells):
        return PHONE
    if all(_is_figure(cell) for cell in cells):
        return SCORE if all(len(cell) <= 3 for cell in cells) else NOTHING
    return TEXT if sum(" " in cell for cell in cells) * 2 > len(cells) else NOTHING


def _mark_longest_as_text(
    found: list[str], heading: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Find the column with the most characters and set its content to TEXT.

    Only columns without a guessed content are compared. If all of them are empty, nothing is set.
    """
    sizes = {
        n: sum(map(len, _column(rows, n)))
        for n, what in enumerate(found)
        if what == NOTHING and not _is_ours(heading[n] if n < len(heading) else "")
    }
    if any(sizes.values()):
        found[max(sizes, key=lambda n: sizes[n])] = TEXT


def _column(rows: Sequence[Sequence[str]], n: int) -> list[str]:
    """Return the cells of column `n` in the first `_LOOK_AT` rows, without empty cells."""
    return [row[n].strip() for row in rows[:_LOOK_AT] if n < len(row) and row[n].strip()]


def _is_figure(cell: str) -> bool:
    return any(map(str.isdigit, cell)) and bool(_FIGURE.fullmatch(cell.strip()))


def _is_mail(cell: str) -> bool:
    try:
        return bool(mail(cell))
    except Unclear:
        return False
