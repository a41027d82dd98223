"""Pages are compressed with gzip; downloads and small responses are not compressed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory

from crm.models import User
from scrm.web.gzip import Pages

STATIC = Path(__file__).parents[2] / "static"
ANY = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.mark.parametrize("name", ["css/base.css", "js/open_case.js", "icons.svg"])
def test_a_static_text_is_compressed_and_stays_the_same(client: Client, name: str) -> None:
    answer = client.get(f"/static/{name}", headers=ANY)
    body = b"".join(answer.streaming_content)
    assert answer["Content-Encoding"] == "gzip"
    assert answer["Vary"] == "Accept-Encoding"
    assert int(answer["Content-Length"]) == len(body)
    assert gzip.decompress(body) == (STATIC / name).read_bytes()


def test_who_cannot_read_it_gets_the_plain_one(client: Client) -> None:
    answer = client.get("/static/css/base.css")
    assert "Content-Encoding" not in answer
    assert b"".join(answer.streaming_content) == (STATIC / "css/base.css").read_bytes()


def test_a_font_is_compressed_already(client: Client) -> None:
    answer = client.get("/static/fonts/inter-latin-wght-normal.woff2", headers=ANY)
    assert "Content-Encoding" not in answer
    assert b"".join(answer.streaming_content).startswith(b"wOF2")


def test_what_has_not_changed_is_not_sent_again(client: Client) -> None:
    tag = client.get("/static/css/base.css", headers=ANY)["ETag"]
    again = client.get("/static/css/base.css", headers={**ANY, "If-None-Match": tag})
    assert again.status_code == 304


@pytest.mark.django_db
def test_a_page_is_compressed(agent: User, as_: Callable[[User], Client]) -> None:
    answer = as_(agent).get("/", headers=ANY)
    assert answer["Content-Encoding"] == "gzip"
    assert b"<!doctype html>" in gzip.decompress(answer.content)


def test_a_download_stays_as_it_is() -> None:
    def view(request: object) -> StreamingHttpResponse:
        return StreamingHttpResponse([b"a" * 1000])

    answer = Pages(view)(RequestFactory().get("/", headers=ANY))
    assert b"".join(answer.streaming_content) == b"a" * 1000
    assert "Content-Encoding" not in answer
