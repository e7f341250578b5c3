"""An application: its validation, gate and budget; and how rows of other shapes are read.

The questions about its quality are in its suite.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from pydantic import Field, field_validator

from evals.records import Trace
from evals.specs.call_limits import Budget
from evals.specs.spec import NAME, Name, Spec


class Column(Spec):
    """Where a row of another shape holds a canonical field."""

    path: str = Field(description="a dotted path, such as `meta.request.id`")
    format: str | None = Field(
        default=None, description="timestamps: a strptime format, `epoch` or `epoch_ms`"
    )


KEYED = ("versions", "params", "metadata")
"""Fields whose keys a team chooses."""
OWN = ("source_format", "source_file", "source_line", "content_hash", "turn")
MAPPED = tuple(field.name for field in fields(Trace) if field.name not in OWN)


class Mapping(Spec):
    """How a plain JSONL row becomes a trace, where the names differ."""

    columns: dict[str, Column | str] = Field(
        default={},
        description="canonical field, or `versions.NAME`, `params.NAME`, `metadata.NAME`, to the "
        "row's path, or path and format",
    )
    constants: dict[str, str] = Field(
        default={}, description="such a field to its value in rows without it"
    )

    @field_validator("columns", "constants")
    @classmethod
    def check_fields(
        cls, targets: dict[str, Column | str] | dict[str, str]
    ) -> dict[str, Column | str] | dict[str, str]:
        """Refuses a field that no trace has."""
        for target in targets:
            whole, dot, name = target.partition(".")
            if target not in MAPPED and not (dot and name and whole in KEYED):
                raise ValueError(
                    f"a trace has no {target!r}; expected one of {', '.join(MAPPED)}, or "
                    f"{', '.join(f'{field}.NAME' for field in KEYED)}"
                )
        return targets


class Gate(Spec):
    """When a night of an application counts as regressed."""

    dimensions: tuple[str, ...] = Field(
        default=(), description="empty: every dimension with a verdict"
    )
    baseline_nights: int = Field(
        default=7, ge=1, le=90, description="the nights before that a night is compared with"
    )
    max_drop: float = Field(default=0.05, gt=0, lt=1, description="the smallest drop that matters")
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="how often chance alone may look like a change"
    )


class Validation(Spec):
    """When a night of an application is refused at ingest."""

    max_quarantined: float = Field(
        default=0.2, ge=0, le=1, description="the share of bad rows above which it is refused"
    )
    max_input_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")
    max_output_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")


DURATION = r"^\d{1,4}(\.\d+)?[mhd]$"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Cadence = Literal["nightly", "weekdays", "irregular"] | tuple[Weekday, ...]


class App(Spec):
    """One application, in `apps/NAME.yaml`."""

    app: Name = Field(pattern=NAME)
    title: str = Field(default="", description="what pages call it")
    description: str = Field(default="", description="what it does, in a sentence")
    owner: str = Field(default="", description="an e-mail address, or `team:name`")
    suite: Name | None = Field(default=None, description="null: guardrails only")
    validation: Validation = Field(
        default=Validation(), description="when a night is refused at ingest"
    )
    gate: Gate = Field(default=Gate(), description="when a night counts as regressed")
    budget: Budget = Field(
        default=Budget(), description="the most a day may spend on it; null: the catalog's alone"
    )
    lateness: str = Field(
        default="6h",
        pattern=DURATION,
        description="how long after its end a night may still get rows: until then it is "
        "provisional and pages nobody (`90m`, `6h`, `2d`)",
    )
    review_queue: int = Field(default=20, ge=0, description="answers a person is asked to read")
    cadence: Cadence = Field(
        default="nightly",
        description="the nights on which it has traces; one of them without any is missing: "
        "`nightly`, `weekdays` (Monday to Friday), a list such as `[mon, thu]`, or `irregular`, "
        "where none is ever missing",
    )
    language: str | None = Field(
        default=None, description="the language its answers should be in (ISO)"
    )
    redact: tuple[str, ...] = Field(
        default=("email", "card", "iban", "ssn", "phone"),
        description="kinds of personal data redacted at ingest; secrets always are",
    )

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
