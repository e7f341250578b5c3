"""Texts as features: hashed words and characters, overlap with the source, lengths, numbers.

Training and scoring use the same code, which needs no library; weights are in `model`.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from evals.records import Trace
from evals.specs.classifiers import Feature
from evals.specs.spec import Reads

BEHAVIOUR = 1
"""Raised when the same text gets other features; a model states which it was fitted to."""
BUCKETS = 2**14
"""Columns of a group of hashed n-grams."""
MOST_TEXT, MOST_SOURCE, MOST_CHARACTERS, OPENING = 4000, 20_000, 400, 120
"""Characters that are read: of the text, of its source, for n-grams of them, and its opening."""
WORD, SENTENCE_END, NUMBER = (
    re.compile(r"\w+"),
    re.compile(r"(?<=[.!?])\s+|\n+"),
    re.compile(r"\d+(?:[.,]\d+)*"),
)


class Material(NamedTuple):
    """What a classifier looks at in one subject."""

    text: str
    """What is judged: the output where it is read, else the first field that is."""
    source: str
    """The other fields: what the text should rest on."""


class Vector(NamedTuple):
    """The features of one subject that are not 0."""

    columns: tuple[int, ...]
    values: tuple[float, ...]


class Group(NamedTuple):
    """A group of features."""

    compute: Callable[[Material], Iterable[tuple[int, float]]]
    """Yields columns, from 0 on, with values."""
    width: int


def read_material(trace: Trace, reads: Sequence[Reads]) -> Material:
    """Returns the texts of a trace that a classifier reads."""
    fields = {name: str(getattr(trace, name) or "") for name in reads}
    judged = "output" if "output" in fields else reads[0]
    source = "\n".join(text for name, text in fields.items() if name != judged and text)
    return Material(fields[judged], source)


def list_words(text: str) -> list[str]:
    """Returns the words of a text in lower case."""
    return WORD.findall(text.lower())


def hash_counts(grams: Iterable[str]) -> list[tuple[int, float]]:
    """Returns the hashed counts of n-grams, scaled to length 1."""
    counts: dict[int, int] = {}
    crc32 = zlib.crc32
    for gram, n in Counter(grams).items():
        column = crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS
        counts[column] = counts.get(column, 0) + n
    norm = math.sqrt(sum(n * n for n in counts.values())) or 1.0
    return [(column, n / norm) for column, n in counts.items()]


def join_grams(words: Sequence[str], longest: int) -> list[str]:
    """Returns the n-grams of words, from single ones up to the longest."""
    grams = list(words)
    for n in range(2, longest + 1):
        grams += map(" ".join, zip(*(words[i:] for i in range(n)), strict=False))
    return grams


def compute_words(material: Material) -> list[tuple[int, float]]:
    """Computes single words and pairs of the whole text."""
    return hash_counts(join_grams(list_words(material.text[:MOST_TEXT]), 2))


def compute_opening(material: Material) -> list[tuple[int, float]]:
    """Computes words, pairs and triples of how the text begins."""
    return hash_counts(join_grams(list_words(material.text.lstrip()[:OPENING]), 3))


def compute_characters(material: Material) -> list[tuple[int, float]]:
    """Computes 2 to 5 characters in a row inside words."""
    text = " ".join(material.text[:MOST_CHARACTERS].lower().split())
    grams: list[str] = []
    for word in text.split(" "):
        padded = f" {word} "
        length = len(padded)
        grams += [padded[i : i + 2] for i in range(length - 1)]
        for n in (3, 4, 5):
            if length > n:
                grams += [padded[i : i + n] for i in range(length - n + 1)]
            else:
                grams.append(padded)
    return hash_counts(grams)


def compute_lengths(material: Material) -> list[tuple[int, float]]:
    """Computes the logarithms of how many characters, words and sentences the text has."""
    text = material.text
    sizes = (len(text), len(WORD.findall(text)), len(split_sentences(text)))
    return [(i, math.log1p(n) / 5) for i, n in enumerate(sizes)]


def split_sentences(text: str) -> list[str]:
    """Returns the sentences and lines of a text."""
    return [part for part in SENTENCE_END.split(text) if part.strip()]


def share(part: float, whole: float) -> float:
    """Returns a share; 1 of nothing."""
    return part / whole if whole else 1.0


class SourceIndex(NamedTuple):
    """What is in a source."""

    words: frozenset[str]
    pairs: frozenset[tuple[str, ...]]
    triples: frozenset[tuple[str, ...]]
    numbers: frozenset[str]


@functools.lru_cache(maxsize=32)
def index_source(source: str) -> SourceIndex:
    """Returns what is in a source: answers over the same passages often follow each other."""
    words = list_words(source)
    pairs, triples = (frozenset(zip(*(words[i:] for i in range(n)), strict=False)) for n in (2, 3))
    return SourceIndex(frozenset(words), pairs, triples, frozenset(NUMBER.findall(source)))


def compute_overlap(material: Material) -> list[tuple[int, float]]:
    """Computes how much of the text is in its source: words, pairs, triples, sentence by sentence.

    Shares, so that a longer text has no larger ones; but for the number of sentences of which less
    than half is.
    """
    known, text = index_source(material.source[:MOST_SOURCE]), list_words(material.text[:MOST_TEXT])
    source = known.words
    values = [share(sum(map(source.__contains__, text)), len(text))]
    for n, there in ((2, known.pairs), (3, known.triples)):
        grams = list(zip(*(text[i:] for i in range(n)), strict=False))
        values.append(share(sum(map(there.__contains__, grams)), len(grams)))
    supports = [
        share(sum(map(source.__contains__, words)), len(words))
        for words in map(list_words, split_sentences(material.text[:MOST_TEXT]))
    ] or [1.0]
    weak = sum(support < 0.5 for support in supports)
    values += [min(supports), sum(supports) / len(supports), math.log1p(weak)]
    return list(enumerate(values))


def compute_numbers(material: Material) -> list[tuple[int, float]]:
    """Computes how many numbers the text has, and how many of them its source lacks."""
    numbers = NUMBER.findall(material.text[:MOST_TEXT])
    known = index_source(material.source[:MOST_SOURCE]).numbers
    unknown = sum(number not in known for number in numbers)
    values = (math.log1p(len(numbers)), math.log1p(unknown), share(unknown, len(numbers) or 1))
    return list(enumerate(values))


GROUPS: dict[Feature, Group] = {
    "words": Group(compute_words, BUCKETS),
    "opening": Group(compute_opening, BUCKETS),
    "characters": Group(compute_characters, BUCKETS),
    "overlap": Group(compute_overlap, 6),
    "lengths": Group(compute_lengths, 3),
    "numbers": Group(compute_numbers, 3),
}
"""In the order of their columns."""


def list_offsets() -> dict[Feature, int]:
    """Returns the first column of each group."""
    offsets: dict[Feature, int] = {}
    width = 0
    for name, group in GROUPS.items():
        offsets[name] = width
        width += group.width
    return offsets


OFFSETS = list_offsets()
WIDTH = sum(group.width for group in GROUPS.values())
"""Columns of all groups; those of embeddings come after them."""


def compute_vector(
    material: Material, features: Sequence[Feature], embedding: Sequence[float] = ()
) -> Vector:
    """Computes the features of one subject.

    Args:
        material: its texts.
        features: the groups that are computed.
        embedding: the text as a point, where embeddings are among them.
    """
    entries = [
        (OFFSETS[name] + column, value)
        for name in features
        for column, value in GROUPS[name].compute(material)
    ]
    entries += [(WIDTH + i, value) for i, value in enumerate(embedding)]
    return Vector(tuple(c for c, _ in entries), tuple(v for _, v in entries))


def select_groups(vector: Vector, names: Sequence[Feature]) -> Vector:
    """Returns the features of some groups alone; embeddings are left out."""
    spans = [(OFFSETS[name], OFFSETS[name] + GROUPS[name].width) for name in names]
    return filter_columns(vector, lambda column: any(first <= column < end for first, end in spans))


def drop_lengths(vector: Vector) -> Vector:
    """Returns the features without lengths."""
    lengths = range(OFFSETS["lengths"], OFFSETS["lengths"] + GROUPS["lengths"].width)
    return filter_columns(vector, lambda column: column not in lengths)


def filter_columns(vector: Vector, keeps: Callable[[int], bool]) -> Vector:
    """Returns the features in some columns alone."""
    kept = [pair for pair in zip(vector.columns, vector.values, strict=True) if keeps(pair[0])]
    return Vector(tuple(c for c, _ in kept), tuple(v for _, v in kept))
