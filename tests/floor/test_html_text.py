"""HTML becomes text: words stay apart, hidden text is left out, links do not reach our pages."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.email.read import read
from scrm.text.clean import clean, plain, without_bidi

LONG = 200_000
BLOCKS = [
    "address", "article", "aside", "blockquote", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hgroup", "legend", "li", "main", "menu", "nav", "ol", "p",
    "pre", "search", "section", "summary", "ul", "xmp",
]  # fmt: skip


def words(html: str) -> list[str]:
    """Return the words of cleaned HTML; a block begins and ends a word, other tags do not."""
    return plain(clean(html)).split()


# Fails if a name is missing in `_BLOCK`, or if `clean` drops an element that keeps words apart.
@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_keeps_words_apart(name: str) -> None:
    for html in (
        f"one<{name}>two</{name}>three",
        f"<{name}>one</{name}><{name.upper()}>two</{name}>three",
        f"<div><b>one</b><{name} class='x'>two</{name}>three</div>",
        f"one<{name}\n>two</{name}\n>three",
    ):
        assert plain(html).split() == ["one", "two", "three"], html
        assert words(html) == ["one", "two", "three"], html


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td>one</td><td>two</td></tr><tr><td>three</td></tr></table>",
        "<table><caption>one</caption><thead><tr><th>two</th><th>three</th></tr></thead></table>",
        "<TABLE><TR><TD><b>one</b></TD><TD><b>two</b></TD></TR></TABLE>three",
        "<td><b>one</b></td><td><i>two</i></td>three",
        "<tr><td>one<tr><td>two</tr>three",
        "<select><option>one</option><option>two</option></select><p>three",
        "<ul><li>one<li>two</ul>three",
        "<dl><dt>one<dd>two</dl>three",
        "one<br>two<br/>three",
        "one<hr>two<BR \n>three",
        "<span style='display:block'>one</span><span style='DISPLAY: Block'>two</span>three",
        "<a style='display:table-cell'>one</a><a style='display:flex'>two</a>three",
        "<div>one</div><!-- x --><div>two</div><!-- --><div>three</div>",
        "<p>one<p>two<p>three",
        "<body>one<form>two</form>three</body>",
        "one<o:p></o:p><div>two</div><v:shape></v:shape><div>three</div>",
        "one<XMP\n>two</XMP\n>three",
        "one<textarea>two</textarea>three",
        "one<listing>two</listing>three",
        "<p>one<plaintext>two\nthree",
    ],
)
def test_cells_items_and_line_breaks_keep_words_apart(html: str) -> None:
    assert plain(html).split() == ["one", "two", "three"]
    assert words(html) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "html",
    ["<b>hyd</b>rant", "hy<i>dr</i>ant", "<span style='color:red'>hyd</span><font>rant</font>",
     "hyd<wbr>rant", "hyd<!-- x -->rant", "<a href='https://a.test'>hyd</a>rant",
     "<span style='display:inline'>hyd</span>rant", "hyd<span hidden>x</span>rant"],
)  # fmt: skip
def test_inline_elements_do_not_split_a_word(html: str) -> None:
    assert plain(html) == "hydrant"
    assert words(html) == ["hydrant"]


@pytest.mark.parametrize(
    "html",
    [
        "<html><head><title>Newsletter 12</title></head><body><p>Hello</p></body></html>",
        "<TITLE>Newsletter</TITLE>Hello",
        "<title>Newsletter <b>12</b></title>Hello",
        "<style>p{}</style><script>x()</script>Hello",
        "<noscript><img src=x>on</noscript>Hello<iframe>frame</iframe>",
        "<template>later</template><video>no video</video><audio>no audio</audio>Hello",
        "<svg><title>Icon</title></svg>Hello",
        "<div style='display:none'>Preheader</div>Hello",
        "<div style='color:#fff; DISPLAY : NONE !important;'>Pre<b>header</b></div>Hello",
        "<span style='font-size:0;max-height:0'>Preheader</span>Hello",
        "<span style='font-size:0px;opacity:0'>Preheader</span>Hello",
        "<div style='max-height:0px;overflow:hidden'>Preheader</div>Hello",
        "<div style='width:.0em;overflow:hidden'>Preheader</div>Hello",
        "<div style='visibility:hidden'>Preheader</div>Hello",
        "<div style='visibility:hidden'>Pre<b style='visibility:visible'>Hello</b></div>",
        "<div hidden>Preheader</div>Hello",
        "<p hidden>Preheader<p>Hello",
        "<table><tr hidden><td>Preheader</td></tr><tr><td>Hello</td></tr></table>",
        "<td style='display:none'>Preheader</td><td>Hello</td>",
        "<div style='display:none'>P<b>re</b><i style='display:block'>header</i></div>Hello",
        "<div style='display&colon;none'>Preheader</div>Hello",
        "<noembed></b><i hidden></noembed>Hello<noframes><!-- </noframes>",
        "<iframe></b><i hidden></iframe>Hello<noscript><i hidden></noscript>",
        "<xmp hidden>Preheader</xmp>Hello<textarea style='display:none'>Preheader</textarea>",
        "<div style='mso-hide:all;max-height:0'>Preheader</div>Hello",
        "<style>.pre{display:none}</style><div class='pre'>Preheader</div>Hello",
        "<STYLE>/*}*/.a, .x{DISPLAY :NONE !important}</STYLE><b class=x>x</b>Hello",
        "<style><!-- #pre{visibility:hidden} --></style><div id=pre>Preheader</div>Hello",
        "<style>div.pre{font-size:0;opacity:0}</style><div class=pre>Preheader</div>Hello",
        "<style>.a.b{max-height:0;overflow:hidden}</style><p class='b a'>Preheader</p>Hello",
        "<style>@import 'x';@font-face{a:b}.x{mso-hide:all;opacity:0}</style><p class=x>x</p>Hello",
        "<style>.pre{display:block}.pre{display:none}</style><p class=pre>Preheader</p>Hello",
        "<style>@media print{.x{display:none}}.x{display:none}</style><p class=x>Pre</p>Hello",
        "<div class=pre>Preheader</div>Hello<style>.pre{display:none}</style>",
        "<title><style></title><style>.pre{display:none}</style><p class=pre>Preheader</p>Hello",
        (
            "<style>img,a b{display:block}@media(x){td{display:block}.y{display:block}}"
            ".pre{display:none}</style><p class=pre>Preheader</p>Hello"
        ),
        (
            "<style media=print>.pre{visibility:hidden}</style>"
            "<style>.pre{display:none}@media(x){.pre{display:none}}</style><p class=pre>x</p>Hello"
        ),
    ],
)
def test_what_a_browser_does_not_show_is_left_out(html: str) -> None:
    assert plain(html) == "Hello"
    assert plain(clean(html)) == "Hello"


@pytest.mark.parametrize(
    "html",
    [
        "<td style='font-size:0px'><div style='font-size:13px'>Hello</div></td>",
        "<div style='opacity:0'>Hello</div>",
        "<div style='opacity:0.5;font-size:0.8em'>Hello</div>",
        "<div style='max-height:0'>Hello</div>",
        "<div style='height:10px;overflow:hidden'>Hello</div>",
        "<div style='mso-hide:all'>Hello</div>",
        "<div hidden style='display:block'>Hello</div>",
        "<div title=' hidden display:none'>Hello</div>",
        "<div aria-hidden='true'>Hello</div>",
        "<br style='display:none'><img style='display:none'>Hello",
        "<div style='display:none'></div>Hello",
        "<b style='display:none'/></b>Hello",
        "<div style='font-size:0'><font>Hello</font></div>",
        "<div style='font-size:0'><table><tr><td>Hello</td></tr></table></div>",
        "<div style='font-size:0'><b style='font:13px Arial'>Hello</b></div>",
        "<div style='font-size:0'><b style='font-size:small'>Hello</b></div>",
        "<div style='font-size:0.9em'>Hello</div>",
        "<style>@media (max-width:600px){.x{display:none!important}}</style><p class=x>Hello</p>",
        "<style>.x{display:none}@media (x){.x{display:block}}</style><p class=x>Hello</p>",
        "<style media=print>.x{display:none}</style><p class=x>Hello</p>",
        "<style>.x{display:none}.a .x{display:block}</style><p class=a><b class=x>Hello</b></p>",
        "<style>.x{display:none}</style><p class=x style='display:block'>Hello</p>",
        "<style>.x{display:none}p.x{display:block}</style><p class=x>Hello</p>",
        "<style>.x{display:none}#y{display:block}</style><p class=x id=y>Hello</p>",
        "<style>.x{display:block!important}.x{display:none}</style><p class=x>Hello</p>",
        "<style>.x .y,.x>p,.x:hover,p,*,[class]{display:none}</style><p class='x y'>Hello</p>",
        "<style>.X{display:none}.xx{display:none}</style><p class=x>Hello</p>",
        "<style>.x.y{display:none}td.x{display:none}</style><p class=x>Hello</p>",
        "<style>.x{display:none</style><p class=y>Hello</p>",
        "<style>/* .x{display:none} */</style><p class=x>Hello</p>",
        "<!--[if mso]><style>.x{display:none}</style><![endif]--><p class=x>Hello</p>",
        "<!--[if !mso]><!--><p class=x>Hello</p><!--<![endif]-->",
        "<script>'<style>.x{display:none}</style>'</script><p class=x>Hello</p>",
        "<style>" + ".x{display:none}" * 501 + "</style><p class=x>Hello</p>",
    ],
)
def test_what_may_be_shown_is_kept(html: str) -> None:
    assert plain(html) == "Hello"
    assert plain(clean(html)) == "Hello"


# Layout tables set the font size to 0 and undo it in rules that are not read.
@pytest.mark.parametrize(
    "html",
    [
        "<style>p{font-size:14px}</style><td style='font-size:0'><p>Hello</p>",
        "<style>.a p{font-size:14px}</style><div class=a style='font-size:0'><p>Hello</p></div>",
        "<style>@media(x){p{font-size:14px}}</style><div style='font-size:0'><p>Hello</p></div>",
        "<style media=screen>p{font-size:9px}</style><div style='font-size:0'><p>Hello</p></div>",
        "<style>.x{font-size:0;opacity:0}.x{font:13px Arial}</style><p class=x>Hello</p>",
        "<div style='visibility:hidden'><b style='visibility:visible'>Hello</b></div>",
        (
            "<style>.y{visibility:visible}@media(x){.y{visibility:hidden}}</style>"
            "<div style='visibility:hidden'><b class=y>Hello</b></div>"
        ),
    ],
)
def test_a_parent_whose_size_or_look_a_rule_undoes_hides_nothing(html: str) -> None:
    assert plain(html) == "Hello"
    assert plain(clean(html)) == "Hello"


# Fails if a rule that may show the element is overlooked. `x` is the class, and `i` the id.
@pytest.mark.parametrize(
    "sheet",
    [
        "</style><style media='(max-width:600px)'>.x{display:block}",
        "</style><style media=screen>.x{display:block}",
        "@media(y){*[class=x]{display:block!important}}",
        "@media(y){[class~='x']{display:block}}",
        '@media(y){td[class~=x],p[id="i"]{display:block}}',
        "@media(y){p[class^=x]{display:block}}",
        "p[class]{display:block}",
        "p{display:block!important}",
        "@media(y){*{display:block ! important}}",
        "@media(y){.y{display:block}}",
        ".a p{display:block}",
        "p:first-child{display:block}",
        "p:not(.z){display:block}",
        ".x:hover{display:block}",
        "@supports(y){@media(z){.x{display:block}}}",
        ".x{color:red;@media(y){display:block}}",
        ".x{&.y{display:block}}",
        "p{&{display:block}}",
        "@keyframes z{to{display:block}}",
        ".\\78{display:block}",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_rule_that_may_show_an_element_counts(sheet: str, first: bool) -> None:
    hiding = ".x{display:none}"
    css = f"{hiding}{sheet}" if first else f"{sheet}</style><style>{hiding}"
    html = f"<style>{css}</style><div class=a><p class='x y' id=i>Hello</p></div>"
    assert plain(html) == "Hello"
    assert plain(f"<style>{hiding}</style><p class='x y' id=i>Preheader</p>") == ""


@pytest.mark.parametrize("rule", ["p{%s}", "@media(y){.y{%s}}", ".a .y{%s}"])
def test_a_child_undoes_the_visibility_of_a_class(rule: str) -> None:
    css = f".x{{visibility:hidden}}{rule % 'visibility:visible'}"
    html = f"<style>{css}</style><div class='a x'><p class=y>Hello</p></div>"
    assert plain(html) == "Hello"


# Fails without the second pass in `marked`.
def test_a_letter_that_hides_everything_still_has_words() -> None:
    html = "<div style='display:none'>The pump <blockquote>leaks</blockquote></div>"
    raw = f"From: jo@customers.test\r\nContent-Type: text/html\r\n\r\n{html}"
    assert read(raw.encode()).text.split() == ["The", "pump", ">", "leaks"]


def test_a_preheader_is_no_text_of_a_letter() -> None:
    html = (
        "<title>T</title><div style='display:none'>Pre</div><div>Hello,</div><div>it leaks.</div>"
    )
    letter = read(f"From: jo@customers.test\r\nContent-Type: text/html\r\n\r\n{html}".encode())
    assert letter.text.split("\n") == ["Hello,", "", "it leaks."]
    assert letter.html == "<div>Hello,</div><div>it leaks.</div>"


# Fails without `_absolute`: a browser reads `https:x` as a path on our site, if our site has https.
@pytest.mark.parametrize(
    "href",
    ["/accounts/logout/", "//evil.example/", "accounts/logout/", "?q=x", "#x", "", " /x", "./x",
     "https:accounts/logout/", "https:/accounts/logout/", "HTTPS:x", "http:x", "https:\\x",
     "ht\ntps:x", "\\\\evil.example\\", "/\\evil.example", "https:///", "http:", "//",
     "&#104;ttps:x", "https&colon;x", "javascript:x", "file:///x"],
)  # fmt: skip
@pytest.mark.parametrize("base", ["", "<base href='https://scrm.example/'>"])
def test_a_link_never_points_into_our_own_site(href: str, base: str) -> None:
    cleaned = clean(f'{base}<a href="{href}">your invoice</a>')
    assert cleaned == '<a rel="noopener noreferrer nofollow">your invoice</a>'


@pytest.mark.parametrize(
    "href",
    ["https://a.test/x", "http://a.test", "HTTPS://A.test", "mailto:jo@a.test", "https://[::1]/"],
)
def test_an_absolute_link_stays(href: str) -> None:
    assert f'href="{href}"' in clean(f'<a href="{href}">x</a>')


NAMES = st.sampled_from([*BLOCKS, "b", "span", "table", "tr", "td", "th", "br", "select", "title"])
STYLES = st.sampled_from(
    ["", " hidden", " style='display:none'", " style='display:block'", " a=b>"]
)
MARKUP = st.recursive(
    st.sampled_from(["x", " ", "&lt;p&gt;", "<", "\n"]),
    lambda inner: st.tuples(NAMES, STYLES, inner, inner).map(
        lambda t: f"<{t[0]}{t[1]}>{t[2]}</{t[0]}>{t[3]}"
    ),
    max_leaves=12,
)


RAW_TEXT = ["plaintext", "textarea", "xmp"]
UNSEEN = ["iframe", "noembed", "noframes", "noscript"]
NOISE = st.lists(
    st.sampled_from(
        ["</b>", "</div>", "<b hidden>", "<div style='display:none'>", "<!--", "<p title='", '"',
         "<style>", "<title>", "&lt;", " hidden", "x", "<", "-->"]
        + [f"{start}{name}>" for start in ("<", "</") for name in (*RAW_TEXT, *UNSEEN)]
    ),
    max_size=6,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("name", RAW_TEXT)
@pytest.mark.parametrize("tags", ["</b></b>", "<div style='display:none'>", "<b hidden>", "<!--"])
def test_tags_that_are_shown_as_text_hide_nothing(name: str, tags: str) -> None:
    html = f"One<{name}>{tags}</{name}> two"
    for text in (plain(html), plain(clean(html)), plain(html, hidden=True)):
        assert text.startswith(f"One\n{tags}"), text
        assert text.endswith("two"), text


# Fails if raw text stays in what `visible` reads: tags in it would end or hide other elements.
@given(st.sampled_from([*RAW_TEXT, *UNSEEN]), NOISE)
def test_raw_text_neither_fails_nor_loses_words_after_it(name: str, noise: str) -> None:
    inside = noise.replace(f"</{name}>", "")
    html = f"First<{name}>{inside}</{name}><p>last</p>"
    for text in (plain(html), plain(clean(html))):
        assert text.startswith("First"), html
        assert "last" in text, html


@given(NOISE)
def test_no_markup_makes_cleaning_fail(noise: str) -> None:
    plain(noise)
    assert clean(clean(noise)) == clean(noise)


@given(MARKUP)
def test_cleaning_twice_changes_nothing(html: str) -> None:
    assert clean(clean(html)) == clean(html)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("\u202egpj.exe", "gpj.exe"), ("a\u2066b\u2069", "ab"), ("\u200fשלום\u200e", "שלום"),
     ("\u061cسلام", "سلام"), ("a\u200db", "a\u200db"), ("می\u200cخواهم", "می\u200cخواهم")],
)  # fmt: skip
def test_characters_that_turn_text_around_are_removed(text: str, kept: str) -> None:
    assert without_bidi(text) == kept


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise",
    ["<title>", "<p hidden>", "<div style='display:none'>", " hidden", "<a href='https:", "<td",
     "<p style='display:", "display:none;", "<title", "<script>", "</td>x", "<b style='x:0;'>",
     "<div style='" + "a:0;" * 300 + "'>", "<xmp>", "<xmp></b></b></xmp> hidden", "<xmp ",
     "<style>", "<style>.a{display:none}", "<style>{{{{", "<style>}", "<style>/*", "<!--", "<!-- -",
     "<style>@media{.a{display:none}", "<style>.a.a.a.a", "<style>.a,", "<b class='a a a a' id=a>",
     "<textarea><b hidden>", "<noembed></b></noembed>", "<div hidden><xmp></xmp a=<>"],
)  # fmt: skip
def test_hostile_markup_is_bounded(noise: str) -> None:
    hostile = (noise * LONG)[:LONG]
    began = time.process_time()
    for html in (hostile, f"<p hidden>{hostile}", f"{hostile}</p>", f"<p style='{hostile}'>x"):
        plain(html)
        clean(html)
    assert time.process_time() - began < 10
