"""Every check: its behaviour number, its params, and that no text makes it raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.evaluators.code_checks import CodeCheck
from evals.evaluators.registry import shipped_types
from evals.records import Outcome, encode_canonical
from tests.evals.evaluators.checks import CHECKS, MINIMAL, run_check

EXAMPLES = {name: one for name, one in shipped_types().items() if isinstance(one, CodeCheck)}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_examples_of_the_documentation_are_true(name: str) -> None:
    """Each check has a trace that passes it and one that fails it with a reason; neither errs."""
    found = EXAMPLES[name]
    assert found.examples, "give it `examples=`"
    params, gold = dict(found.examples.params), found.examples.gold
    assert found.check_params(params) is None
    passing, failing = (found.run(one, params, gold) for one in found.examples.traces())
    assert isinstance(passing, Outcome)
    assert isinstance(failing, Outcome)
    assert (passing.passed, failing.passed) == (True, False)
    assert failing.explanation
    read = {*found.reads, "output"}
    assert read.issuperset({*found.examples.passes, *found.examples.fails})


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
