from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from crm.models import Conversation, Department, Interaction, Profile, User, Workspace
from listening.highlight import excerpt, highlight
from listening.models import Match, Mention, Source, Topic

NEW = "/topics/new/"


def words(**facts: Any) -> dict[str, Any]:
    return {"name": "Seats", "purpose": "", "any_of": "", "all_of": "", "none_of": ""} | facts


@pytest.fixture
def mention(make_source: Any, brand: Topic) -> Mention:
    source: Source = make_source()
    fetch = source.fetches.create()
    row = Mention.objects.create(
        scope="feed:x", key="1", fetch=fetch, author_network="feed:x", author_key="Ron",
        kind="post", visibility="public", text="<b>Skyward</b> put me off",
    )  # fmt: skip
    row.sightings.create(source=source, fetch=fetch)
    Match.objects.create(mention=row, revision=brand.current, spans=[["text", 3, 10]])
    return row


def test_words_are_read_one_a_line_or_between_commas(admin: User, as_: Any) -> None:
    typed = words(any_of="seat, window seat\n\nseat\n@SkywardAir", owner=admin.pk)
    response = as_(admin).post(NEW, typed)
    topic = Topic.objects.get(name="Seats")
    assert response.url == topic.get_absolute_url()
    assert topic.current.any_of == ["seat", "window seat", "@SkywardAir"]
    assert topic.current.made_by == admin


def test_a_wrong_word_is_named_with_its_line_and_nothing_typed_is_lost(
    admin: User, as_: Any
) -> None:
    response = as_(admin).post(NEW, words(any_of="seat\n!!!", purpose="to hear", owner=admin.pk))
    assert response.status_code == 422
    body = response.content.decode()
    assert "Line 2:" in body
    assert "seat\n!!!" in body
    assert "to hear" in body
    assert not Topic.objects.exists()


def test_a_topic_without_words_is_refused_at_the_field(admin: User, as_: Any) -> None:
    response = as_(admin).post(NEW, words(none_of="party", owner=admin.pk))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"any_of"}


def test_other_words_make_a_new_revision_and_the_same_words_make_none(
    admin: User, as_: Any, brand: Topic
) -> None:
    edit, browser = reverse("listening:topic_edit", args=[brand.pk]), as_(admin)
    same = words(name="Our brand", any_of="skyward\n@skywardair", owner=admin.pk, seen=1)
    browser.post(edit, same)
    brand.refresh_from_db()
    assert (brand.name, brand.current.number) == ("Our brand", 1)
    browser.post(edit, same | {"any_of": "skyward", "all_of": "air"})
    brand.refresh_from_db()
    assert brand.current.number == 2
    body = browser.get(brand.get_absolute_url()).content.decode()
    assert "− @skywardair" in body
    assert "+ air" in body


def test_words_that_a_colleague_changed_meanwhile_are_not_overwritten_unseen(
    admin: User, supervisor: User, as_: Any, brand: Topic
) -> None:
    brand.revise(any_of=["theirs"], all_of=[], none_of=[], by=supervisor)
    edit, browser = reverse("listening:topic_edit", args=[brand.pk]), as_(admin)
    response = browser.post(edit, words(name="Brand", any_of="mine", owner=admin.pk, seen=1))
    assert response.status_code == 409
    assert "Sue Pervisor changed the terms" in response.content.decode()
    assert "\nmine</textarea>" in response.content.decode()
    brand.refresh_from_db()
    assert brand.current.any_of == ["theirs"]
    seen = response.context["form"]["seen"].value()
    browser.post(edit, words(name="Brand", any_of="mine", owner=admin.pk, seen=seen))
    brand.refresh_from_db()
    assert brand.current.any_of == ["mine"], "saving again, warned, replaces their words"


def test_a_paused_topic_matches_nothing_until_resumed(admin: User, as_: Any, brand: Topic) -> None:
    pause, browser = reverse("listening:topic_pause", args=[brand.pk]), as_(admin)
    browser.post(pause, {"to": "paused"})
    assert not Topic.objects.queries()
    browser.post(pause, {"to": "paused"})  # a second click changes nothing
    assert not Topic.objects.queries()
    browser.post(pause, {"to": "active"})
    assert Topic.objects.queries()


def test_agents_may_look_but_not_edit(agent: User, as_: Any, brand: Topic) -> None:
    browser = as_(agent)
    assert browser.get("/topics/").status_code == 200
    assert browser.get(brand.get_absolute_url()).status_code == 200
    assert browser.get(NEW).status_code == 403
    for verb in ("topic_edit", "topic_pause"):
        assert browser.post(reverse(f"listening:{verb}", args=[brand.pk])).status_code == 403


def test_the_list_counts_the_matches_of_a_week(
    agent: User, as_: Any, brand: Topic, mention: Mention
) -> None:
    (row,) = as_(agent).get("/topics/").context["topics"]
    assert row.lately == 1


def test_matches_are_marked_and_what_came_is_escaped(
    agent: User, as_: Any, brand: Topic, mention: Mention
) -> None:
    body = as_(agent).get(brand.get_absolute_url()).content.decode()
    assert "&lt;b&gt;<mark>Skyward</mark>&lt;/b&gt; put me off" in body


def test_a_restricted_conversation_shows_without_its_text(
    agent: User, sales: Department, supervisor: User, as_: Any, brand: Topic, mention: Mention
) -> None:
    profile = Profile.objects.create(network="feed:x", key="Ron")
    talk = Conversation.objects.create(
        network="feed:x", key="1", visibility="public", restricted_to=sales
    )
    told = Interaction.objects.create(
        scope="feed:x", key="1", conversation=talk, profile=profile, direction="in",
        channel="feed", kind="post", visibility="public", text=mention.text,
    )  # fmt: skip
    Mention.objects.filter(pk=mention.pk).update(interaction=told)
    page = brand.get_absolute_url()
    assert "put me off" not in as_(agent).get(page).content.decode()
    assert "put me off" in as_(supervisor).get(page).content.decode()


SPANS = st.lists(st.tuples(st.just("text"), st.integers(0, 60), st.integers(0, 60)))


@given(st.text(max_size=50), SPANS)
def test_marks_never_change_the_words(text: str, spans: list[tuple[str, int, int]]) -> None:
    plain = highlight(text, [])
    assert highlight(text, spans).replace("<mark>", "").replace("</mark>", "") == plain
    assert "<" not in plain


@given(st.text(max_size=600), SPANS, st.integers(100, 300))
def test_an_excerpt_shows_its_first_hit_and_no_more_than_asked(
    text: str, spans: list[tuple[str, int, int]], most: int
) -> None:
    shown = excerpt(text, spans, most=most)
    assert ("<mark>" in shown) == ("<mark>" in highlight(text, spans))
    if text.isascii() and text.isalnum():
        bare = shown.replace("<mark>", "").replace("</mark>", "").strip("… ")
        assert len(bare) <= most
        assert bare in text


def test_the_first_topic_is_proposed_by_what_the_organisation_is_called(
    admin: User, as_: Any
) -> None:
    Workspace.objects.create(organisation="Acme Air", handles=["@acmeair"])
    form = as_(admin).get("/topics/new/").context["form"]
    assert form["name"].value() == "Acme Air"
    assert form["any_of"].value() == "Acme Air\n@acmeair"
    Topic.objects.create(name="Brand", owner=admin)
    assert not as_(admin).get("/topics/new/").context["form"]["name"].value()
