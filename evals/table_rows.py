"""The rows of a night's tables, beside traces and scores: what runs write and reports read.

Where a table is stored is `evals.storage`'s; what a figure means is its writer's.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from evals.records import Origin, Subject


class Coverage(NamedTuple):
    """How many traces of a night an evaluator covers, and how many were in its sample."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    covered: int
    sampled: int
    pending: int = 0
    """Of the sample, those whose answers are expected from a batch."""
    gold_rows: int = 0
    """The rows of its gold set."""
    gold_matched: int = 0
    """Those whose input is that of a covered trace."""
    gold_version: str = ""
    """The digest of these rows; empty in rows of an older Andon, and without a gold set."""


class CanaryRow(NamedTuple):
    """A judge's verdicts on a bad answer, without an attack and with one."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    attack: str
    family: str
    trace_id: str
    """The answer that had the attack."""
    clean: str | None
    """The verdict without the attack: pass or fail; null when there is none."""
    verdict: str | None
    """The verdict with it."""
    code: str | None
    """Why a verdict is missing."""
    clean_key: str | None = None
    """The content of the answer without the attack."""
    attacked_key: str | None = None
    """The content of the answer with it."""


class NoiseRow(NamedTuple):
    """How a judge's repeated answers to the contents of a night compare with its first ones."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    repeats: int
    """Answers wanted to each content."""
    contents: int
    """Those with a first verdict and at least one more."""
    pairs: int
    """Repeated verdicts, each paired with the first of its content."""
    flips: int
    """Of the pairs, those that differ."""
    square: float
    """The sum over contents of (flips - rate x pairs) squared."""
    errors: int
    """Repeated answers that are errors: in no pair."""
    missing: int
    """Repeated answers that are missing."""
    awaited: int = 0
    """Of the missing, those expected from a batch."""


class PartRow(NamedTuple):
    """How often a part of the answers of a night is right: an extraction's attribute, or all."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    level: str
    """`part`; or `micro`, all parts together, and `macro`, the mean of the parts."""
    part: str
    """Its name, as gold has it; empty for micro and macro."""
    traces: int
    """Answers that were compared with gold."""
    sessions: int
    """Their sessions that have the part; a trace without one is its own."""
    right: int
    wrong: int
    missed: int
    invented: int
    absent: int
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    specificity: float | None
    specificity_low: float | None
    specificity_high: float | None

    @property
    def identity(self) -> tuple[str, str, str]:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)


class PairRow(NamedTuple):
    """What a judge of two answers concluded of a night's pairs, each shown in both orders."""

    date: date
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    gold: str
    """Where the other answers are from: `previous`, `labels` or a gold set."""
    pairs: int
    """Those with a verdict in both orders."""
    won: int
    """Of them, those in which the trace's answer was better in both orders."""
    lost: int
    tied: int
    """Neither was better, or it depended on the order."""
    inconsistent: int
    """Of the tied, those in which it depended on the order."""
    uneven: int
    """Pairs of different lengths."""
    preferred: float | None
    preferred_low: float | None
    preferred_high: float | None
    first: float | None
    first_low: float | None
    first_high: float | None
    longer: float | None
    longer_low: float | None
    longer_high: float | None
    equal_length: float | None
    equal_length_low: float | None
    equal_length_high: float | None


AnchorKind = Literal["changed", "same"]
"""Whether the judge that is asked again has another version than before, or the same."""


class AnchorRow(NamedTuple):
    """An answer of an earlier night that a judge was asked about again, with both verdicts."""

    date: date
    """The night that asked."""
    app: str
    dimension: str
    evaluator: str
    evaluator_version: str
    kind: AnchorKind
    trace_id: str
    content_key: str
    trace_date: date
    """The night of the answer."""
    before_version: str
    """The version that had judged it."""
    before: str
    """The verdict that it had: pass or fail."""
    verdict: str | None
    """The verdict now; null where there is none."""
    code: str | None
    """Why there is none."""
    weight: float | None
    """How many answers it represents; null: it was chosen for its label alone."""
    label: str | None = None
    """What people decided of it, in the test split."""
    split: str | None = None
    probability: float | None = None
    """The chance that it was labelled and chosen for that; null: not known."""


class RequestRow(NamedTuple):
    """A trace's request: its topic, and what shows that it was not met."""

    date: date
    app: str
    trace_id: str
    topic: str | None
    """Its topic's label; `other`: none of the topics; null: the night has none."""
    topic_id: str | None
    topic_since: date | None
    """The night whose requests first had the topic; null: it was among the first topics."""
    topic_models: int
    """How many of the application's models assigned the night; 0: there are no topics."""
    topic_gap: str | None
    """Why there are no topics: `few` different requests, or `unlike` each other."""
    refused: bool
    apologised: bool
    repeated: bool
    rephrased: bool
    abandoned: bool
    content_hash: str | None = None
    """Of its trace, as it was described."""
    input_language: str | None = None
    """The code that the trace carries or that was detected; `unknown`: neither."""
    output_language: str | None = None
    """Detected; null in rows of an older Andon, as the two before."""


class MappedLabel(NamedTuple):
    """What people decided on a trace and a dimension: what alignment is measured against."""

    date: date
    app: str
    trace_id: str
    dimension: str
    verdict: str | None
    """`pass` or `fail`; null: as many people voted for one as for the other."""
    subject: Subject = "trace"
    subject_id: str | None = None
    """The id of a session or a pair; null: the trace itself."""
    origin: Origin = "production"
    probability: float | None = None
    """The chance that the trace was asked about; null: not known."""
    split: str | None = None
    """`pool`, `dev` or `test`."""
    pairs: int = 0
    """Pairs of people who judged the answer."""
    pairs_agreed: int = 0
    """Of those, the pairs with one verdict."""
    learner: str | None = None
    """The classifier of the dimension, which may learn from labels; null: it has none."""
    held_out: bool | None = None
    """Whether the classifier never learns from this one; null: the dimension has none."""
    pairs_passed: int | None = None
    """Of the pairs with one verdict, those of which both passed it; null: not counted yet."""
    earlier: int = 0
    """People's labels of an earlier wording of the question, which decide nothing; a row with them
    and without a verdict or a pair is no tie."""

    @property
    def decides(self) -> bool:
        """Whether people decided or tied under the present wording."""
        return self.verdict is not None or bool(self.pairs) or not self.earlier


class SliceRow(NamedTuple):
    """A slice as dbt reads it: an application (or `*`), a name, a kind and an expression."""

    app: str
    slice: str
    kind: str
    expression: str
