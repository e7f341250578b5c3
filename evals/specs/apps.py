"""An application: its validation, gate and budget.

The questions about its quality are in its suite; how its rows are read, in `mappings`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, get_args

from pydantic import Field

from evals.specs.call_limits import Budget
from evals.specs.digests import AppDigest
from evals.specs.review import ReviewQueue
from evals.specs.spec import NAME, Name, Spec


class Gate(Spec):
    """When a night of an application counts as regressed."""

    dimensions: tuple[str, ...] = Field(
        default=(), description="those that decide beside `answered`; empty: every one"
    )
    baseline_nights: int = Field(
        default=7,
        ge=1,
        le=90,
        description="the nights before that a night, or an open incident, is shown beside",
    )
    max_drop: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="the smallest drop that matters: one that is surely smaller opens no incident",
    )
    min_coverage: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="the share of a night's sampled answers that an evaluator must have judged "
        "before its rate is measured; a dimension may set its own",
    )
    min_answers: int = Field(
        default=10,
        ge=1,
        description="the verdicts of a night that a target needs to decide; a dimension or slice "
        "may set its own",
    )
    blocking: bool = Field(
        default=False,
        description="whether a regressed last night fails Dagster's run at the asset `releases`, "
        "so that assets downstream of it wait",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="how often chance alone may look like a change"
    )


class Answered(Spec):
    """How the dimension `answered` counts, which every application has."""

    target: float | None = Field(default=None, ge=0, le=1, description="the rate the team wants")
    gate: bool = Field(
        default=True, description="whether it may gate the night, whatever the gate's `dimensions`"
    )


class Validation(Spec):
    """When a night of an application is refused at ingest."""

    max_quarantined: float = Field(
        default=0.2, ge=0, le=1, description="the share of bad rows above which it is refused"
    )
    max_input_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")
    max_output_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")


class ErrorAnalysis(Spec):
    """How often people read traces with open notes."""

    every_weeks: int | None = Field(
        default=4,
        ge=1,
        le=104,
        description="weeks after which the next one is due; one is also due before the first, and "
        "when an incident opened or ended; null: never",
    )
    traces: int = Field(
        default=50, ge=10, le=500, description="how many traces `andon analysis start` lists"
    )
    model: Name | None = Field(
        default=None,
        description="a pin in `models.yaml` that `andon analysis group` asks to group the notes, "
        "in one call, and which is then sent their texts; null: they are grouped by their words",
    )


DURATION = r"^\d{1,4}(\.\d+)?[mhd]$"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Cadence = Literal["nightly", "weekdays", "irregular"] | tuple[Weekday, ...]


TEMPLATE = r"^(\w[\w.-]*/)*\w[\w.-]*[.]html$"
"""The path of a template: relative, inside the catalog."""


class App(Spec):
    """One application, in `apps/NAME.yaml`."""

    app: Name = Field(pattern=NAME)
    title: str = Field(default="", description="what pages call it")
    description: str = Field(default="", description="what it does, in a sentence")
    owner: str = Field(default="", description="an e-mail address, or `team:name`")
    suite: Name | None = Field(default=None, description="null: `answered` and guardrails only")
    validation: Validation = Field(
        default=Validation(), description="when a night is refused at ingest"
    )
    gate: Gate = Field(default=Gate(), description="when a night counts as regressed")
    answered: Answered | bool = Field(
        default=True,
        description="the dimension `answered`, the share of requests that were answered to their "
        "end: its `target` and `gate`, or `false` to leave it out; a suite's own dimension of this "
        "name replaces it",
    )
    budget: Budget = Field(
        default=Budget(), description="the most a day may spend on it; null: the catalog's alone"
    )
    lateness: str = Field(
        default="6h",
        pattern=DURATION,
        description="how long after its end a night may still get rows: until then it is "
        "provisional and pages nobody (`90m`, `6h`, `2d`)",
    )
    review_queue: Annotated[int, Field(ge=0)] | ReviewQueue = Field(
        default=20,
        description="answers a night that a person is asked to read: their number, or its `size`, "
        "`floor`, `shares` and `double`",
    )
    template: str | None = Field(
        default=None,
        pattern=TEMPLATE,
        description="a Jinja template by which people read its answers instead of the default form,"
        " relative to the catalog's folder, such as `review/extraction.html`",
    )
    error_analysis: ErrorAnalysis = Field(
        default=ErrorAnalysis(), description="how often people read traces with open notes"
    )
    cadence: Cadence = Field(
        default="nightly",
        description="the nights on which it has traces; one of them without any is missing: "
        "`nightly`, `weekdays` (Monday to Friday), a list such as `[mon, thu]`, or `irregular`, "
        "where none is ever missing",
    )
    digest: AppDigest = Field(
        default=AppDigest(), description="who receives a message about each of its nights"
    )
    language: str | None = Field(
        default=None, description="the language its answers should be in (ISO)"
    )
    redact: tuple[str, ...] = Field(
        default=("email", "card", "iban", "ssn", "phone"),
        description="kinds of personal data redacted at ingest; secrets always are",
    )

    @property
    def queue(self) -> ReviewQueue:
        """What people are asked to read."""
        size = self.review_queue
        return size if isinstance(size, ReviewQueue) else ReviewQueue(size=size)

    def expects_traces(self, night: date) -> bool:
        """Whether a night without traces of this application is missing."""
        match self.cadence:
            case "nightly":
                return True
            case "irregular":
                return False
            case "weekdays":
                return night.weekday() < WEEKDAYS.index("sat")
            case days:
                return WEEKDAYS[night.weekday()] in days

    def watermark(self, night: date, day_begins: int) -> datetime:
        """Returns the moment, in UTC, from which a night is no longer provisional."""
        ends = datetime.combine(night, time(day_begins), UTC) + timedelta(days=1)
        unit = {"m": "minutes", "h": "hours", "d": "days"}[self.lateness[-1]]
        return ends + timedelta(**{unit: float(self.lateness[:-1])})
