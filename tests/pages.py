"""Use pages in a test as a user does: open a page, change fields of a form, and submit it."""

from __future__ import annotations

from html.parser import HTMLParser

from django.http import HttpResponse
from django.test import Client

Fields = dict[str, list[str]]


def press(browser: Client, page: str, action: str, **typed: object) -> HttpResponse:
    """Submit the form of `page` that has this `action`.

    The keyword arguments replace the values of single fields.
    """
    opened = browser.get(page)
    assert opened.status_code == 200, f"{page} answered {opened.status_code}"
    fields = _forms(opened.content.decode(), page)[action] | {
        name: [str(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in typed.items()
    }
    done = browser.post(action, fields)
    assert done.status_code == 302, _words(done)
    return done


def _forms(html: str, page: str) -> dict[str, Fields]:
    reader = _Reader(page)
    reader.feed(html)
    return reader.forms


def _words(response: HttpResponse) -> str:
    return f"{response.status_code}: {response.content.decode()[:3000]}"


class _Reader(HTMLParser):
    """An HTML parser that collects the forms of a page.

    For each form's action, it stores the fields that a browser would submit if the user changed
    nothing.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.path = page.partition("?")[0]
        self.forms: dict[str, Fields] = {}
        self.form: Fields = {}
        self.name = ""

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in pairs}
        name = facts.get("name", "")
        if tag == "form":
            self.form = self.forms.setdefault(facts.get("action") or self.path, {})
        elif tag == "input" and name:
            ticked = facts.get("type") not in {"radio", "checkbox"} or "checked" in facts
            if ticked:
                self.form.setdefault(name, []).append(facts.get("value", ""))
        elif tag in {"textarea", "select"}:
            self.name = name
        elif tag == "option" and "selected" in facts:
            self.form[self.name] = [facts.get("value", "")]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "textarea" and self.name:
            self.form[self.name] = [data.removeprefix("\n")]

    def handle_endtag(self, tag: str) -> None:
        if tag in {"textarea", "select"}:
            self.name = ""
