"""Read a CSV file into rows with line numbers. The functions do not access the database.

Encoding and delimiter are guessed from the content if they are not given. If the file cannot be
read, `Unreadable` is raised. If only a line cannot be read, the line becomes a row with
an error, and the next lines are still read.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from scrm.text.clean import storable
from scrm.text.decode import REPLACEMENT, decode, decode_as
from scrm.web.upload_limits import MAX_CSV_BYTES, MAX_CSV_ROWS, size_words

MAX_COLUMNS = 200
ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": __("UTF-8 with BOM"),
    "utf-16": __("UTF-16 (“Unicode text”)"),
    "cp1252": __("Windows, Western"),
    "cp1250": __("Windows, Central European"),
    "cp1251": __("Windows, Cyrillic"),
    "cp1253": __("Windows, Greek"),
    "cp1254": __("Windows, Turkish"),
    "cp1255": __("Windows, Hebrew"),
    "cp1256": __("Windows, Arabic"),
    "cp1257": __("Windows, Baltic"),
    "cp874": __("Windows, Thai"),
    "gb18030": __("Chinese, simplified (GB18030)"),
    "big5hkscs": __("Chinese, traditional (Big5)"),
    "cp932": __("Japanese (Shift JIS)"),
    "euc_jp": __("Japanese (EUC-JP)"),
    "iso2022_jp_ext": __("Japanese (ISO-2022-JP)"),
    "cp949": __("Korean (EUC-KR)"),
    "iso2022_kr": __("Korean (ISO-2022-KR)"),
    "koi8_r": __("Cyrillic (KOI8-R)"),
    "iso8859_2": __("Central European (ISO 8859-2)"),
    "iso8859_5": __("Cyrillic (ISO 8859-5)"),
    "mac_roman": __("Macintosh, Western"),
}
"""The encodings that can be chosen: Python's names of codecs, and their names on the page."""
DELIMITERS = (",", ";", "\t")
LINE, FAULT = __("Line"), __("Problem")
"""Columns that scrm adds to the file of rejected rows; they are ignored in an uploaded file."""
_MAGIC = {
    b"PK\x03\x04": "xlsx",
    b"\xd0\xcf\x11\xe0": "xls",
    b"%PDF": "other",
    b"\x89PNG": "other",
    b"\xff\xd8\xff": "other",
    b"\x1f\x8b": "other",
}
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SEPARATOR_LINE = re.compile(r"(?i)\ufeff?\"?sep=(.)\"?(?=[\r\n])")
_RISKY = ("=", "+", "-", "@", "\t", "\r")

NamesColumns = Callable[[Sequence[str], Sequence[Sequence[str]]], bool]
"""A function that returns whether the first row, given with the next rows, names the columns."""


class Unreadable(ValueError):
    """The file cannot be read.

    The text of the exception says why, and what the user can do. It is shown to the user.

    about: "encoding" if the user should try another encoding, else "".
    """

    def __init__(self, message: str, about: str = "") -> None:
        super().__init__(message)
        self.about = about


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file.

    line: number of the row's first line. The first line of the file has the number 1.
    wrong: the reason why the row cannot be read, else "".
    """

    line: int
    cells: tuple[str, ...]
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A parsed file.

    heading: the first row, if it contains the names of the columns; else an empty tuple.
    rows: the other rows.
    width: the number of columns.
    """

    encoding: str
    delimiter: str
    heading: tuple[str, ...]
    rows: list[Row]
    width: int

    def below(self, n: int) -> Sheet:
        """Return the sheet whose heading is the n-th row, counted from 1. Raises Unreadable."""
        heading = self.rows[n - 1].cells
        sheet = replace(self, heading=heading, rows=self.rows[n:], width=len(heading))
        _check_size(sheet.rows, sheet.width)
        return sheet

    def heading_of(self, n: int) -> str:
        """Return the heading of column `n`, counted from 0.

        If the column has no heading, a name with its number is returned, for example “Column 1”.
        """
        name = self.heading[n].strip() if n < len(self.heading) else ""
        return name or _("Column %(n)s") % {"n": n + 1}


@dataclass(frozen=True, slots=True)
class Bad:
    """An error in a row.

    column: heading of the column with the error; "" if the error concerns the whole row.
    why: the error message.
    value: the content of the cell, shortened; "" if the message contains it.
    """

    row: Row
    column: str
    why: str
    value: str = ""


def read(
    raw: bytes,
    *,
    heading: bool | NamesColumns,
    encoding: str = "",
    delimiter: str = "",
) -> Sheet:
    """Parse the whole file. Raises Unreadable.

    heading: whether the first row contains the names of the columns, or a function that guesses it.
    encoding, delimiter: guessed if they are empty.
    """
    _check_is_text(raw)
    encoding = encoding or guess_encoding(raw)
    text, stated = _without_separator_line(_decode(raw, encoding))
    delimiter = delimiter or stated or guess_delimiter(text)
    # Read two rows more than the limit: a heading, and a row that shows that there are too many.
    rows = list(islice(_rows(text, delimiter), MAX_CSV_ROWS + 2))
    if not rows:
        raise Unreadable(_("This file is empty. It contains only blank lines."))
    if callable(heading):
        heading = heading(rows[0].cells, [row.cells for row in rows[1:50]])
    first = rows.pop(0).cells if heading else ()
    width = len(first) or max((len(row.cells) for row in rows), default=0)
    _check_size(rows, width)
    return Sheet(encoding, delimiter, first, rows, width)


def _without_separator_line(text: str) -> tuple[str, str]:
    """Blank the line `sep=;` with which Excel begins a file; return the text and the delimiter.

    The delimiter is "" if there is no such line, or if it names a delimiter that is not supported.
    """
    found = _SEPARATOR_LINE.match(text)
    if found is None:
        return text, ""
    return text[found.end() :], found[1] if found[1] in DELIMITERS else ""


def _check_size(rows: Sequence[Row], width: int) -> None:
    """Raise Unreadable if the file has no rows, or too many rows or columns."""
    if not rows:
        raise Unreadable(_("This file has a header but no rows."))
    if len(rows) > MAX_CSV_ROWS:
        raise Unreadable(
            _("This file has more than %(most)s rows. Split it and import the parts one by one.")
            % {"most": f"{MAX_CSV_ROWS:,}"}
        )
    if width > MAX_COLUMNS:
        raise Unreadable(
            _("This file has %(n)s columns. The limit is %(most)s. Remove some columns.")
            % {"n": width, "most": MAX_COLUMNS}
        )


def _check_is_text(raw: bytes) -> None:
    """Raise Unreadable if the file is too large, or is a workbook, a picture or a document."""
    if len(raw) > MAX_CSV_BYTES:
        message = _("This file is larger than %(limit)s. Split it and import the parts.")
        raise Unreadable(message % {"limit": size_words(MAX_CSV_BYTES)})
    # Check the first bytes: a workbook may have been renamed to .csv.
    kind = next((kind for magic, kind in _MAGIC.items() if raw.startswith(magic)), "")
    if kind in {"xlsx", "xls"}:
        raise Unreadable(
            _(
                "This is a workbook or an archive, not CSV. Save it as “CSV UTF-8” and import "
                "that file."
            )
        )
    if kind:
        raise Unreadable(
            _("This is not a CSV file. It contains a picture, a document or an archive.")
        )


def guess_encoding(raw: bytes) -> str:
    """Guess which of `ENCODINGS` the file has."""
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    codec = decode(raw).codec
    return "utf-16" if codec.startswith("utf-16") else codec


def _decode(raw: bytes, encoding: str) -> str:
    """Decode the file into text that PostgreSQL can store. Raises Unreadable.

    A few invalid bytes become U+FFFD. If most characters outside ASCII are invalid, the encoding is
    wrong.
    """
    text = decode_as(raw, encoding.removesuffix("-sig"))
    # Some files really contain U+FFFD, because another program has written it.
    genuine = raw.count(REPLACEMENT.encode()) if encoding.startswith("utf-8") else 0
    invalid = text.count(REPLACEMENT) - genuine
    if 2 * invalid > len(text) - len(text.encode("ascii", "ignore")):
        line = text.count("\n", 0, text.index(REPLACEMENT)) + 1
        raise Unreadable(
            _("Line %(line)s is not encoded in %(encoding)s. Choose another encoding, or save "
              "the file as “CSV UTF-8”.") % {"line": line, "encoding": ENCODINGS[encoding]},
            about="encoding",
        )  # fmt: skip
    # A wrong encoding may decode without an error; control characters reveal it.
    if _CONTROL.search(text):
        raise Unreadable(
            _("This file is not text: it contains bytes that are invalid in CSV. Choose another "
              "encoding, or save the file as “CSV UTF-8”."),
            about="encoding",
        )  # fmt: skip
    return storable(text)


def guess_delimiter(text: str) -> str:
    """Guess the delimiter from the first rows.

    The best delimiter splits the most rows into the same number of columns. If two delimiters are
    equally good, the one that results in more columns is returned.
    """

    def evenness(delimiter: str) -> tuple[float, int]:
        widths = [len(row.cells) for row in islice(_rows(text, delimiter), 25) if not row.wrong]
        usual = max(set(widths), key=widths.count, default=0)
        return (widths.count(usual) / len(widths), usual) if usual > 1 else (0.0, 0)

    return max(DELIMITERS, key=evenness)


def _rows(text: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows, but skip blank rows. An unreadable line becomes a row with an error."""
    # With strict=True an unclosed quotation mark is an error, not a cell with all further lines.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = tuple(_without_apostrophe(cell) for cell in next(reader))
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, (), _error_message(str(error)))
            continue
        if any(cell.strip() for cell in cells):
            yield Row(line, cells)


def _error_message(error: str) -> str:
    if "end of data" in error:
        return _("A quotation mark is opened here and not closed.")
    if "field limit" in error:
        return _("A cell in this row is longer than 131,072 characters.")
    return _("A quotation mark is in the middle of a cell. Double it or remove it.")


def safe(cell: str) -> str:
    """Return `cell` in a form that no spreadsheet runs as a formula, to prevent CSV injection."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_RISKY) else cell


def _without_apostrophe(cell: str) -> str:
    """Remove the apostrophe that `safe` or a spreadsheet has put before a possible formula."""
    return cell[1:] if cell.startswith("'") and safe(cell[1:]) != cell[1:] else cell


def written(rows: Iterable[Sequence[str]]) -> bytes:
    """Return the rows as the content of a CSV file that any spreadsheet can open.

    The encoding is UTF-8 with a BOM (byte order mark), which spreadsheets detect. No cell can run
    as a formula.
    """
    out = io.StringIO(newline="")
    csv.writer(out).writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def bad_rows(sheet: Sheet, bad: Iterable[Bad]) -> bytes:
    """Return a CSV file of the rejected rows, which the user can correct and upload again.

    Each row consists of the line number, the error messages and the original cells.
    """
    faults: dict[Row, list[str]] = {}
    for each in bad:
        faults.setdefault(each.row, []).append(f"{each.column}: {each.why}".removeprefix(": "))
    heading = [str(LINE), str(FAULT), *(sheet.heading_of(n) for n in range(sheet.width))]
    rows = [[str(row.line), " ".join(wrong), *row.cells] for row, wrong in faults.items()]
    return written([heading, *rows])
