"""CSV files: scrm detects the encoding and the delimiter, and reports errors."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from scrm.text import csv_file
from scrm.text.csv_file import Sheet, Unreadable, safe, written
from scrm.web.upload_limits import MAX_CSV_ROWS

TEXT = "Name{0}E-Mail{0}Kommentar\nJörg{0}j@x.example{0}Schön hier\nZoë{0}z@x.example{0}„Gut“\n"


def read(raw: bytes, **facts: Any) -> Sheet:
    """Read a file whose first row contains the names of the columns."""
    return csv_file.read(raw, heading=True, **facts)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_found_out(encoding: str, delimiter: str) -> None:
    sheet = read(TEXT.format(delimiter).encode(encoding))
    assert (sheet.encoding, sheet.delimiter) == (encoding, delimiter)
    assert sheet.heading == ("Name", "E-Mail", "Kommentar")
    assert [row.cells for row in sheet.rows] == [
        ("Jörg", "j@x.example", "Schön hier"),
        ("Zoë", "z@x.example", "„Gut“"),
    ]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1251", "Где мой заказ"),
        ("koi8_r", "Где мой заказ"),
        ("cp1250", "Żądam zwrotu pieniędzy za ten tydzień"),
        ("cp1253", "Πού είναι η παραγγελία"),
        ("cp1256", "أين طلبي؟ شكرا جزيلا"),
        ("gb18030", "我的订单在哪里"),
        ("cp932", "注文はどこですか"),
        ("cp949", "제 주문은 어디에 있나요"),
    ],
)
def test_encodings_of_other_languages_are_found_out(encoding: str, words: str) -> None:
    sheet = read(f"text,name\n{words},Jo\n".encode(encoding))
    assert (sheet.encoding, sheet.rows[0].cells) == (encoding, (words, "Jo"))
    assert encoding in csv_file.ENCODINGS


def test_one_invalid_byte_costs_one_character() -> None:
    raw = "text,name\nGröße und Öl,Zoë\n".encode() + b"cut \xd1,Jo\n"
    assert read(raw).rows[1].cells == ("cut \ufffd", "Jo")
    assert read(raw, encoding="utf-8").rows[0].cells == ("Größe und Öl", "Zoë")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_replacement_character_in_the_file_is_no_error(encoding: str) -> None:
    raw = "text,name\nGr\ufffd\ufffde,Jo\n".encode(encoding)
    assert read(raw).rows[0].cells == ("Gr\ufffd\ufffde", "Jo")


def test_utf_16_without_its_mark_is_found_out_too() -> None:
    assert read(TEXT.format(",").encode("utf-16-le")).rows[0].cells[0] == "Jörg"


@pytest.mark.parametrize(
    "words",
    ["Zoë", "Ελένη", "Анна", "عائشة", "נועה", "अनिता", "สมชาย", "王小明", "さくら", "김민지"],
)
def test_every_script_comes_through(words: str) -> None:
    sheet = read(f"text,name\nGood,{words}\n".encode())
    assert sheet.rows[0].cells == ("Good", words)


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    sheet = read(b'text,name\r\n"two\r\nlines",Ron\r\n\r\n,\r\nlast,Rita\r\n')
    assert [(row.line, row.cells[1]) for row in sheet.rows] == [(2, "Ron"), (6, "Rita")]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty"),
        (b"\n\r\n , , \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"text,name\n", "a header but no rows"),
        (b"PK\x03\x04 a workbook", "not CSV"),
        (b"\xd0\xcf\x11\xe0 an old workbook", "not CSV"),
        (b"%PDF-1.7", "not a CSV file"),
        (b"\x89PNG\r\n", "not a CSV file"),
        (bytes(range(256)) * 10, "not text|is not encoded in"),
        (b"\x7fELF\x00\x01\x02,\x03\n", "not text"),
        (b"a,b\n1,2\n" + b"x" * 10 * 1024 * 1024, "larger than 10 MB"),
        (b"a,b\n" + b"1,2\n" * 50_000, f"more than {MAX_CSV_ROWS:,} rows"),
        (b",".join(b"c%d" % n for n in range(300)) + b"\n" + b"1," * 199, "300 columns"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(raw: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(raw)


def test_the_wrong_encoding_is_said_with_its_line() -> None:
    with pytest.raises(Unreadable, match="Line 2 is not encoded in UTF-8") as error:
        read(TEXT.format(",").encode("cp1252"), encoding="utf-8")
    assert error.value.about == "encoding"


def test_the_wrong_delimiter_makes_one_column() -> None:
    assert read(TEXT.format(";").encode(), delimiter=",").width == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('"never closed,Ron', "not closed"),
        ('"in "the" middle",Ron', "middle of a cell"),
        ("x" * 140_000 + ",Ron", "longer than 131,072"),
    ],
)
def test_a_line_that_cannot_be_read_says_so_and_the_others_are_read(line: str, says: str) -> None:
    rows = read(f"text,name\nGood,Ann\n{line}\n".encode()).rows
    assert [(row.line, says in row.wrong) for row in rows] == [(2, False), (3, True)]


def test_lines_after_a_bad_one_are_read() -> None:
    rows = read(b'text,name\n"a "b" c",Ron\nGood,Ann\n').rows
    assert [row.cells for row in rows] == [(), ("Good", "Ann")]


@pytest.mark.parametrize("cell", ["=1+1", "+12125550100", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_no_cell_is_taken_for_a_formula_and_each_comes_back_as_it_was(cell: str) -> None:
    """A cell that a spreadsheet would read as a formula is written with a leading apostrophe.

    When the file is read again, the cell has its original text. Fails if `safe` does not change
    such a cell.
    """
    raw = written([["text", "name"], [cell, "Ron"]])
    there = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))[1][0]
    assert there.startswith("'")
    assert read(raw).rows[0].cells[0] == cell


def test_an_apostrophe_of_somebodys_own_stays() -> None:
    assert safe("'tis good") == "'tis good"
    assert read(b"text,name\n'tis good,Ron\n").rows[0].cells[0] == "'tis good"


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize(
    ("line", "delimiter"), [("sep=;", ";"), ("SEP=,", ","), ('"sep=\t"', "\t"), ("sep=|", ";")]
)
def test_the_separator_line_of_excel_is_no_row(line: str, delimiter: str, end: str) -> None:
    """Fails if the line is read as the heading or as an answer."""
    rows = [("Name", "Rating"), ("Jörg", "3"), ("Eva", "4")]
    text = end.join([line, *(delimiter.join(row) for row in rows)])
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        sheet = read(text.encode(encoding))
        assert (sheet.heading, sheet.delimiter) == (rows[0], delimiter)
        assert [row.cells for row in sheet.rows] == rows[1:]
        assert [row.line for row in sheet.rows] == [3, 4]
