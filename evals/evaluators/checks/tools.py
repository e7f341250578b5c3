"""Checks of the tools a trace used: which, in what order, with what arguments, and how often.

A trace that records neither steps nor messages is skipped. Calls are read in `tool_calls`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from pydantic import Field, field_validator

from evals.evaluators.checks.documents import compile_schema, find_schema_problem
from evals.evaluators.checks.tool_calls import NOT_RECORDED, ToolCall, list_tool_calls
from evals.evaluators.code_checks import NO_GOLD, Examples, Params, Result, check, quoted
from evals.records import Json, JsonLike, Outcome, Skip, Trace

NO_STEPS = Skip("no-steps")
SEARCH: JsonLike = {"kind": "tool", "name": "search", "input": {"query": "parcel 3381"}}
REFUND: JsonLike = {"kind": "tool", "name": "refund", "input": {"amount": 20}}


class ExpectedTools(Params):
    """Tools that are expected; the params of `tools_in_order`."""

    tools: tuple[str, ...] = Field(default=(), description="empty: gold names them")
    only: bool = Field(default=False, description="refuse other calls too")

    def list_expected(self, gold: Json) -> list[str] | None:
        """Returns the expected tools; None where neither params nor gold names any."""
        return list(self.tools) or read_tool_names(gold)


def read_tool_names(gold: Json) -> list[str] | None:
    """Returns the tools a gold value names: a name, a list (maybe empty), or {"tools": …}."""
    value = gold.get("tools") if isinstance(gold, dict) else gold
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else None


def describe_calls(calls: Sequence[ToolCall]) -> str:
    """Lists the called tools for an explanation."""
    return quoted(", ".join(call.name for call in calls[:20]) or "none", 200)


@check(
    "tools_called",
    reads=("steps", "messages"),
    behaviour=1,
    params=ExpectedTools,
    examples=Examples(
        params={"tools": ["search"]},
        passes={"steps": [SEARCH], "output": "It arrives on Friday."},
        fails={"steps": [{"kind": "llm", "name": "answer"}], "output": "It arrives on Friday."},
    ),
)
def tools_called(trace: Trace, params: ExpectedTools, gold: Json) -> Result:
    """Every expected tool was called (and no other); value is the share of them."""
    expected, calls = params.list_expected(gold), list_tool_calls(trace)
    if expected is None or calls is None:
        return NO_GOLD if expected is None else NO_STEPS
    names = {call.name for call in calls}
    absent = [name for name in expected if name not in names]
    extra = sorted(names - set(expected)) if params.only else []
    problems = [f"{name} was not called" for name in absent]
    problems += [f"{name} was called" for name in extra]
    share = 1 - len(absent) / len(expected) if expected else None
    return Outcome(not problems, share, quoted(", ".join(problems), 300))


@check(
    "tools_in_order",
    reads=("steps", "messages"),
    behaviour=1,
    params=ExpectedTools,
    examples=Examples(
        params={"tools": ["search", "refund"]},
        passes={"steps": [SEARCH, REFUND]},
        fails={"steps": [REFUND, SEARCH]},
    ),
)
def tools_in_order(trace: Trace, params: ExpectedTools, gold: Json) -> Result:
    """The expected tools were called in their order, with others between them unless `only`."""
    expected, calls = params.list_expected(gold), list_tool_calls(trace)
    if expected is None or calls is None:
        return NO_GOLD if expected is None else NO_STEPS
    names = [call.name for call in calls]
    if params.only:
        passed = names == expected
    else:
        rest = iter(names)
        passed = all(name in rest for name in expected)
    words = f"called {describe_calls(calls)}; expected {', '.join(expected) or 'none'}"
    return Outcome(passed, explanation="" if passed else quoted(words, 300))


class ToolArguments(Params):
    """Params of `tool_arguments`."""

    schemas: dict[str, dict[str, Any]] = Field(
        min_length=1, description="by tool, the JSON Schema of its arguments"
    )
    only: bool = Field(default=False, description="refuse calls of tools without a schema")

    @field_validator("schemas")
    @classmethod
    def check_schemas(cls, value: dict[str, dict[str, Json]]) -> dict[str, dict[str, Json]]:
        """Accepts only valid schemas whose references stay inside them."""
        for name, schema in value.items():
            if problem := find_schema_problem(json.dumps(schema, sort_keys=True)):
                raise ValueError(f"{name}: {problem}")
        return value

    def find_problem(self, call: ToolCall) -> str | None:
        """Returns what is wrong with a call's arguments, or None."""
        schema = self.schemas.get(call.name)
        if schema is None:
            return f"{call.name}: no such tool" if self.only else None
        if call.arguments is NOT_RECORDED:
            return None
        validator = compile_schema(json.dumps(schema, sort_keys=True))
        try:
            error = next(validator.iter_errors(cast("Json", call.arguments)), None)
        except RecursionError:
            return f"{call.name}: nested too deep"
        return error and f"{call.name}: {quoted(error.json_path)}: {quoted(error.message, 150)}"


@check(
    "tool_arguments",
    reads=("steps", "messages"),
    behaviour=1,
    params=ToolArguments,
    examples=Examples(
        params={
            "schemas": {
                "refund": {
                    "type": "object",
                    "required": ["amount"],
                    "properties": {"amount": {"type": "number", "maximum": 100}},
                }
            }
        },
        passes={"steps": [REFUND]},
        fails={"steps": [{"kind": "tool", "name": "refund", "input": {"amount": "all"}}]},
    ),
)
def tool_arguments(trace: Trace, params: ToolArguments, gold: Json) -> Result:
    """The arguments of each call are as the tool's schema has them; value is the share of calls."""
    calls = list_tool_calls(trace)
    if calls is None:
        return NO_STEPS
    judged = [call for call in calls if call.name in params.schemas or params.only]
    if judged and all(call.arguments is NOT_RECORDED for call in judged):
        return Skip("no-arguments")
    problems = [problem for call in judged if (problem := params.find_problem(call))]
    share = 1 - len(problems) / len(judged) if judged else None
    return Outcome(not problems, share, quoted("; ".join(problems[:5]), 400))


class ToolLoop(Params):
    """Params of `no_tool_loop`."""

    times: int = Field(default=2, ge=1, description="how often one call may be made")
    most: int | None = Field(default=None, ge=1, description="the most calls of all tools together")


@check(
    "no_tool_loop",
    reads=("steps", "messages"),
    behaviour=1,
    params=ToolLoop,
    examples=Examples(
        params={"times": 1}, passes={"steps": [SEARCH, REFUND]}, fails={"steps": [SEARCH, SEARCH]}
    ),
)
def no_tool_loop(trace: Trace, params: ToolLoop, gold: Json) -> Result:
    """No call was made again and again with the same arguments; value is the most of one call."""
    calls = list_tool_calls(trace)
    if calls is None:
        return NO_STEPS
    counts = Counter(call.key for call in calls if call.arguments is not NOT_RECORDED)
    key, most = counts.most_common(1)[0] if counts else ("", 0)
    problems = [f"{most} times {quoted(key, 120)}"] if most > params.times else []
    if params.most is not None and len(calls) > params.most:
        problems.append(f"{len(calls)} calls, at most {params.most}")
    return Outcome(not problems, float(most), "; ".join(problems))


@check(
    "no_needless_calls",
    reads=("steps", "messages"),
    behaviour=1,
    examples=Examples(
        gold=["search"], passes={"steps": [SEARCH]}, fails={"steps": [SEARCH, REFUND]}
    ),
)
def no_needless_calls(trace: Trace, params: Params, gold: Json) -> Result:
    """No call repeats one that had succeeded, nor calls a tool that gold does not name.

    Gold is the list of tools that the request needs, empty where it needs none; a trace without
    gold is judged by its repeated calls alone. Value is the number of needless calls.
    """
    calls, needed = list_tool_calls(trace), read_tool_names(gold)
    if calls is None:
        return NO_STEPS
    seen: set[str] = set()
    needless: list[str] = []
    for call in calls:
        if needed is not None and call.name not in needed:
            needless.append(f"{quoted(call.name)} is not needed")
        elif call.arguments is not NOT_RECORDED and call.key in seen:
            needless.append(f"again {quoted(call.key, 80)}")
        seen |= {call.key} if not call.error else set()
    return Outcome(not needless, float(len(needless)), "; ".join(needless[:5]))
