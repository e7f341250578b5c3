"""What answers are compared with: gold sets, gold values, and the labels of a trace.

What labels mean is in `label_verdicts`, how gold sets are read in `gold_sets`; no call is made
here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evals.evaluators.gold_sets import GoldSet, load_gold_set, redact_gold_set
from evals.evaluators.label_verdicts import (
    decide_people,
    is_from_people,
    name_annotator,
    select_deciding,
)
from evals.evaluators.label_wordings import WordedLabels, select_worded
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Failure, GoldValue, Json, Label, LastTurn, Outcome, Skip, Trace, digest
from evals.specs import Evaluator
from evals.specs.label_rules import LabelRules
from evals.specs.suites import LABELS, PREVIOUS

ReadModel = Callable[[str], bytes | None]
"""Reads the stored form of a trained model by its id; None where there is none."""


@dataclass(frozen=True)
class GoldAndLabels:
    """Gold sets of the catalog, gold values and labels of the lake, looked up by trace."""

    gold_folder: Path
    labels: Mapping[str, tuple[Label, ...]]
    """By trace_id."""
    gold_values: Mapping[tuple[str, str], Json]
    """By trace_id and dimension, in the labels' own name of it."""
    session_labels: Mapping[str, tuple[Label, ...]] = field(
        default_factory=dict[str, tuple[Label, ...]]
    )
    """Labels of whole sessions, by the session's id."""
    privacy: PrivacyFilter | None = None
    """Redacts gold sets as traces were redacted; None: neither was."""
    gold_sets: dict[tuple[str, str], GoldSet] = field(
        default_factory=dict[tuple[str, str], GoldSet], compare=False
    )
    """Those read so far, by application and name."""
    previous: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    """The answers of earlier prompts, by the trace_id of the night at hand."""
    read_model: ReadModel | None = field(default=None, compare=False)
    """Reads a classifier's model; None: those beside the catalog's classifiers."""

    @classmethod
    def of(
        cls,
        catalog_root: Path,
        labels: Iterable[Label],
        gold_values: Iterable[GoldValue] = (),
        privacy: PrivacyFilter | None = None,
        read_model: ReadModel | None = None,
    ) -> GoldAndLabels:
        """Indexes labels and gold values by trace; of several gold values the last one counts."""
        by_trace: dict[str, list[Label]] = defaultdict(list)
        by_session: dict[str, list[Label]] = defaultdict(list)
        for label in labels:
            if label.subject == "trace":
                by_trace[label.subject_id].append(label)
            elif label.subject == "session":
                by_session[label.subject_id].append(label)
        gold: dict[tuple[str, str], Json] = {}
        for value in gold_values:
            if value.subject == "trace":
                gold[value.subject_id, value.dimension] = value.value
        votes = {trace_id: tuple(ones) for trace_id, ones in by_trace.items()}
        of_sessions = {session: tuple(ones) for session, ones in by_session.items()}
        return cls(catalog_root / "gold", votes, gold, of_sessions, privacy, read_model=read_model)

    @property
    def root(self) -> Path:
        """The catalog's folder."""
        return self.gold_folder.parent

    def gold_for(self, evaluator: Evaluator, trace: Trace) -> Json:
        """Returns the gold value for a trace, or None."""
        if evaluator.gold is None:
            return None
        if evaluator.gold == PREVIOUS:
            return self.previous.get(trace.trace_id)
        if evaluator.gold == LABELS:
            return self.gold_values.get((trace.trace_id, evaluator.labels))
        gold_set = self.load_gold_set(evaluator)
        row = gold_set.find_row(trace) if gold_set else None
        return row.gold if row else None

    def load_gold_set(self, evaluator: Evaluator) -> GoldSet | None:
        """Loads the gold set an evaluator names; None where it names none."""
        name = evaluator.gold
        if name is None or name in (LABELS, PREVIOUS):
            return None
        key = (evaluator.app, name)
        if key not in self.gold_sets:
            rows = load_gold_set(self.gold_folder, name)
            self.gold_sets[key] = redact_gold_set(rows, evaluator.app, self.privacy)
        return self.gold_sets[key]

    def labels_on(self, trace: Trace, dimension: str, question: str) -> WordedLabels:
        """Returns each annotator's label of a trace's present answer.

        Args:
            trace: the trace.
            dimension: as the labels name it.
            question: its present wording; labels of another one decide nothing.
        """
        return select_worded(self.every_label_on(trace, dimension), question)

    def every_label_on(self, trace: Trace, dimension: str) -> list[Label]:
        """Returns the labels of a trace's present answer, as they arrived."""
        labels = self.labels.get(trace.trace_id, ())
        return [one for one in labels if one.dimension == dimension and is_about(one, trace)]

    def every_label_on_session(self, last_turn: LastTurn, dimension: str) -> list[Label]:
        """Returns the labels of a session and of its last turn, as they arrived."""
        labels = (
            *self.labels.get(last_turn.trace_id, ()),
            *self.session_labels.get(last_turn.session_id, ()),
        )
        return [label for label in labels if label.dimension == dimension]

    def recorded_labels(self, evaluator: Evaluator, trace: Trace) -> dict[str, list[Label]]:
        """Groups the labels of outside annotators by the name their scores go under.

        People share one name: `adjudicated`, or `human` where nothing was adjudicated.
        """
        labels = self.labels_on(trace, evaluator.labels, evaluator.question).votes
        others = [label for label in labels if not is_from_people(label)]
        by_name: dict[str, list[Label]] = defaultdict(list)
        for label in (*select_deciding(labels), *others):
            by_name[name_annotator(evaluator.dimension, label)].append(label)
        return by_name

    def decide_people(
        self, rules: LabelRules, trace: Trace, dimension: str, question: str
    ) -> Outcome | Failure | Skip | None:
        """Returns what people decided on a trace's present answer; None without their labels."""
        labels = self.labels_on(trace, dimension, question)
        return decide_people(rules, labels.votes) if labels.is_decidable else None


def digest_answer(trace: Trace) -> str:
    """Returns the digest of what annotators see of a redacted trace; labels are bound to it."""
    return digest([trace.input, trace.context, trace.output])


def is_about(label: Label, trace: Trace) -> bool:
    """Whether a label was given for the trace's present answer."""
    return not label.answer or label.answer == digest_answer(trace)
