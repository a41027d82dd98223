"""The text that we make of HTML has the words that Chromium shows, and no two of them glued."""

from __future__ import annotations

import random
from itertools import accumulate

from playwright.sync_api import Browser

from scrm.text.clean import clean, plain

INLINE = ["a", "abbr", "b", "cite", "code", "del", "em", "font", "i", "label", "mark", "q", "s",
          "small", "span", "strong", "sub", "sup", "tt", "u", "o:p", "x-tag"]  # fmt: skip
BLOCKS = ["address", "article", "aside", "blockquote", "center", "dd", "dir", "div", "dl", "dt",
          "fieldset", "figcaption", "figure", "footer", "form", "h1", "h3", "header", "hgroup",
          "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "search", "section", "summary",
          "ul"]  # fmt: skip
UNSEEN = ["script", "style", "title", "template", "noscript", "datalist", "iframe", "noembed",
          "noframes"]  # fmt: skip
TAGS_INSIDE = ["", "</b></b>", "<b hidden>", "<div style='display:none'>", "<!-- ", "<i>"]
STYLES = ["display:none", "visibility:hidden", "visibility: visible", "display:block", "color:red",
          "Display : NONE ! important", "opacity:0.5", "display:list-item", "float:left",
          "position: absolute", "display:flex", "font-size:0"]  # fmt: skip
BREAKS = ["<br>", "<br/>", "<hr>", "<wbr>", "<img src=x>", "<!-- x -->", "&nbsp;", "\n", " ", ""]
DOCUMENTS = 1_500
READ = """documents => documents.map(html => {
  const box = document.createElement("div");
  box.innerHTML = html;
  document.body.append(box);
  const text = box.innerText;
  box.remove();
  return text;
})"""


class Writer:
    """Writes random HTML with a new word in each place."""

    def __init__(self, seed: int) -> None:
        self.random, self.number = random.Random(seed), 0

    def word(self) -> str:
        self.number += 1
        return f"w{self.number}q"

    def write(self, depth: int = 0) -> str:
        pieces = [self.piece(depth) for _ in range(self.random.randint(1, 4))]
        return "".join(piece + self.random.choice(BREAKS + [""] * 10) for piece in pieces)

    def piece(self, depth: int) -> str:
        kind = self.random.random()
        if depth > 3 or kind < 0.3:
            return self.word()
        if kind < 0.36:
            name = self.random.choice(UNSEEN)
            parses_tags = name in ("datalist", "template")
            tags = "" if parses_tags else self.random.choice(TAGS_INSIDE)
            return f"<{name}>{tags}{self.word()}</{name}>"
        if kind < 0.4:
            tags = self.random.choice(TAGS_INSIDE)
            return f"<xmp{self.attributes()}>{tags}{self.word()}</xmp>"
        if kind < 0.46:
            return self.table(depth)
        name = self.random.choice(BLOCKS if kind < 0.8 else INLINE)
        if self.random.random() < 0.2:
            name = name.upper()
        end = "" if name in ("p", "li", "dd", "dt") and kind < 0.7 else f"</{name}>"
        return f"<{name}{self.attributes()}>{self.write(depth + 1)}{end}"

    def attributes(self) -> str:
        kind = self.random.random()
        if kind < 0.05:
            return " hidden"
        if kind < 0.2:
            return f' style="{self.random.choice(STYLES)}"'
        return ' title="a > b"' if kind < 0.25 else ""

    def table(self, depth: int) -> str:
        rows = [
            "<tr>" + "".join(f"<td{self.attributes()}>{self.write(depth + 2)}</td>" for _ in "ab")
            for _ in range(self.random.randint(1, 2))
        ]
        return f"<table>{''.join(rows)}</table>"


def boundaries(text: str) -> tuple[str, set[int]]:
    """Return the characters of a text without white space, and the places where it was."""
    words = text.split()
    lengths = accumulate(len(word) for word in words)
    return "".join(words), set(lengths)


# Fails without `shown`, and if a block is missing in `_BLOCK` or `_OTHER_BLOCK`.
def test_no_words_are_glued_that_a_browser_shows_apart(chromium: Browser) -> None:
    written = [Writer(seed).write() for seed in range(DOCUMENTS)]
    page = chromium.new_page()
    page.set_content("<!doctype html>")
    in_browser = page.evaluate(READ, written)
    cleaned = page.evaluate(READ, [clean(html) for html in written])
    page.close()
    for html, browser_text, clean_text in zip(written, in_browser, cleaned, strict=True):
        words, apart = boundaries(browser_text)
        for ours in (plain(html), clean_text):
            our_words, our_apart = boundaries(ours)
            assert our_words == words, f"lost or shown though hidden: {html}"
            assert apart <= our_apart, f"glued: {html}"
