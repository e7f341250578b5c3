"""Promises of the catalog's YAML: no key is lost, and none is something else than it looks."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evals.specs import CatalogError
from evals.specs.suites import Suite
from evals.specs.yaml_files import parse, read_yaml
from evals.specs.yaml_keys import load_strictly

HEAD = "suite: chat\ndimensions:\n  - dimension: tone\n    question: Is it?\n"


def messages(tmp_path: Path, text: str) -> tuple[str, ...]:
    """The messages of a suite that cannot be loaded, without the path."""
    path = tmp_path / "chat.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError) as error:
        parse(Suite, path, read_yaml(path))
    return tuple(one.removeprefix(f"{path}:") for one in error.value.messages)


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        ("    map: {1: pass}\n", 5, 'YAML reads the key `1` as a number; quote it: "1"'),
        ("    map: {yes: pass}\n", 5, 'YAML reads the key `yes` as a boolean; quote it: "yes"'),
        (
            "    map:\n      good: pass\n      Off: fail\n",
            7,
            'key `Off` as a boolean; quote it: "Off"',
        ),
        ("    map: {0.5: pass}\n", 5, 'key `0.5` as a number; quote it: "0.5"'),
        ("    map: {~: pass}\n", 5, 'key `~` as null; quote it: "~"'),
        ("    map: {2026-10-01: pass}\n", 5, 'as a date; quote it: "2026-10-01"'),
        ("    maps:\n      judge:\n        1: pass\n", 7, 'key `1` as a number; quote it: "1"'),
        ("    map: {[]: pass}\n", 5, 'quote it, such as "[]"'),
        ("    map: {good: maybe}\n", 5, "Input should be 'pass', 'fail' or 'skip'"),
        ("    map: {Good: pass, good: fail}\n", 5, "'Good' and 'good' are one word"),
    ],
)
def test_a_key_that_is_no_text_is_named_with_its_line(
    tmp_path: Path, row: str, line: int, words: str
) -> None:
    """The message has the key as it is written, what YAML makes of it, and the mended key."""
    (message,) = messages(tmp_path, HEAD + row)
    assert message.startswith(f"{line}: ")
    assert words in message


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        ("    questoin: Again?\n", 5, "questoin: there is no such key; did you mean `question`?"),
        ("    weight: 3\n", 5, "weight: there is no such key; expected one of dimension, question"),
        ("    sample: {rates: 1}\n", 5, "sample.rates: there is no such key; did you mean `rate`?"),
        ("    sample:\n      rate: 1\n      at_most: 0\n", 7, "sample.at_most: Input should be"),
        ("    slices:\n      web: {targt: 1}\n", 6, "slices.web.targt: there is no such key"),
        ("    sample:\n      strata: {minimum: 3}\n", 6, "sample.strata.by: this key is needed"),
        ("    slices: {web: 3}\n", 5, "slices.web: expected keys and values"),
    ],
)
def test_a_wrong_key_is_named_with_its_line_and_what_was_meant(
    tmp_path: Path, row: str, line: int, words: str
) -> None:
    """Of alternatives, the message is of the one that was meant, and names the nearest key."""
    (message,) = messages(tmp_path, HEAD + row)
    assert message.startswith(f"{line}: ")
    assert words in message


@pytest.mark.parametrize(
    ("row", "line", "words"),
    [
        (
            "    map:\n      good: pass\n      good: fail\n",
            7,
            "`good` is declared on line 6 already",
        ),
        ("    question: Again?\n", 5, "`question` is declared on line 4 already; keep one"),
        ('    map: {good: pass, "good": fail}\n', 5, "`good` is declared on line 5 already"),
        ("    map:\n      yes: pass\n      on: fail\n", 7, "same key as `yes` on line 6"),
        ("    map:\n      1: pass\n      0x1: fail\n", 7, "since YAML reads both as 1; quote them"),
    ],
)
def test_a_key_that_is_there_twice_is_named_with_both_lines(
    tmp_path: Path, row: str, line: int, words: str
) -> None:
    """Neither value wins in silence."""
    (message,) = messages(tmp_path, HEAD + row)
    assert message.startswith(f"{line}: ")
    assert words in message


def test_a_merged_key_may_be_overridden() -> None:
    """A key beside `<<` replaces the merged one, also where the merged mapping merges another."""
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3, y: 1}\nd: {<<: [*a, *b]}\n"
    assert load_strictly(text) == yaml.safe_load(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)


@given(VALUES)
def test_what_has_every_key_once_is_read_as_before(value: object) -> None:
    """YAML without a key twice is parsed to the same value as by the safe loader."""
    text = yaml.safe_dump(value)
    assert load_strictly(text) == yaml.safe_load(text)
