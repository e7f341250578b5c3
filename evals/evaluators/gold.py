"""What answers are compared with: gold sets, gold values, and the labels of a trace.

What labels mean is in `label_verdicts`; no call is made here.
"""

from __future__ import annotations

import csv
import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from evals.evaluators.label_verdicts import (
    decide_people,
    is_from_people,
    list_votes,
    name_annotator,
    select_deciding,
)
from evals.records import Failure, GoldValue, Json, Label, Outcome, Skip, Trace, digest
from evals.specs import CatalogError, Evaluator
from evals.specs.label_rules import LabelRules


@dataclass(frozen=True)
class GoldAndLabels:
    """Gold sets of the catalog, gold values and labels of the lake, looked up by trace."""

    gold_folder: Path
    labels: Mapping[str, tuple[Label, ...]]
    """By trace_id."""
    gold_values: Mapping[tuple[str, str], Json]
    """By trace_id and dimension, in the labels' own name of it."""

    @classmethod
    def of(
        cls, catalog_root: Path, labels: Iterable[Label], gold_values: Iterable[GoldValue] = ()
    ) -> GoldAndLabels:
        """Indexes labels and gold values by trace; of several gold values the last one counts."""
        by_trace: dict[str, list[Label]] = defaultdict(list)
        for label in labels:
            if label.subject == "trace":
                by_trace[label.subject_id].append(label)
        gold: dict[tuple[str, str], Json] = {}
        for value in gold_values:
            if value.subject == "trace":
                gold[value.subject_id, value.dimension] = value.value
        return cls(catalog_root / "gold", {k: tuple(v) for k, v in by_trace.items()}, gold)

    @property
    def root(self) -> Path:
        """The catalog's folder."""
        return self.gold_folder.parent

    def gold_for(self, evaluator: Evaluator, trace: Trace) -> Json:
        """Returns the gold value for a trace, or None."""
        if evaluator.gold is None:
            return None
        if evaluator.gold == "labels":
            return self.gold_values.get((trace.trace_id, evaluator.labels))
        return load_gold_set(self.gold_folder, evaluator.gold).get(trace.input)

    def labels_on(self, trace: Trace, dimension: str) -> list[Label]:
        """Returns each annotator's label of a trace's present answer.

        Args:
            trace: the trace.
            dimension: as the labels name it.
        """
        labels = self.labels.get(trace.trace_id, ())
        return list_votes(x for x in labels if x.dimension == dimension and is_about(x, trace))

    def recorded_labels(self, evaluator: Evaluator, trace: Trace) -> dict[str, list[Label]]:
        """Groups the labels of outside annotators by the name their scores go under.

        People share one name: `adjudicated`, or `human` where nothing was adjudicated.
        """
        labels = self.labels_on(trace, evaluator.labels)
        others = [label for label in labels if not is_from_people(label)]
        by_name: dict[str, list[Label]] = defaultdict(list)
        for label in (*select_deciding(labels), *others):
            by_name[name_annotator(evaluator.dimension, label)].append(label)
        return by_name

    def decide_people(
        self, rules: LabelRules, trace: Trace, dimension: str
    ) -> Outcome | Failure | Skip | None:
        """Returns what people decided on a trace's present answer; None without their labels."""
        return decide_people(rules, self.labels_on(trace, dimension))


def digest_answer(trace: Trace) -> str:
    """Returns the digest of what annotators see of a redacted trace; labels are bound to it."""
    return digest([trace.input, trace.context, trace.output])


def is_about(label: Label, trace: Trace) -> bool:
    """Whether a label was given for the trace's present answer."""
    return not label.answer or label.answer == digest_answer(trace)


@functools.lru_cache(maxsize=64)
def load_gold_set(folder: Path, name: str) -> dict[str, Json]:
    """Reads a gold set: rows of `input` and `gold` in `NAME.jsonl` or `NAME.csv`.

    Raises:
        CatalogError: naming the file and line that is wrong.
    """
    lines, table = folder / f"{name}.jsonl", folder / f"{name}.csv"
    if not lines.exists() and not table.exists():
        raise CatalogError(f"{lines}: no such gold set")
    gold: dict[str, Json] = {}
    if table.exists():
        with table.open(newline="", encoding="utf-8") as file:
            gold |= {row["input"]: row["gold"] for row in csv.DictReader(file)}
    if lines.exists():
        for number, line in enumerate(lines.read_text("utf-8").splitlines(), 1):
            try:
                row = cast("dict[str, Json]", json.loads(line))
                gold[str(row["input"])] = row["gold"]
            except (ValueError, KeyError, TypeError) as error:
                message = f"{lines}:{number}: expected a JSON object with `input` and `gold`"
                raise CatalogError(message) from error
    return gold
