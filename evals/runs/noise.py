"""How a judge's further answers compare with its first: the counts its own noise is told from.

Nothing is asked here; what a night has to ask is `survey`'s, the rate and its interval a report's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from evals.evaluators import registry
from evals.records import Outcome
from evals.specs import Judge
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.storage.tables import NoiseRow
from evals.worklist.worklist import Worklist, name_score_file


class Comparison(NamedTuple):
    """One content: its first verdict beside the further ones."""

    pairs: int
    flips: int
    errors: int
    missing: int


def write_noise(lake: Lake, work: Worklist, awaited: Collection[str] = ()) -> None:
    """Writes a judge's row of the lake's `noise`; none where each content is asked once.

    Args:
        lake: where it is kept.
        work: the night the judge was asked about.
        awaited: answers that come with a batch.
    """
    judge = work.evaluator.judge
    if judge is not None and judge.repeats > 1:
        row = measure_noise(lake, work, judge)
        contents = {one.key for one in work.chosen.values()}
        further = (name for key in contents for name in list_answer_keys(key, judge.repeats)[1:])
        rows = [row._replace(awaited=sum(name in awaited for name in further))]
        lake.write("noise", work.night, rows, name_score_file(work.evaluator))


def measure_noise(lake: Lake, work: Worklist, judge: Judge) -> NoiseRow:
    """A judge's answers to a night's contents, compared."""
    evaluator, model = work.evaluator, registry.model_of(work.evaluator)
    contents = dict.fromkeys(one.key for one in work.chosen.values())
    asked = {key: list_answer_keys(key, judge.repeats) for key in contents}
    keys = {name for names in asked.values() for name in names}
    said: dict[str, bool | None] = {}
    with ledger.paid(lake, evaluator.answer_version or "", keys) as paid:
        for answer in paid.answers():
            found = model.read_answer(evaluator, answer)
            said[answer.content_key] = found.passed if isinstance(found, Outcome) else None
    about = (work.night, evaluator.app, evaluator.dimension, evaluator.name, evaluator.version)
    return NoiseRow(
        *about, judge.repeats, *count_flips(compare_answers(n, said) for n in asked.values())
    )


def list_answer_keys(key: str, repeats: int) -> list[str]:
    """The names of all answers to a content, the first of them first."""
    return [ledger.repeat(key, nth) for nth in range(1, repeats + 1)]


def compare_answers(names: list[str], said: Mapping[str, bool | None]) -> Comparison:
    """One content's answers; an error is no verdict, so it neither flips nor agrees."""
    first, more = said.get(names[0]), [said[name] for name in names[1:] if name in said]
    verdicts = [one for one in more if one is not None]
    pairs = verdicts if first is not None else []
    flips = sum(one != first for one in pairs)
    return Comparison(len(pairs), flips, len(more) - len(verdicts), len(names) - 1 - len(more))


def count_flips(contents: Iterable[Comparison]) -> tuple[int, int, int, float, int, int]:
    """Contents with a pair, pairs, flips, their square, errors, missing."""
    every = list(contents)
    found = [one for one in every if one.pairs]
    pairs, flips = sum(one.pairs for one in found), sum(one.flips for one in found)
    rate = flips / pairs if pairs else 0.0
    square = math.fsum((one.flips - rate * one.pairs) ** 2 for one in found)
    errors, missing = sum(one.errors for one in every), sum(one.missing for one in every)
    return len(found), pairs, flips, square, errors, missing
