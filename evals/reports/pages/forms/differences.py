"""How an answer differs from another text, word by word, or field by field where both are JSON.

Texts are untrusted, as in `text`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from markupsafe import Markup

from evals.reports.pages.forms.json_tree import NotJsonError, parse_json
from evals.reports.pages.forms.tables import NOTE
from evals.reports.pages.forms.text import find_language
from evals.reports.pages.passage_marks import split_sentences
from evals.reports.pages.texts import cut_text, shorten
from evals.reports.phrases import indent_json

WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
MOST_SENTENCES, MOST_WORDS = 600, 800
"""Sentences, and words of a changed part, that are compared one by one."""
CONTEXT = 300
"""Characters of an unchanged part that are shown at each of its ends."""
MOST_FIELDS = 60
DIFFERENCE = Markup('<div class="difference{}" dir="auto" tabindex="0">{}</div>')
GONE, NEW = Markup("<del>{}</del>"), Markup("<ins>{}</ins>")
SKIPPED = Markup('<span class="note"> … {:,} equal characters … </span>')


class Field(NamedTuple):
    """A field of two answers."""

    name: str
    answer: str
    other: str
    is_same: bool


class Change(NamedTuple):
    """A part of two texts."""

    before: str
    after: str
    is_equal: bool


def list_fields(answer: str, other: object, only_common: bool = False) -> list[Field]:
    """Lists the fields of a right answer beside those of an answer; none unless both are objects.

    Args:
        answer: what the application answered.
        other: the right answer, as JSON.
        only_common: whether to leave out fields that the answer lacks.
    """
    if not isinstance(other, dict):
        return []
    try:
        given = parse_json(answer)
    except NotJsonError:
        return []
    if not isinstance(given, dict):
        return []
    mine = cast("dict[str, object]", json.loads(answer))
    return [
        Field(
            shorten(name, 200),
            show_field(mine[name]) if name in mine else "",
            show_field(value),
            name in mine and mine[name] == value,
        )
        for name, value in list(cast("dict[str, object]", other).items())[:MOST_FIELDS]
        if name in mine or not only_common
    ]


def show_field(value: object) -> str:
    """Returns a value of JSON on a line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shorten(text, 2000) or '""'


def compare_texts(before: str, after: str, most: int) -> Markup:
    """Renders how a text became another: what went, what is new, and what is the same.

    Args:
        before: the other text.
        after: the answer.
        most: characters of each that are compared.
    """
    old, new = (cut_text(indent_json(one), most) for one in (before, after))
    is_code = find_language(new.text) or new.text.lstrip()[:1] in ("{", "[")
    shown = DIFFERENCE.format(
        " code" if is_code else "", Markup().join(compare_sentences(old.text, new.text))
    )
    is_cut = old.left_out or new.left_out
    return shown + (NOTE.format(f"The first {most:,} characters are compared.") if is_cut else "")


def compare_sentences(before: str, after: str) -> Iterator[Markup]:
    """Yields the parts of a difference: sentence by sentence, those that changed word by word."""
    old, new = ([*split_sentences(text)] for text in (before, after))
    if max(len(old), len(new)) > MOST_SENTENCES:
        old, new = ([*split_blocks(sentences)] for sentences in (old, new))
    for change in list_changes(old, new):
        if change.is_equal:
            yield shorten_equal(change.after)
        else:
            yield from compare_words(change)


def split_blocks(sentences: Sequence[str]) -> Iterator[str]:
    """Yields so many sentences together that few are compared."""
    size = -(-len(sentences) // MOST_SENTENCES)
    for start in range(0, len(sentences), size):
        yield "".join(sentences[start : start + size])


def compare_words(change: Change) -> Iterator[Markup]:
    """Yields the parts of a change, word by word unless there are many."""
    old, new = (WORDS.findall(text) for text in (change.before, change.after))
    changes = list_changes(old, new) if max(len(old), len(new)) <= MOST_WORDS else [change]
    for one in changes:
        if one.is_equal:
            yield shorten_equal(one.after)
            continue
        if one.before:
            yield GONE.format(one.before)
        if one.after:
            yield NEW.format(one.after)


def list_changes(old: Sequence[str], new: Sequence[str]) -> list[Change]:
    """Lists how some pieces of text became others."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [
        Change("".join(old[start:end]), "".join(new[begin:stop]), tag == "equal")
        for tag, start, end, begin, stop in matcher.get_opcodes()
    ]


def shorten_equal(text: str) -> Markup:
    """Shortens a part that both texts have, in its middle."""
    left_out = len(text) - 2 * CONTEXT
    if left_out < CONTEXT:
        return Markup.escape(text)
    return Markup("{}{}{}").format(text[:CONTEXT], SKIPPED.format(left_out), text[-CONTEXT:])
