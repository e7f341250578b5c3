"""The answers that people decided on, as candidates for a judge are made from and measured on.

What labels mean is in `evals.evaluators.label_verdicts`; the splits are `evals.labels.alignment`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.label_verdicts import select_deciding
from evals.evaluators.label_wordings import select_worded
from evals.labels.alignment import Split, choose_split
from evals.labels.mapped_labels import map_labels
from evals.records import Label, Trace, digest
from evals.runs.model_servers import ModelServers
from evals.specs import Catalog, Evaluator, Judge
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.table_rows import MappedLabel
from evals.worklist.night_contents import NightTraces
from evals.worklist.sampling import compute_place

MOST_OF_CLASS = 200
"""Answers of each verdict in a split that are used, chosen by hash: they bound calls and time."""


class LabelledAnswer(NamedTuple):
    """An answer that people decided on."""

    trace: Trace
    """Its id, and the fields that the judge reads."""
    evaluator: Evaluator
    """The judge's use in its application."""
    split: Split
    session: str
    """Its session, or itself."""
    passed: bool
    critiques: tuple[str, ...]
    """Why, in people's words."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Application, dimension and trace."""
        return (self.trace.app, self.evaluator.dimension, self.trace.trace_id)


def find_uses(lake: Lake, catalog: Catalog, judge: Judge) -> list[Evaluator]:
    """Finds the evaluators that a judge is in the catalog, one for each application."""
    servers = ModelServers(lake, with_judge(catalog, judge))
    apps = [app for app in sorted(catalog.apps) if app not in catalog.broken]
    every = (evaluator for app in apps for evaluator in servers.resolve_app(app))
    return [one for one in every if one.judge and one.name == judge.judge and not one.guardrail]


def with_judge(catalog: Catalog, judge: Judge) -> Catalog:
    """Returns the catalog with one judge in place of that of its name."""
    return catalog.model_copy(update={"judges": {**catalog.judges, judge.judge: judge}})


def collect_answers(
    lake: Lake, catalog: Catalog, references: GoldAndLabels, judge: Judge
) -> list[LabelledAnswer]:
    """Collects the answers of a judge that people decided on, in the order of their ids."""
    uses = {(one.app, one.dimension): one for one in find_uses(lake, catalog, judge)}
    labels = read_labels(lake)
    found: list[LabelledAnswer] = []
    for night in lake.list_nights("traces") if uses and labels else ():
        rows = [
            row
            for row in map_labels(lake, catalog, labels, night)
            if row.verdict and (row.app, row.dimension) in uses
        ]
        work = NightTraces(lake, night)
        for place, evaluator in uses.items():
            decided = {row.trace_id: row for row in rows if (row.app, row.dimension) == place}
            if decided:
                found += build_answers(work, evaluator, decided, references)
    return sorted(found, key=lambda one: one.key)


def build_answers(
    work: NightTraces,
    evaluator: Evaluator,
    decided: Mapping[str, MappedLabel],
    references: GoldAndLabels,
) -> Iterator[LabelledAnswer]:
    """Yields a night's decided answers of one use of a judge."""
    for trace in work.read_traces(evaluator, ("session_id",)):
        row = decided.get(trace.trace_id)
        if row is None:
            continue
        session = trace.session_id or trace.trace_id
        votes = references.labels.get(trace.trace_id, ())
        name = evaluator.labels or evaluator.dimension
        about = (one for one in votes if one.dimension == name)
        own = select_worded(about, evaluator.question).votes
        split = choose_split(session)
        yield LabelledAnswer(
            trace, evaluator, split, session, row.verdict == "pass", list_critiques(own)
        )


def list_critiques(votes: Iterable[Label]) -> tuple[str, ...]:
    """Lists what the people wrote whose labels decide."""
    words = (one.critique.strip() for one in select_deciding(votes))
    return tuple(dict.fromkeys(word for word in words if word))


def select_split(answers: Sequence[LabelledAnswer], split: Split) -> list[LabelledAnswer]:
    """Selects the answers of a split, at most so many of each verdict as are used."""
    chosen: list[LabelledAnswer] = []
    for passed in (True, False):
        own = [one for one in answers if one.split == split and one.passed is passed]
        own.sort(key=lambda one: (compute_place(one.trace.trace_id, "realign"), one.key))
        chosen += own[:MOST_OF_CLASS]
    return sorted(chosen, key=lambda one: one.key)


def hash_labels(answers: Iterable[LabelledAnswer]) -> str:
    """Returns a hash of what people decided: of every answer, its split and verdict."""
    return digest([[*one.key, one.split, one.passed] for one in answers])


def count_splits(answers: Iterable[LabelledAnswer]) -> dict[str, dict[str, int]]:
    """Counts the passes and failures of each split."""
    counts = Counter((one.split, one.passed) for one in answers)
    splits: tuple[Split, ...] = ("pool", "dev", "test")
    return {
        name: {"passes": counts[name, True], "failures": counts[name, False]} for name in splits
    }
