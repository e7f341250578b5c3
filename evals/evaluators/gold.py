"""What answers are compared with: gold sets, gold values, and the labels of a trace.

Maps an annotator's vocabulary to pass and fail as the suite declares; no call is made here.
"""

from __future__ import annotations

import csv
import functools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from evals.records import (
    Failure,
    GoldValue,
    Json,
    Label,
    Outcome,
    Skip,
    Trace,
    digest,
    encode_canonical,
)
from evals.specs import CatalogError, Evaluator


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
        """Indexes labels and gold values by trace."""
        by_trace: dict[str, list[Label]] = defaultdict(list)
        for label in labels:
            if label.subject == "trace":
                by_trace[label.subject_id].append(label)
        gold: dict[tuple[str, str], Json] = {}
        for value in gold_values:
            if value.subject == "trace":
                gold.setdefault((value.subject_id, value.dimension), value.value)
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
        """Returns the labels of a trace's present answer on a dimension as labels name it."""
        labels = self.labels.get(trace.trace_id, ())
        return [x for x in labels if x.dimension == dimension and is_about(x, trace)]

    def recorded_labels(self, evaluator: Evaluator, trace: Trace) -> dict[str, list[Label]]:
        """Groups the labels of outside annotators by the name their scores go under.

        People share one name: `adjudicated`, or `human` where nothing was adjudicated.
        """
        by_name: dict[str, list[Label]] = defaultdict(list)
        for label in self.labels_on(trace, evaluator.labels):
            who = label.annotator_kind if is_from_people(label) else label.annotator
            by_name[f"{evaluator.dimension}.{who}"].append(label)
        if f"{evaluator.dimension}.adjudicated" in by_name:
            by_name.pop(f"{evaluator.dimension}.human", None)
        return by_name


def is_from_people(label: Label) -> bool:
    """Whether a person gave a label, not a judge or a rule."""
    return label.annotator_kind in ("human", "adjudicated")


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


def map_verdict(mapping: Mapping[str, str], verdict: Json) -> Outcome | Failure | Skip:
    """Translates a word of an annotator's vocabulary to pass, fail or skip."""
    word = verdict if isinstance(verdict, str) else encode_canonical(verdict).decode()
    meaning = mapping.get(word)
    if meaning == "skip":
        return Skip("mapped-to-skip")
    if meaning is None:
        return Failure("unmapped-verdict", f"the suite maps no {word[:60]!r}")
    return Outcome(meaning == "pass", explanation=word[:200])


def take_majority(mapping: Mapping[str, str], labels: list[Label]) -> Outcome | Failure | Skip:
    """Returns the majority of several annotators of one kind; a tie is skipped."""
    outcomes = [map_verdict(mapping, label.verdict) for label in labels]
    clear = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
    if not clear:
        return outcomes[0]
    votes = Counter(outcome.passed for outcome in clear)
    if votes[True] == votes[False]:
        return Skip("tie")
    passed = votes[True] > votes[False]
    return next(outcome for outcome in clear if outcome.passed == passed)
