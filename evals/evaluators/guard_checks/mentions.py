"""Checks of what an output mentions: topics and brands a team does not want in it.

A list of words is no understanding of a topic; a judge is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import Field, field_validator, model_validator

from evals.evaluators.code_checks import Examples, Fields, Params, Result, text_check
from evals.evaluators.guard_checks.runs_of_words import Run, mark_runs, merge_runs
from evals.evaluators.guard_checks.words import Word, fold, split_words
from evals.records import Outcome


class Topics(Params):
    """Params of `topics`."""

    topics: dict[str, tuple[str, ...]] = Field(
        default={}, description="words and phrases by topic, in any case, with a plural s"
    )
    brands: tuple[str, ...] = Field(
        default=(), description="names, with their capitals: `Apple` is no `apple`"
    )
    unless: tuple[str, ...] = Field(
        default=(), description="phrases in which a word does not count, such as `apple pie`"
    )

    @field_validator("topics")
    @classmethod
    def check_topics(cls, topics: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Refuses phrases without a word."""
        for phrases in topics.values():
            require_words(phrases)
        return topics

    @field_validator("brands", "unless")
    @classmethod
    def check_phrases(cls, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Refuses phrases without a word."""
        return require_words(phrases)

    @model_validator(mode="after")
    def check_any(self) -> Topics:
        """Refuses a check that looks for nothing."""
        if not self.topics and not self.brands:
            raise ValueError("looks for nothing; name `topics` or `brands`")
        return self


def require_words(phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Returns some phrases.

    Raises:
        ValueError: one has no word.
    """
    for phrase in phrases:
        if not split_words(phrase):
            raise ValueError(f"{phrase!r} has no word to look for")
    return phrases


class Phrase(NamedTuple):
    """A phrase to look for."""

    name: str
    """The topic it belongs to; of a brand, the brand."""
    words: tuple[str, ...]
    exact: str | None = None
    """As written, where the case counts."""


Phrases = dict[str, list[Phrase]]
"""Phrases by their first word."""


def index_phrases(phrases: Iterator[Phrase]) -> Phrases:
    """Indexes phrases by their first word."""
    found: Phrases = {}
    for phrase in phrases:
        found.setdefault(phrase.words[0], []).append(phrase)
    return found


def phrase_of(name: str, text: str, exact: bool = False) -> Phrase:
    """Builds a phrase of a text."""
    words = split_words(text)
    return Phrase(name, tuple(word.text for word in words), text if exact else None)


class Mention(NamedTuple):
    """A phrase in a text."""

    name: str
    start: int
    end: int
    """Offsets in characters, the end exclusive."""


@functools.lru_cache(maxsize=64)
def prepare(dumped: str) -> tuple[Phrases, Phrases]:
    """Returns the phrases that count and those in which they do not, of params as JSON."""
    params = Topics.model_validate_json(dumped)
    wanted = [phrase_of(name, text) for name, texts in params.topics.items() for text in texts]
    wanted += [phrase_of(text, text, exact=True) for text in params.brands]
    return index_phrases(iter(wanted)), index_phrases(phrase_of(t, t) for t in params.unless)


def is_word(word: str, wanted: str) -> bool:
    """Whether a word is the wanted one, or its plural with an s."""
    return word == wanted or word in (f"{wanted}s", f"{wanted}es", f"{wanted}'s")


def find_phrases(text: str, words: list[Word], phrases: Phrases) -> Iterator[Mention]:
    """Yields every phrase in a text."""
    for at, word in enumerate(words):
        singular = (word.text, word.text.removesuffix("'s"), word.text[:-1], word.text[:-2])
        for key in dict.fromkeys(singular):
            for phrase in phrases.get(key, ()):
                found = words[at : at + len(phrase.words)]
                if matches(text, found, phrase):
                    yield Mention(phrase.name, word.start, found[-1].end)


def matches(text: str, found: list[Word], phrase: Phrase) -> bool:
    """Whether some words of a text are a phrase."""
    if len(found) != len(phrase.words):
        return False
    *first, last = found
    if [word.text for word in first] != list(phrase.words[:-1]):
        return False
    if not is_word(last.text, phrase.words[-1]):
        return False
    if phrase.exact is None:
        return True
    written = text[found[0].start : last.end]
    return written.startswith(phrase.exact) or fold(phrase.exact) == phrase.exact


def find_mentions(text: str, params: Topics) -> list[Mention]:
    """Returns what a text mentions, in order, but for phrases in which it does not count."""
    wanted, unless = prepare(params.model_dump_json())
    words = split_words(text)
    mentions = list(find_phrases(text, words, wanted))
    if not mentions:
        return []
    free = {at for one in find_phrases(text, words, unless) for at in range(one.start, one.end)}
    return [one for one in mentions if one.start not in free]


def redact_mentions(text: str, params: Topics) -> str:
    """Replaces what a text mentions by a mark."""
    runs = (Run(one.start, one.end, 1) for one in find_mentions(text, params))
    return mark_runs(text, merge_runs(runs), "topic")


@text_check(
    "topics",
    behaviour=1,
    params=Topics,
    redact=redact_mentions,
    weak="lists of words: a topic in other words passes",
    examples=Examples(
        params={"topics": {"politics": ["election"]}, "brands": ["Apple"], "unless": ["apple pie"]},
        passes={"output": "An apple pie for a selection of friends."},
        fails={"output": "Before the elections, buy it from Apple."},
    ),
)
def topics(fields: Fields, params: Topics) -> Result:
    """Mentions none of the topics and brands; value counts the mentions."""
    found: Mapping[str, list[Mention]] = {
        name: find_mentions(text, params) for name, text in fields.items()
    }
    places = [f"{m.name} in {name} at {m.start}–{m.end}" for name, ms in found.items() for m in ms]
    more = f" and {len(places) - 5} more" if len(places) > 5 else ""
    return Outcome(not places, float(len(places)), ", ".join(places[:5]) + more)
