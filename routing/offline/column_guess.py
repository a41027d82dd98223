"""Guess what the columns of a list contain, from their names and their first cells. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from django.utils.translation import gettext_lazy as __

from routing.offline.cells import Unclear, mail, phone
from scrm.text.fold import fold

TEXT, SCORE, NAME, MAIL, PHONE, WHEN, NOTHING = "text", "score", "name", "mail", "phone", "when", ""
LINE, FAULT = __("Line"), __("Problem")
"""Columns that we add to a file of rejected rows; they are ignored when it is uploaded again."""
ONE_OF_EACH = (NAME, MAIL, PHONE, WHEN)
"""A row has at most one of each of these; it may have several texts and scores."""

_WORDS = {
    MAIL: "mail email e-mail courriel correo почта メール 邮箱",
    PHONE: "phone telephone tel mobile telefon handy téléphone teléfono телефон 電話 电话",
    WHEN: "when date time day timestamp submitted datum uhrzeit fecha jour дата 日付 日期",
    SCORE: "score rating nps csat points stars grade note bewertung puntuación оценка 評価 评分",
    NAME: "name customer guest passenger kunde nom nombre имя 名前 姓名",
    TEXT: "text comment comments answer feedback message remark said opinion kommentar antwort "
    "meinung commentaire réponse avis comentario respuesta отзыв комментарий コメント 回答 评论",
}
_KNOWN = {fold(word): what for what, words in _WORDS.items() for word in words.split()}
_FIGURE = re.compile(r"[\d\s.,:/%+TZ-]+")
_QUESTION = ("?", "\uff1f", "\u061f")  # Latin, Chinese and Arabic
_LOOK_AT = 50


def names_columns(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is a heading.

    It is if it has known words or questions, or a text above a column of numbers or addresses.
    """
    if any("@" in cell or _is_figure(cell) for cell in first):
        return False
    if any(_known(cell) or cell.strip().endswith(_QUESTION) for cell in first):
        return True
    return any(
        cell.strip() and below and all(_is_figure(each) or "@" in each for each in below)
        for n, cell in enumerate(first)
        for below in [_column(others, n)]
    )


def guess(heading: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Guess the content of each column; NOTHING if there is no evidence."""
    found: list[str] = []
    for n in range(width):
        name = heading[n] if n < len(heading) else ""
        what = NOTHING if _is_ours(name) else _known(name) or _held(_column(rows, n))
        if what == NOTHING and name.strip().endswith(_QUESTION):
            what = TEXT
        found.append(NOTHING if what in ONE_OF_EACH and what in found else what)
    if TEXT not in found:
        _make_text_of_the_longest(found, heading, rows)
    return found


def guess_order(cells: Sequence[str]) -> str:
    """Guess which part the dates begin with (as in `cells.moment`); "" if no date shows it."""
    dates = [re.match(r"(\d{1,2})[/-](\d{1,2})[/-]\d{2,4}", cell.strip()) for cell in cells]
    pairs = [(int(date[1]), int(date[2])) for date in dates if date]
    if any(first > 12 for first, _second in pairs):
        return "day"
    return "month" if any(second > 12 for _first, second in pairs) else ""


def _is_ours(name: str) -> bool:
    return name in {str(LINE), str(FAULT)}


def _known(name: str) -> str:
    """Content that a short name tells: “E-mail address” is a mail address.

    A name of more than four words is a question, whatever words it contains.
    """
    words = re.findall(r"[\w-]+", fold(name))
    if len(words) > 4:
        return ""
    return next((_KNOWN[word] for word in words if word in _KNOWN), "")


def _held(cells: Sequence[str]) -> str:
    if not cells:
        return NOTHING
    if all(_reads(mail, cell) for cell in cells):
        return MAIL
    if all(re.match(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}", cell) for cell in cells):
        return WHEN
    if all(len(cell) >= 7 and _reads(phone, cell) for cell in cells):
        return PHONE
    if all(_is_figure(cell) for cell in cells):
        return SCORE if all(len(cell) <= 3 for cell in cells) else NOTHING
    return TEXT if sum(" " in cell for cell in cells) * 2 > len(cells) else NOTHING


def _make_text_of_the_longest(
    found: list[str], heading: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    sizes = {
        n: sum(map(len, _column(rows, n)))
        for n, what in enumerate(found)
        if what == NOTHING and not _is_ours(heading[n] if n < len(heading) else "")
    }
    if any(sizes.values()):
        found[max(sizes, key=lambda n: sizes[n])] = TEXT


def _column(rows: Sequence[Sequence[str]], n: int) -> list[str]:
    """The cells of column `n` that are not empty, in the first `_LOOK_AT` rows."""
    return [row[n].strip() for row in rows[:_LOOK_AT] if n < len(row) and row[n].strip()]


def _is_figure(cell: str) -> bool:
    return any(map(str.isdigit, cell)) and bool(_FIGURE.fullmatch(cell.strip()))


def _reads(how: Callable[[str], str], cell: str) -> bool:
    try:
        return bool(how(cell))
    except Unclear:
        return False
