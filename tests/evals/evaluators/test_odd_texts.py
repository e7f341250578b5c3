"""Every check on odd inputs: long, nested, null, foreign; no check raises or takes long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from evals.evaluators.code_checks import CodeCheck
from evals.evaluators.registry import shipped_types
from evals.records import Failure, Outcome, Skip, Trace, encode_canonical
from tests.evals.evaluators.checks import NIGHT

LENGTH = 16_000
"""Characters: a check that is quadratic in them takes seconds, a linear one milliseconds."""
CHECKS: dict[str, CodeCheck[Any]] = {
    name: one for name, one in shipped_types().items() if isinstance(one, CodeCheck)
}
SEEDS = (
    "a", " ", "\n", "1", "9,", "<", "<a ", '<a b="', "<b><i>", "</", "<!--", "[1", "[1]", "](", "(",
    ")", '"', "“a ", "«", "`", "```\n", "~~~\n", "|", "|-", "- ", "{", "[", '{"a":', "select ",
    "(select ", "www.a", "https://a/(", "8 may ", "1/1/2020 ", "2020-", "A-", "٣", "ש",
    "\u202e", "\u0301", "字", "...", "…", "$", "-", "not ", "i'm sorry ", "x = 1\n", "a: &a [*a]\n",
    "\x00", "\ud800",
)  # fmt: skip
ODD_GOLD: tuple[Any, ...] = (
    None, "", "a", [], {}, [None], [1, [2]], {"a": {"b": []}}, {"sql": 3}, {"sql": "select"},
    True, 0, {"documents": [None]}, {"tools": 5}, {"columns": [1]}, {"answerable": "perhaps"}, -1.5,
    "字" * 99,
)  # fmt: skip
ODD_STEPS: tuple[Any, ...] = (
    (None, 1, "a", []),
    ({"kind": "tool"}, {"kind": "tool", "name": None, "input": "{", "error": {"a": 1}}),
    ({"kind": "tool", "name": "a", "input": float("nan"), "call_id": 3},),
    ({"kind": "llm", "tool_calls": [None, {"id": 1}, {"function": "x"}, {"function": {}}]},),
    ({"kind": "llm", "tool_calls": {"a": 1}}, {"kind": "retrieval", "documents": {"a": 1}}),
    ({"kind": "retrieval", "documents": [None, {"id": ["a"], "content": 4, "metadata": 3}]},),
)  # fmt: skip


def run(name: str, output: str, gold: Any = "a", **fields: Any) -> Outcome | Failure | Skip:
    """Runs a check with the params of its examples."""
    found = CHECKS[name]
    assert found.examples
    trace = Trace(trace_id="t", ts=NIGHT, app="a", output=output, **fields)
    return found.run(trace, dict(found.examples.params), gold)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_is_linear_in_a_long_text(name: str) -> None:
    """Much of any one thing is judged, skipped or too long within seconds; none raises."""
    slow: list[tuple[str, float]] = []
    for seed in SEEDS:
        text = seed * (LENGTH // len(seed))
        began = time.process_time()
        result = run(name, text, gold=CHECKS[name].examples.gold, context=text, input=seed)
        took = time.process_time() - began
        assert isinstance(result, Outcome | Failure | Skip)
        slow += [(seed, took)] if took > 5 else []
    assert not slow


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_no_gold_and_no_step_makes_a_check_raise(name: str) -> None:
    """Gold of another shape is an error with a code, or skipped; odd steps are read as they are."""
    for output in ("", "a", "select 1", '{"a": 1}', "[null, [1]]", "```python\nx\n```"):
        for gold in ODD_GOLD:
            check_result(run(name, output, gold))
        for steps in ODD_STEPS:
            check_result(run(name, output, CHECKS[name].examples.gold, steps=steps, messages=steps))


def check_result(result: Outcome | Failure | Skip) -> None:
    """Checks that a result can be stored."""
    if isinstance(result, Outcome):
        assert encode_canonical([result.explanation, result.value]).decode("utf-8")
    else:
        assert isinstance(result, Failure | Skip)
