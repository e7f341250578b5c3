"""A judge's noise: how often its further answers to a content differ from the first.

Makes no call; reports compute the rate and its interval.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.evaluators import registry
from evals.records import Outcome
from evals.specs import Judge
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.table_rows import NoiseRow
from evals.worklist.worklist import Worklist, name_score_file


class Comparison(NamedTuple):
    """The first verdict on a content, compared with the further ones."""

    pairs: int
    flips: int
    """Pairs in which the verdicts differ."""
    errors: int
    missing: int


class FlipCounts(NamedTuple):
    """Comparisons of all contents, in the columns of `NoiseRow`."""

    contents: int
    """Contents with at least one pair."""
    pairs: int
    flips: int
    square: float
    """Sum of squares of each content's flips around the common rate."""
    errors: int
    missing: int


def write_noise(lake: Lake, work: Worklist, awaited: Collection[str] = ()) -> None:
    """Writes a judge's row of the table `noise`; none where each content is asked once.

    Args:
        lake: has the table.
        work: the judge's worklist of the night.
        awaited: keys of the answers expected from a batch.
    """
    judge = work.evaluator.judge
    if judge is not None and judge.repeats > 1:
        row = measure_noise(lake, work, judge)
        contents = set(work.evaluated_keys)
        further = (key for first in contents for key in list_answer_keys(first, judge.repeats)[1:])
        rows = [row._replace(awaited=sum(key in awaited for key in further))]
        lake.write("noise", work.night, rows, name_score_file(work.evaluator))


def measure_noise(lake: Lake, work: Worklist, judge: Judge) -> NoiseRow:
    """Compares a judge's answers to a night's contents."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    contents = dict.fromkeys(work.evaluated_keys)
    answer_keys = [list_answer_keys(key, judge.repeats) for key in contents]
    keys = {key for of_content in answer_keys for key in of_content}
    verdicts: dict[str, bool | None] = {}
    with ledger.open_index(lake, evaluator.answer_version or "", keys) as paid:
        for answer in paid.read_answers():
            result = model.read_answer(evaluator, answer)
            verdicts[answer.content_key] = result.passed if isinstance(result, Outcome) else None
    about = (work.night, evaluator.app, evaluator.dimension, evaluator.name, evaluator.version)
    counts = count_flips(compare_answers(of_content, verdicts) for of_content in answer_keys)
    return NoiseRow(*about, judge.repeats, *counts)


def list_answer_keys(key: str, repeats: int) -> list[str]:
    """Lists the keys of all answers to a content, the first answer's first."""
    return [ledger.build_repeat_key(key, nth) for nth in range(1, repeats + 1)]


def compare_answers(keys: Sequence[str], verdicts: Mapping[str, bool | None]) -> Comparison:
    """Compares one content's answers; an error is no verdict, so it neither flips nor agrees."""
    first = verdicts.get(keys[0])
    further = [verdicts[key] for key in keys[1:] if key in verdicts]
    clear = [verdict for verdict in further if verdict is not None]
    pairs = clear if first is not None else []
    flips = sum(verdict != first for verdict in pairs)
    missing = len(keys) - 1 - len(further)
    return Comparison(len(pairs), flips, len(further) - len(clear), missing)


def count_flips(comparisons: Iterable[Comparison]) -> FlipCounts:
    """Sums the comparisons of all contents."""
    all_comparisons = list(comparisons)
    paired = [c for c in all_comparisons if c.pairs]
    pairs = sum(c.pairs for c in paired)
    flips = sum(c.flips for c in paired)
    rate = flips / pairs if pairs else 0.0
    square = math.fsum((c.flips - rate * c.pairs) ** 2 for c in paired)
    errors = sum(c.errors for c in all_comparisons)
    missing = sum(c.missing for c in all_comparisons)
    return FlipCounts(len(paired), pairs, flips, square, errors, missing)
