"""Verdicts read from a judge's paid answers, of one order or of both.

Makes no call and writes no score; `runner` does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from evals.calls.requests import CallsResult
from evals.evaluators import registry
from evals.evaluators.protocol import Result
from evals.records import Failure, Skip
from evals.specs import Evaluator
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.repeated_calls import needs_call
from evals.worklist.sampling import compute_reached
from evals.worklist.worklist import Worklist, list_asked_keys, name_content


class ReadVerdict(NamedTuple):
    """A verdict on a content, read from the answers to it."""

    key: str
    result: Result
    is_final: bool
    """Whether no answer to it is asked for again."""


def read_verdicts(evaluator: Evaluator, paid: ledger.AnswerIndex) -> Iterator[ReadVerdict]:
    """Reads the verdicts on all contents with every answer that they need."""
    model, route = registry.model_of(evaluator), evaluator.route
    waiting: dict[str, dict[str, ReadVerdict]] = {}
    for answer in paid.read_answers():
        result, key = model.read_answer(evaluator, answer), answer.content_key
        unreadable = result.retryable if isinstance(result, Failure) else None
        is_final = not needs_call(paid.entries[key], route, unreadable)
        first = name_content(evaluator, key)
        parts = waiting.setdefault(first, {})
        parts[key] = ReadVerdict(first, result, is_final)
        if len(parts) == len(list_asked_keys(evaluator, first)):
            ordered = [parts[one] for one in list_asked_keys(evaluator, first)]
            concluded = model.conclude([part.result for part in ordered])
            yield ReadVerdict(first, concluded, all(part.is_final for part in ordered))
            del waiting[first]


def read_results(
    lake: Lake, evaluator: Evaluator, keys: Collection[str], call_result: CallsResult
) -> dict[str, Result]:
    """Reads what a judge answered under some keys, or why it did not."""
    model, keys = registry.model_of(evaluator), {*keys}
    results: dict[str, Result] = dict.fromkeys(keys, call_result.rest or Skip("budget"))
    results |= dict.fromkeys(keys & call_result.awaited, Skip("awaited"))
    with ledger.open_index(lake, evaluator.answer_version or "", keys) as paid:
        results |= {a.content_key: model.read_answer(evaluator, a) for a in paid.read_answers()}
    return results


def find_reached(lake: Lake, work: Worklist, awaited: Collection[str]) -> dict[str, float]:
    """Finds with which probability the contents were asked that this night had to pay for.

    Those not asked are the end of the hash order, so the others are a sample of them. Contents
    whose answers another night paid for were free: they are in the sample whatever is left.
    """
    evaluator, traces = work.evaluator, Counter(work.evaluated_keys)
    asked = list_all_keys(evaluator, traces)
    with ledger.open_index(lake, evaluator.answer_version or "", asked) as paid:
        night, entries = work.night.isoformat(), paid.entries
        own = {
            key: n
            for key, n in traces.items()
            if any(
                one not in entries or entries[one].night == night
                for one in list_asked_keys(evaluator, key)
            )
        }
        reached = {
            key
            for key in own
            if key in awaited or entries.keys() >= {*list_asked_keys(evaluator, key)}
        }
        return compute_reached(own, reached)


def list_all_keys(evaluator: Evaluator, keys: Iterable[str]) -> set[str]:
    """Lists the keys of all answers that verdicts on some contents need."""
    return {one for key in keys for one in list_asked_keys(evaluator, key)}
