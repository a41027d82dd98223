"""Senders made by the grammar of RFC 5322, and by the ways in which mail programs violate it."""

from __future__ import annotations

import time
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.email.bounces import returned
from scrm.channels.email.people import Person, split
from scrm.channels.email.read import read

JO, KIM = "jo@customers.test", "kim@customers.test"
LONG = 200_000

ATOMS = st.text("abkzKZ0189!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8)
SPACES = st.sampled_from([" ", "  ", "\t", "\r\n ", " \r\n\t"])
COMMENT_TEXT = st.text("ab .,;:@<>[]\"'", max_size=8).map(lambda text: text.replace('"', ""))
PAIRS = st.sampled_from(["\\(", "\\)", "\\\\", "\\a", '\\"'])
COMMENTS = st.recursive(
    st.lists(COMMENT_TEXT | PAIRS, max_size=3).map(lambda parts: f"({''.join(parts)})"),
    lambda inner: st.tuples(COMMENT_TEXT, inner, COMMENT_TEXT).map(lambda p: f"({''.join(p)})"),
    max_leaves=3,
)
CFWS = st.lists(SPACES | COMMENTS, max_size=2).map("".join)
PHRASES = st.lists(
    ATOMS
    | st.sampled_from([KIM, "Doe, Jo", f"<{KIM}>", "a;b:", "Dr.", "@home", "[x]"]).map(
        lambda text: f'"{text}"'
    )
    | st.text('äжقa <>@."', min_size=1, max_size=9).map(lambda t: Header(t, "utf-8").encode()),
    max_size=4,
).map(" ".join)
DOMAINS = st.lists(st.text("abxyz019", min_size=1, max_size=6), min_size=1, max_size=3).map(
    ".".join
)


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, str]:
    """An address as it may stand in a header, and its normal form."""
    at = draw(CFWS), draw(CFWS)
    if draw(st.booleans()):
        atoms = draw(st.lists(ATOMS, min_size=1, max_size=3))
        local, key = f"{draw(CFWS)}.{draw(CFWS)}".join(atoms), ".".join(atoms)
    else:
        # The blank and the comma make the quotation marks necessary.
        words = draw(st.text("ab,;:.( )[]", max_size=6)) + ", x"
        local, key = f'"{words.replace("b", chr(92) + "b")}"', f'"{words}"'
    domain = draw(DOMAINS)
    return f"{local}{at[0]}@{at[1]}{domain}", f"{key}@{domain}".lower()


@st.composite
def senders(draw: st.DrawFn) -> tuple[str, str]:
    """A valid header From of one mailbox, and the address of its sender."""
    written, key = draw(addresses())
    route = draw(st.sampled_from(["", "", "@relay.test:", "@a.test,@b.test:"]))
    angle = f"<{draw(CFWS)}{route}{written}{draw(CFWS)}>"
    return f"{draw(CFWS)}{draw(PHRASES)}{draw(CFWS)} {angle}{draw(CFWS)}", key


# Fails without `_spaced_address`, because a comment or a space inside the brackets then makes the
# mail one without a sender.
@given(senders())
def test_every_valid_sender_is_the_address_in_the_brackets(made: tuple[str, str]) -> None:
    header, key = made
    found = split(header)
    assert found
    assert found[0] == key


NOISE = st.text("ab .,;:'@()\"\\<[]äж\u202e", max_size=20)
VIOLATIONS = (
    "{name} <{jo}>",
    "{name}, {name} <{jo}>",
    "{kim} <{jo}>",
    "{kim}, {name} <{jo}>",
    "<{kim}> {name} <{jo}>",
    '"{kim}" {name} <{jo}>',
    "'{kim}' via {name} <{jo}>",
    "{name} <'{jo}'>",
    '{name} <"{jo}">',
    "{name} <<{jo}>>",
    "{name} < {jo} >",
    "{name} <mailto:{jo}>",
    "{name} <SMTP:{jo}>",
    "{name} <{jo}>;",
    "{name}: {kim}, <{jo}>;",
    "{kim} {name} <{jo}",
    "<{kim}> {name} <{jo}",
)


# Fails without `|\Z` in `_BRACKETS`: the last header is then one of Kim's.
@given(NOISE, st.sampled_from(VIOLATIONS))
def test_no_violation_yields_an_address_outside_the_last_brackets(name: str, form: str) -> None:
    found = split(form.format(name=name.replace("<", ""), kim=KIM, jo=JO))
    assert found is None or found[0] == JO


@given(st.text("ab .,;:'@()\"\\<>[]", max_size=40), NOISE)
def test_an_address_is_only_ever_found_in_the_last_brackets(before: str, inside: str) -> None:
    inside = inside.replace("<", "").replace('"', "").replace("(", "").replace(")", "")
    found = split(f"{before} <{KIM}> Kim <x@y.test {inside}>")
    assert found is None or found[0] != KIM


@pytest.mark.parametrize(
    ("header", "address", "name", "other"),
    [
        ("Jo <jo(home)@customers.test>", JO, "Jo", ""),
        ("Jo <jo@customers.test(work)>", JO, "Jo", ""),
        ("Jo <jo @ customers . test>", JO, "Jo", ""),
        ("Jo <jo@\r\n customers.test>", JO, "Jo", ""),
        ("Jo <@relay.test,@b.test:jo@customers.test>", JO, "Jo", ""),
        ("Jo <@relay.test:kim@customers.test:jo@customers.test>", JO, "", KIM),
        ("(Jo) jo@customers.test", JO, "Jo", ""),
        ("Mr. jo@customers.test", JO, "Mr.", ""),
        ("jo @customers.test", JO, "", ""),
        ('Jo <"jo\\ doe"@customers.test>', '"jo doe"@customers.test', "Jo", ""),
        ('Jo <"jo, doe"@customers.test>', '"jo, doe"@customers.test', "Jo", ""),
        ('Jo <"jo  doe" @ customers.test>', '"jo  doe"@customers.test', "Jo", ""),
        ("Jo <jo(kim@customers.test)@customers.test>", JO, "Jo", ""),
        ("<kim@customers.test> Jo <jo@customers.test", JO, "", KIM),
        ("Kim <kim@customers.test>, Jo <jo(x)@customers.test>", JO, "", KIM),
        ("Staff: Kim <kim@customers.test>, Jo <jo@customers.test>;", JO, "", KIM),
    ],
)
def test_forms_of_one_sender(header: str, address: str, name: str, other: str) -> None:
    found = read(f"From: {header}\r\nDate: x\r\n\r\nHi".encode()).sender
    assert found == Person(address, name, other)


# Fails with `text.partition(",")`, which cuts a quoted local part.
@pytest.mark.parametrize(
    ("field", "recipient"),
    [
        ("rfc822; jo@customers.test", JO),
        ("rfc822;<jo@customers.test>", JO),
        ('rfc822; "jo, doe"@customers.test', '"jo, doe"@customers.test'),
        ("jo@customers.test", JO),
        ("utf-8; jö@straße.test", "jö@xn--strae-oqa.test"),
        ("rfc822; jo@customers.test (unknown)", JO),
        ("rfc822; unknown", ""),
    ],
)
def test_the_recipient_of_a_bounce_is_read_by_the_same_parser(field: str, recipient: str) -> None:
    report = f"Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: {field}\r\nAction: failed"
    head = "From: x@mx.test\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
    part = f"Content-Type: message/delivery-status\r\n\r\n{report}\r\n\r\n--b--"
    back = returned(read((head + part).encode()))
    assert back
    assert back.recipient == recipient


@pytest.mark.parametrize(
    ("header", "recipient"),
    [
        ("jo@customers.test", JO),
        ("jo@customers.test, kim@customers.test", JO),
        ('"jo, doe"@customers.test, kim@customers.test', '"jo, doe"@customers.test'),
        ("<jo@customers.test>,<kim@customers.test>", JO),
        ('"jo', ""),
        (",", ""),
    ],
)
def test_the_first_of_the_failed_recipients_is_used(header: str, recipient: str) -> None:
    raw = f"From: mailer-daemon@mx.test\r\nX-Failed-Recipients: {header}\r\n\r\nNo."
    back = returned(read(raw.encode()))
    assert back
    assert back.recipient == recipient


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise",
    ["( ) . ", "<a . ", ". @ ", '"" . ', "<(x)a . b@>", '"\\ ', "<jo (", " \\", '<"a" ', "(a)@"],
)
def test_hostile_comments_and_spaces_cost_little(noise: str) -> None:
    hostile = (noise * LONG)[:LONG]
    began = time.process_time()
    for header in (hostile, f"<{hostile}>", f"{hostile} <{JO}>", f"<{JO}> {hostile}"):
        split(header)
    assert time.process_time() - began < 3
