"""Judges that were asked again about answers judged before: how far their verdicts moved.

What a change of the judge does to a rate is in `results` and `incidents`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from evals.reports.decide.anchors import WINDOW, Anchored, Drift, find_bridges, find_repeated
from evals.reports.decide.rows import Anchor, Identity, read_rows
from evals.reports.json_form import Change, Count, absent_if
from evals.reports.phrases import format_points, round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.specs import Evaluator

AnchorKind = Literal["changed", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgain:
    """A judge against the verdicts that the same answers had before."""

    dimension: str
    evaluator: str
    evaluator_version: str
    kind: AnchorKind
    """`changed`: another version had judged them; `same`: the judge itself, some nights ago."""
    before_version: str
    """The version that had judged them."""
    first: date = field(metadata={"key": "from"})
    """The first night that asked."""
    last: date = field(metadata={"key": "to"})
    asked: Count
    """Answers that stand for all of the earlier nights, each counted once."""
    n: Count
    """Of those, the ones with both verdicts."""
    fell: Count
    """Passed before, failed now."""
    rose: Count
    """Failed before, passed now."""
    labelled: Count = absent_if(0)
    """Further answers, asked for their labels in the test split."""
    code: str | None = absent_if(None)
    """Why most of the others have no verdict."""
    change: Change | None
    """How much more the judge passes of all answers like them; null without a verdict."""
    low: Change | None
    """Lower end of its 95% interval."""
    high: Change | None
    """Upper end of the same."""
    words: str


@dataclass(frozen=True, slots=True)
class Given:
    """The anchors of all nights so far, and the judges of this one."""

    date: date
    anchors: tuple[Anchor, ...]
    evaluators: tuple[Evaluator, ...]


def collect(night: NightData) -> Given:
    """Reads the anchors of all nights so far."""
    anchors = tuple(read_rows(Anchor, night.read_anchors_so_far()))
    return Given(night.date, anchors, tuple(night.evaluators))


def build(given: Given, parts: Parts) -> tuple[AskedAgain, ...]:
    """Returns the anchors of the last 28 nights, by judge."""
    del parts
    return tuple(row for judge in given.evaluators for row in describe_judge(given, judge))


def describe_judge(given: Given, judge: Evaluator) -> Iterator[AskedAgain]:
    """Yields what the anchors of a judge show: of its change, and of it since."""
    identity = (judge.dimension, judge.name, judge.version)
    first = given.date - WINDOW + timedelta(days=1)
    changed = find_bridges(given.anchors).get(identity)
    same = find_repeated(given.anchors, identity, first, given.date)
    kinds: tuple[tuple[AnchorKind, Anchored | None], ...] = (("changed", changed), ("same", same))
    for kind, found in kinds:
        if found and found.rows[-1].date >= first:
            labelled = sum(
                row.kind == kind and row.identity == identity and row.weight is None
                for row in given.anchors
            )
            yield build_row(identity, kind, found, labelled)


def build_row(identity: Identity, kind: AnchorKind, found: Anchored, labelled: int) -> AskedAgain:
    """Returns the anchors of a judge as the report shows them."""
    nights = [row.date for row in found.rows]
    change = Drift(min(nights), found).change if found.answered else None
    bridge = [(row.before, row.verdict) for row in found.rows]
    return AskedAgain(
        dimension=identity[0],
        evaluator=identity[1],
        evaluator_version=identity[2],
        kind=kind,
        before_version=found.before_version,
        first=min(nights),
        last=max(nights),
        asked=len(found.rows),
        n=found.answered,
        fell=bridge.count(("pass", "fail")),
        rose=bridge.count(("fail", "pass")),
        labelled=labelled,
        code=found.code,
        change=round_figure(change.value if change else None),
        low=round_figure(change.low if change else None),
        high=round_figure(change.high if change else None),
        words=f"{format_points(*change[:3])} points on {found.describe_count()}"
        if change
        else found.describe_count(),
    )


SECTION = Section[Given, tuple[AskedAgain, ...]](
    name="anchors",
    about="Judges against themselves on the same answers: after a change of their version, and "
    "from night to night.",
    part=tuple[AskedAgain, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
