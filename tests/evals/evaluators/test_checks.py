"""Every check: its behaviour number, its params, and that no text makes it raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Outcome, encode_canonical
from tests.evals.evaluators.checks import CHECKS, MINIMAL, run_check


def test_every_check_is_tested_here() -> None:
    """A new check without a row in the tables of this module fails."""
    assert set(MINIMAL) == set(CHECKS)


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_behaviour_is_a_number_from_one(name: str) -> None:
    """Each check has the number that is part of its evaluator's version."""
    assert CHECKS[name].behaviour >= 1


BAD_PARAMS = [
    ("json_schema", {}, "schema"),
    ("json_schema", {"schema": {"type": "nonsense"}}, "not a JSON Schema"),
    ("json_schema", {"schema": {"$ref": "https://example.com/s.json"}}, "not inside the schema"),
    ("json_keys", {"keys": []}, "keys"),
    ("contains", {"values": ["a"], "mode": "all"}, "mode"),
    ("contains", {"values": "yes"}, "values"),
    ("regex", {"pattern": "("}, "not a regular expression"),
    ("sql_reads_tables", {"dialect": "klingon"}, "no SQL dialect 'klingon'"),
    ("attribute", {}, "name"),
]


@pytest.mark.parametrize(("name", "params", "words"), BAD_PARAMS)
def test_bad_params_are_refused_with_their_key(name: str, params: Any, words: str) -> None:
    """A catalog's wrong params are refused when it is loaded."""
    assert words in (CHECKS[name].check_params(params) or "accepted")


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_good_params_are_accepted(name: str) -> None:
    """The smallest params of each check are enough."""
    assert CHECKS[name].check_params(MINIMAL[name]) is None


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=80)


@given(output=ANY_TEXT, source=ANY_TEXT)
def test_no_text_makes_a_check_raise_or_write_invalid_unicode(output: str, source: str) -> None:
    """On any text each check has a result whose explanation can be hashed and stored."""
    gold = {"attributes": {"price": source}, "sql_equals": "select 1"}
    for name in MINIMAL:
        result = run_check(name, output, None, gold.get(name, source), input=source)
        encode_canonical(result.explanation if isinstance(result, Outcome) else "").decode("utf-8")
