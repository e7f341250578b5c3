"""The settings that a night was decided under: whatever of the catalog may change a verdict.

Evaluators' versions and the reports a night is compared with are in `provenance`; labels are
counted in `agreement`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from evals.reports.decide.blessed import Blessed
from evals.reports.json_form import Count, Share, absent_if
from evals.reports.section import Day, NightData, Parts, Section
from evals.specs import App, Attacks, Dimension, Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """When a night counts as regressed."""

    dimensions: tuple[str, ...]
    """Those that decide beside `answered`; empty: every one."""
    baseline_nights: Annotated[int, Field(ge=1)]
    max_drop: Share
    """The smallest drop that matters."""
    alpha: Share
    """How often chance alone may look like a change."""
    min_coverage: Share = absent_if(0.5)
    """The share of sampled answers that an evaluator must have judged."""
    min_answers: Count = absent_if(1)
    """The answers that a target needs to decide."""


@dataclass(frozen=True, slots=True)
class SliceGateSettings:
    """When a slice of a dimension decides for itself."""

    slice: str
    target: Share | None
    max_drop: Share | None
    min_answers: Count | None = absent_if(None)
    """The answers that its target needs, where the suite sets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blessing:
    """The report that a person named as the baseline."""

    date: Day
    """Of its night."""
    version: str
    by: str
    reason: str
    first: Day = field(metadata={"key": "from"})
    """The first night that is compared with it."""


@dataclass(frozen=True, slots=True)
class DimensionSettings:
    """How a dimension of the suite counts."""

    dimension: str
    target: Share | None
    gate: bool
    min_coverage: Share | None = absent_if(None)
    """The share of answers that must be judged, where the suite sets one."""
    max_drop: Share | None = absent_if(None)
    """The smallest drop that matters, where the suite sets one."""
    min_answers: Count | None = absent_if(None)
    """The answers that its target needs, where the suite sets them."""
    slices: tuple[SliceGateSettings, ...] = absent_if(())
    """The slices that decide for themselves."""


@dataclass(frozen=True, slots=True)
class SliceSettings:
    """How a slice is defined."""

    slice: str
    kind: Literal["by", "where", "keyword"]
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the night; all null or empty in a report made before they were kept."""

    gate: GateSettings | None = None
    dimensions: tuple[DimensionSettings, ...] = ()
    """In the suite's order."""
    slices: tuple[SliceSettings, ...] = ()
    """Those that cover the application."""
    max_quarantined: Share | None = None
    """The share of bad rows above which the night is refused."""
    max_attack_success: Share | None = None
    """The share of attacks above which a judge decides nothing."""
    attacks_each: Count | None = None
    """Attacks of each family that a judge gets."""
    blessed: Blessing | None = absent_if(None)
    """Beside the nights before."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a team declares for the application."""

    app: App
    dimensions: tuple[Dimension, ...]
    slices: tuple[Slice, ...]
    attacks: Attacks
    blessed: Blessed | None = None


def collect(night: NightData) -> Declared:
    """Reads the catalog's declarations."""
    dimensions, slices = tuple(night.dimensions.values()), tuple(night.slices)
    return Declared(night.app, dimensions, slices, night.attacks, night.blessed)


def build(declared: Declared, parts: Parts) -> Settings:
    """Returns the settings that may change a verdict."""
    del parts
    gate = declared.app.gate
    return Settings(
        gate=GateSettings(
            dimensions=gate.dimensions,
            baseline_nights=gate.baseline_nights,
            max_drop=gate.max_drop,
            alpha=gate.alpha,
            min_coverage=gate.min_coverage,
            min_answers=gate.min_answers,
        ),
        dimensions=tuple(describe_dimension(one) for one in declared.dimensions),
        slices=tuple(
            describe_slice(one)
            for one in declared.slices
            if not one.apps or declared.app.app in one.apps
        ),
        max_quarantined=declared.app.validation.max_quarantined,
        max_attack_success=declared.attacks.max_success,
        attacks_each=declared.attacks.each,
        blessed=describe_blessing(declared.blessed),
    )


def describe_dimension(declared: Dimension) -> DimensionSettings:
    """Returns how a dimension counts."""
    return DimensionSettings(
        declared.dimension,
        declared.target,
        declared.gate,
        declared.min_coverage,
        declared.max_drop,
        declared.min_answers,
        tuple(
            SliceGateSettings(name, own.target, own.max_drop, own.min_answers)
            for name, own in sorted(declared.slices.items())
        ),
    )


def describe_blessing(blessed: Blessed | None) -> Blessing | None:
    """Returns the blessed baseline as the report shows it."""
    if blessed is None:
        return None
    return Blessing(
        date=blessed.night,
        version=blessed.version,
        by=blessed.by,
        reason=blessed.reason,
        first=blessed.first,
    )


def describe_slice(declared: Slice) -> SliceSettings:
    """Returns a slice's definition."""
    kind: Literal["by", "where", "keyword"] = (
        "by" if declared.by is not None else "where" if declared.where is not None else "keyword"
    )
    return SliceSettings(
        declared.slice, kind, declared.by or declared.where or declared.keyword or ""
    )


def build_for_refused(night: NightData) -> Settings:
    """Returns the settings of a refused night, as of any other."""
    return build(collect(night), Parts())


SECTION = Section[Declared, Settings](
    name="settings",
    about="Whatever of the catalog may change a verdict: the gate, targets, slices, limits.",
    part=Settings,
    collect=collect,
    build=build,
    empty=build_for_refused,
    default=Settings(),
    has_fragment=False,
)
