"""The rule that decides to which conversation an item belongs.

The tests contain examples and general properties of the rule.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from crm.threads import Parent, Person, conversation_key
from scrm.channels.bounded import bounded_key

ANNA, BEN = ("x", "anna"), ("x", "ben")
STATEMENT = Parent("public statement", people=frozenset())
REPLY_TO_BEN = Parent("public talk", people=frozenset({BEN}))

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=500)
keys = words.filter(bool).map(bounded_key)
people = st.tuples(keys, keys)
parents = st.builds(Parent, keys, st.frozensets(people, max_size=4))


def place(
    key: str = "2",
    root: str = "1",
    *,
    private: bool = False,
    author: Person | None = ANNA,
    parent: Parent | None = None,
) -> str:
    return conversation_key(key=key, thread_key=root, private=private, author=author, parent=parent)


def test_a_strangers_comment_on_our_statement_opens_the_commenters_own() -> None:
    anna, ben = place(parent=STATEMENT, author=ANNA), place(parent=STATEMENT, author=BEN)
    assert len({anna, ben, STATEMENT.conversation}) == 3


def test_a_bystander_who_answers_what_we_wrote_to_someone_has_a_conversation_of_their_own() -> None:
    """Fails if a public answer to our answer always joins the conversation of that answer."""
    assert place(parent=REPLY_TO_BEN, author=ANNA) == place(author=ANNA)
    assert place(parent=REPLY_TO_BEN, author=BEN) == REPLY_TO_BEN.conversation


def test_whoever_takes_part_already_stays_in() -> None:
    talk = Parent("public talk", people=frozenset({ANNA, BEN}))
    assert place(parent=talk, author=ANNA) == talk.conversation


def test_our_own_words_stay_with_what_they_answer() -> None:
    talk = Parent("public talk", people=frozenset({BEN}))
    assert place(parent=talk, author=None) == talk.conversation


def test_an_answer_to_a_stranger_by_another_stranger_is_an_exchange_of_its_own() -> None:
    bens = place("1", "", author=BEN)
    annas = place("2", "1", author=ANNA, parent=Parent(bens, frozenset({BEN})))
    assert annas != bens


def test_two_letters_without_a_thread_are_two_conversations() -> None:
    assert place("1", "", private=True) != place("2", "", private=True)


@given(keys, keys, st.one_of(st.none(), people), st.one_of(st.none(), parents))
def test_a_private_thread_is_one_conversation(
    key: str, root: str, author: Person | None, parent: Parent | None
) -> None:
    """All items of a private thread belong to one conversation, which contains no public item.

    Fails if private threads are not treated separately from public threads.
    """
    here = place(key, root, private=True, author=author, parent=parent)
    assert here == place("another", root, private=True)
    assert here != place(key, root, author=author)


@given(keys, people, keys, people)
def test_in_public_root_and_author_make_the_conversation(
    root: str, author: Person, other_root: str, other_author: Person
) -> None:
    """In public, the root (the first post of a thread) and the author identify the conversation.

    The key of the conversation is built from both. Fails if the key only joins them with a space,
    because two different pairs of root and author can then get the same key.
    """
    one, other = place(root=root, author=author), place(root=other_root, author=other_author)
    assert (one == other) == ((root, author) == (other_root, other_author))


def test_a_space_in_a_name_does_not_move_anyone_into_somebody_elses_conversation() -> None:
    assert place(root="a x b", author=("x", "c")) != place(root="a", author=("x", "b x c"))


@given(keys, people, parents)
def test_a_parent_decides_only_for_its_people(root: str, author: Person, parent: Parent) -> None:
    joins = author in parent.people
    opened = place(root=root, author=author)
    joined = place(root=root, author=author, parent=parent)
    assert joined == (parent.conversation if joins else opened)


@example("k" * 400, "r" * 400, ("n" * 400, "k" * 400), None, False)
@example("k" * 400, "r" * 400, None, None, True)
@given(keys, keys, st.one_of(st.none(), people), st.one_of(st.none(), parents), st.booleans())
def test_a_key_always_fits_its_index(
    key: str, root: str, author: Person | None, parent: Parent | None, private: bool
) -> None:
    """The key of a conversation always fits into its index.

    An entry of a B-tree index holds at most 2,704 bytes. The index has a second column, which can
    need 400 of these bytes. Fails if the length of the key is not limited.
    """
    here = place(key, root, private=private, author=author, parent=parent)
    assert len(here) <= 400
    assert here == place(key, root, private=private, author=author, parent=parent)
