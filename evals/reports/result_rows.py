"""The rows of a report: their fields and what each contains."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from evals.records import Kind
from evals.reports.decide.rows import Identity
from evals.reports.decide.verdicts import Word
from evals.reports.json_form import Change, Count, Share, absent_if
from evals.reports.section import Day

Estimator = Literal[
    "raw", "weighted", "post-stratified", "post-stratified-window", "rogan-gladen", "none"
]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A rate with each row counted 1 / inclusion times (Hájek)."""

    rate: Share
    low: Share
    high: Share
    n: float
    """The effective sample size of the rate's variance by design, clustered by session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlabelled:
    """The answers that an annotator, or people, did not judge, and what they could change."""

    n: Count
    """Covered answers without a label. People's rows, `.human` and `.adjudicated`, share it."""
    low: Share | None
    """Lower end of the 95% interval if all of them failed."""
    high: Share | None
    """Upper end if all of them passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldRows:
    """The rows of the gold set that answers are compared with."""

    n: Count
    """All rows, each input once."""
    unmatched: Count
    """Those whose input is that of no trace of this night: they count for nothing."""
    version: str = absent_if("")
    """Names the rows by their content: another question or right answer is another version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRate:
    """The pooled rate of the earlier nights."""

    rate: Share
    n: Count
    """Their rows with a verdict."""
    first: date = field(metadata={"key": "from"})
    last: date = field(metadata={"key": "to"})
    weighted: bool = absent_if(False)
    """Only where traces came into the sample unequally: the rate is weighted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlessedResult:
    """A row against the report that a person named as the baseline."""

    date: Day
    """Of the night of that report."""
    rate: Share
    n: Count
    """Its rows with a verdict."""
    change: Change
    """Tonight's rate minus its."""
    low: Change
    """Lower end of the interval of the change, wider for what nights differ by themselves."""
    high: Change
    """Upper end of the same."""
    p: Share
    """Two-sided, not adjusted for other rows and nights."""
    verdict: Word
    """By this comparison alone."""
    decided: bool
    """Whether the row's verdict comes from it, not from the target or the nights before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What the mix of the traffic did to a rate (Kitagawa 1955)."""

    change: Change
    """Of the rate, at unchanged rates of the strata."""
    change_se: float
    """Its standard error."""
    rate: Change
    """The change that is left: of the rates within the strata."""
    rate_se: float
    stratum: str
    """The slices whose share grew and did most of it; empty: those too small to count alone."""
    share_before: Share
    """Of the answers."""
    share_after: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOver:
    """The change since another version of a judge, in what the judge and the application did."""

    before_version: str
    """The version that judged the earlier nights."""
    anchors: Count
    """Answers of these nights that both versions judged."""
    judge: Change
    """What the judge's rate moved by itself."""
    judge_low: Change
    """Lower end of its 95% interval."""
    judge_high: Change
    """Upper end of the same."""
    application: Change
    """What is left of the change: of the answers."""
    application_low: Change
    """Lower end of its 95% interval, which allows for how much nights differ by themselves."""
    application_high: Change
    """Upper end of the same."""
    needed: Count
    """The anchors that would find a drift as large as the whole change."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One evaluator's verdicts on one slice of the night."""

    dimension: str
    """What is asked."""
    question: str
    """The same as a question that a verdict answers."""
    evaluator: str
    """Who answered."""
    evaluator_version: str
    kind: Kind
    """`recorded`: a verdict someone else gave, found in the data."""
    slice: str
    """`all` is the whole."""
    n: Count
    """`passed` + `failed` + `errored` + `skipped`."""
    passed: Count
    failed: Count
    errored: Count
    """No verdict because of an error: never a failure."""
    skipped: Count
    """No verdict because the evaluator did not apply: never a failure."""
    unsampled: Count | None
    """Covered and left out of the sample; null for a slice of a sampled night."""
    pending: Count = 0
    """Answers awaited from a batch: no row yet, so neither scored, skipped nor errored. The row
    is not measured until they are back, and the night is then reported anew."""
    rate: Share | None
    """`passed` / (`passed` + `failed`), raw."""
    low: Share | None
    """Lower end of its 95% interval (Wilson, the sample size made smaller where rows of one
    session move together)."""
    high: Share | None
    """Upper end of the same."""
    weighted: Weighted | None = absent_if(None)
    """Only where traces came into the sample with different probabilities (`sample: strata:`):
    the rate of all traces. Change, verdict, `mde` and slice tests are computed from it; where
    they are, `baseline`, `changes` and `slices` are marked `weighted`."""
    gold: GoldRows | None = absent_if(None)
    """Only of all traces, compared with a gold set."""
    unlabelled: Unlabelled | None = absent_if(None)
    """Only of recorded verdicts that some answers lack. Change and verdict take them into
    account: what they could change is not decided."""
    estimate: Share | None
    """The rate of all covered traces, as `estimator` makes it; null where labels do not suffice."""
    estimate_low: Share | None
    """Lower end of its 95% interval."""
    estimate_high: Share | None
    """Upper end of the same."""
    estimator: Estimator
    """`raw`: the rate itself. `weighted`: the same as `weighted`. `post-stratified`: the rate of
    the night's own labels, each with its chance of being asked, by what the judge decided.
    `post-stratified-window`: the same of the last 84 nights' labels, moved by the change of the
    judge's rate divided by TPR + TNR - 1. `rogan-gladen`: a judge's rate corrected by its
    agreement on labels without a known chance. `none`: labels do not suffice."""
    coverage: Share | None
    """(`passed` + `failed`) / (`n` + `unsampled` + `pending`): the share of covered traces that
    has a verdict."""
    aligned: bool | None
    """Whether a judge or classifier agrees with people; null where that is not needed."""
    decides: bool
    """Whether the row counts for the night's verdict: the whole, not excluded by the suite or the
    gate, aligned where it must be, and not someone else's verdict. What people settled on
    (`.human`, `.adjudicated`) may decide where they judged enough (`min_coverage`)."""
    target: Share | None
    """The rate the suite wants."""
    mde: Share | None
    """The smallest difference this night could find with power .8."""
    verdict: Word
    """One of four, explained below."""
    reason: str
    """Why this verdict."""
    baseline: PastRate | None
    """The pooled rate and size of the earlier nights; null without any."""
    change: Change | None
    """Rate minus the baseline's; where there is a `weighted`, of that."""
    change_low: Change | None
    """Lower end of its interval at the gate's `alpha`."""
    change_high: Change | None
    """Upper end of the same."""
    p: Share | None
    """Two-sided, not adjusted for the night's other rows."""
    blessed: BlessedResult | None = absent_if(None)
    """Only where a report is blessed as the baseline: the comparison with it."""
    mix: Mix | None = absent_if(None)
    """Only where the mix of the traffic moved the rate beyond chance: `change` and the verdict are
    those at the same mix."""
    carried: CarriedOver | None = absent_if(None)
    """Only where another version of the judge judged the earlier nights and enough anchors carry
    their rate over: `baseline` and `change` are as the present version would have judged them."""

    @property
    def name(self) -> str:
        """Its dimension, and its slice unless that is the whole."""
        return self.dimension if self.is_whole else f"{self.dimension} on {self.slice}"

    @property
    def is_whole(self) -> bool:
        """Whether the row is of all traces, not of a slice."""
        return self.slice == "all"

    @property
    def scored(self) -> int:
        """Rows with a verdict."""
        return self.passed + self.failed

    @property
    def lacks_gold(self) -> bool:
        """Whether answers have no verdict while gold rows match no trace."""
        return bool(self.gold and self.gold.unmatched) and (self.coverage or 0) < 1

    @property
    def identity(self) -> Identity:
        """Dimension, evaluator and evaluator version."""
        return (self.dimension, self.evaluator, self.evaluator_version)

    @property
    def series(self) -> tuple[str, str, str]:
        """Dimension, evaluator and slice."""
        return (self.dimension, self.evaluator, self.slice)

    @property
    def key(self) -> tuple[str, str]:
        """The dimension and evaluator of the row."""
        return (self.dimension, self.evaluator)

    @property
    def compared_rate(self) -> Weighted | Result:
        """The rate that comparisons use: the weighted one where there is one."""
        return self.weighted or self
