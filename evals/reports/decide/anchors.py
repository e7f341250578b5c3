"""What anchors show of a judge: how far its rates moved by itself, and its labels.

The statistics are `evals.statistics.bridges`; which answers are anchors is the worklist's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from evals.reports.decide.rows import Anchor, Identity, Labelled
from evals.reports.phrases import format_points
from evals.statistics import Bridge, Effect, Proportion, Stratum, normal_quantile
from evals.statistics.bridges import count_needed, has_drifted, log_ratio

LEAST = 20
"""Anchors without which nothing is carried from one judge to another."""
WINDOW = timedelta(days=28)
"""Nights whose anchors show whether a judge is still the same."""
ALPHA = 0.05
CERTAIN = 2.6
"""Standard errors from which a part of a change is reported."""


class Shown(NamedTuple):
    """A difference of rates with its 95% interval."""

    value: float
    low: float
    high: float
    z: float
    """In standard errors."""

    @classmethod
    def of(cls, effect: Effect) -> Shown:
        """Returns an effect with its interval."""
        half, value = normal_quantile(ALPHA) * effect.se, effect.value
        z = value / effect.se if effect.se else 0.0
        return cls(value, max(-1.0, value - half), min(1.0, value + half), z)

    @property
    def is_clear(self) -> bool:
        """Whether it is reported: looked at each night, it takes more than one interval at 95%."""
        return abs(self.z) >= CERTAIN

    def describe(self, subject: str) -> str:
        """Describes who moved by how much: `the judge drifted by −12 ± 4 points`."""
        return f"{subject} by {format_points(*self[:3])} points"


@dataclass(frozen=True)
class Anchored:
    """The anchors of a judge's version against the version before it, or against itself."""

    rows: tuple[Anchor, ...]
    """With a weight: those that stand for all answers."""

    @property
    def before_version(self) -> str:
        """The version that judged them first."""
        return self.rows[-1].before_version

    @property
    def answered(self) -> int:
        """How many have both verdicts."""
        return sum(row.verdict is not None for row in self.rows)

    @property
    def code(self) -> str | None:
        """Why most of the others have none."""
        codes = Counter(row.code for row in self.rows if row.verdict is None and row.code)
        return codes.most_common(1)[0][0] if codes else None

    @property
    def is_enough(self) -> bool:
        """Whether they suffice to carry a rate over."""
        return self.answered >= LEAST

    @property
    def bridge(self) -> Bridge:
        """What they show of the two judges."""
        return Bridge(self.count("pass"), self.count("fail"))

    def count(self, before: str) -> Stratum:
        """Counts the anchors that had a verdict before."""
        weights = {"pass": 0.0, "fail": 0.0}
        squares = 0.0
        for row in self.rows:
            if row.before == before and row.verdict in weights:
                weights[row.verdict] += row.weight or 0.0
                squares += (row.weight or 0.0) ** 2
        return Stratum(weights["pass"], weights["fail"], squares)

    def describe_count(self) -> str:
        """Describes how many there are, and how many were not answered."""
        missing = len(self.rows) - self.answered
        text = f"{self.answered:,} anchor{'s' * (self.answered != 1)}"
        return f"{text}, {missing:,} more without a verdict ({self.code})" if missing else text


Bridges = Mapping[Identity, Anchored]
"""By the version that is asked."""


def find_bridges(rows: Iterable[Anchor]) -> dict[Identity, Anchored]:
    """Groups the anchors of judges with another version, by that version."""
    grouped: dict[Identity, list[Anchor]] = {}
    for row in rows:
        if row.kind == "changed" and row.weight is not None:
            grouped.setdefault(row.identity, []).append(row)
    return {
        key: Anchored(tuple(row for row in own if row.date == max(one.date for one in own)))
        for key, own in grouped.items()
    }


def find_repeated(
    rows: Iterable[Anchor], identity: Identity, first: date, last: date
) -> Anchored | None:
    """Finds the anchors of a judge that is the same, asked in some nights; None without any.

    Of an answer that was asked several times, the last time counts.
    """
    own = sorted(
        (row for row in rows if row.kind == "same" and row.identity == identity),
        key=lambda row: row.date,
    )
    latest = {row.content_key: row for row in own if first <= row.date <= last and row.weight}
    return Anchored(tuple(latest.values())) if latest else None


class Drift(NamedTuple):
    """A judge that changed under its version."""

    since: date
    """The night that the evidence begins with."""
    anchored: Anchored

    @property
    def change(self) -> Shown:
        """What it passes more of the anchors than it did."""
        bridge = self.anchored.bridge
        passed = bridge.passed.passed + bridge.passed.failed
        every = passed + bridge.failed.passed + bridge.failed.failed
        n = self.anchored.answered
        share = Proportion(passed / every * n, n, float(n))
        return Shown.of(bridge.measure_drift(share))


def find_drift(rows: Sequence[Anchor], identity: Identity, night: date) -> Drift | None:
    """Finds whether the anchors of the last nights show that a judge changed.

    Returns:
        Since when, with the anchors since; None where they do not show it.
    """
    nights: dict[date, Counter[str]] = {}
    for row in rows:
        if row.kind == "same" and row.identity == identity and night - WINDOW < row.date <= night:
            flips = nights.setdefault(row.date, Counter())
            if row.verdict is not None and row.verdict != row.before:
                flips[row.before] += 1
    days = sorted(nights)
    flips = [(nights[day]["pass"], nights[day]["fail"]) for day in days]
    if not has_drifted(flips):
        return None
    weights = [log_ratio(sum(down for down, _ in flips[i:]), sum(up for _, up in flips[i:]))
               for i in range(len(days))]  # fmt: skip
    since = days[max(range(len(days)), key=weights.__getitem__)]
    anchored = find_repeated(rows, identity, since, night)
    return Drift(since, anchored) if anchored else None


class Attribution(NamedTuple):
    """A change of a judged rate in two: what the judge did, and what the application did."""

    anchors: int
    judge: Shown
    application: Shown
    needed: int
    """The anchors that would find a drift as large as the change."""

    @property
    def is_judge(self) -> bool:
        """Whether the judge alone accounts for a fall: most of it, and what is left is not sure."""
        most = self.judge.value < min(0.0, self.application.value)
        is_clear = self.judge.is_clear and self.anchors >= LEAST
        return is_clear and most and self.application.high >= 0

    def describe(self) -> str:
        """Describes what moved; or how many anchors would tell the two apart."""
        parts, is_enough = list[str](), self.anchors >= LEAST
        if is_enough and self.judge.is_clear:
            moved = self.judge.describe("the judge drifted")
            parts.append(f"{moved} on {self.anchors:,} anchors")
        if is_enough and self.application.is_clear:
            moved = "fell" if self.application.value < 0 else "rose"
            parts.append(self.application.describe(f"the application {moved}") + " (bridged)")
        if parts:
            return "; ".join(parts)
        if self.needed > self.anchors:
            return (
                "the judge's drift and the application's fall cannot be told apart: "
                f"{self.anchors:,} anchors, {self.needed:,} needed"
            )
        return f"neither the judge nor the application moved clearly, on {self.anchors:,} anchors"


def attribute_change(anchored: Anchored, before: Proportion, after: Effect) -> Attribution:
    """Splits the change of a judged rate between the judge and the application.

    Args:
        anchored: the anchors.
        before: the rate of the earlier nights, as the judge had it then.
        after: the rate since, with its standard error.
    """
    bridge = anchored.bridge
    drift, carried = bridge.measure_drift(before), bridge.carry_rate(before)
    sampled, own = carried.rate * (1 - carried.rate) / carried.size, before.rate
    if_judge = bridge.measure_error_at(own, after.value) - bridge.measure_error(own)
    error = math.sqrt(sampled + max(0.0, if_judge))
    rest = Effect(after.value - carried.rate, math.hypot(after.se, error))
    anchor_error = math.sqrt(bridge.measure_error(own))
    change = after.value - before.rate
    needed = max(LEAST, count_needed(anchored.answered, anchor_error, change, ALPHA))
    return Attribution(anchored.answered, Shown.of(drift), Shown.of(rest), needed)


def label_anchors(rows: Iterable[Anchor]) -> list[Labelled]:
    """Returns the labels of anchors as those of the version that was asked about them.

    With it a judge is compared with people from its first night on. They are labels of the last of
    the answers' own nights; its rate over all answers is that of the anchors that stand for all.
    """
    every = [row for row in rows if row.kind == "changed"]
    grouped: dict[Identity, list[Anchor]] = {}
    for row in every:
        if row.label and row.verdict:
            grouped.setdefault(row.identity, []).append(row)
    return [count_labels(key, own, every) for key, own in sorted(grouped.items())]


def count_labels(key: Identity, own: Sequence[Anchor], every: Sequence[Anchor]) -> Labelled:
    """Counts the labelled anchors of a version."""
    cells = Counter((row.label, row.verdict) for row in own)
    tp, fn = cells["pass", "pass"], cells["pass", "fail"]
    fp, tn = cells["fail", "pass"], cells["fail", "fail"]
    night = max(one.trace_date or one.date for one in own)
    row = Labelled(*key, tp, fn, fp, tn, night, test_tp=tp, test_fn=fn, test_fp=fp, test_tn=tn)
    drawn = [one for one in every if one.identity == key and one.weight and one.verdict]
    if not drawn or any(one.probability is None for one in own):
        return row
    passed = math.fsum(one.weight or 0.0 for one in drawn if one.verdict == "pass")
    sums = weigh_labels(own)
    return row._replace(
        **{
            f"{part}_{name}": value
            for part in ("sampled", "locked")
            for name, value in sums.items()
        },
        locked_passes=tp + fn,
        locked_failures=fp + tn,
        judged=len(drawn),
        judged_weight=math.fsum(one.weight or 0.0 for one in drawn),
        judged_weight_passed=passed,
    )


CELLS = {
    ("pass", "pass"): "tp", ("pass", "fail"): "fn", ("fail", "pass"): "fp", ("fail", "fail"): "tn"
}  # fmt: skip
"""By label and verdict; pass is positive."""
OF_VERDICTS = (
    "pass_squares", "fail_squares", "fp_squares", "tn_squares", "pass_labels", "fail_labels"
)  # fmt: skip


def weigh_labels(own: Sequence[Anchor]) -> dict[str, float]:
    """Sums the weights of labelled anchors, as the mart `fct_agreement` does of labels."""
    sums = dict.fromkeys((*CELLS.values(), *OF_VERDICTS), 0.0)
    for one in own:
        cell, weight = CELLS[one.label or "", one.verdict or ""], 1 / (one.probability or 1.0)
        sums[cell] += weight
        sums[f"{one.verdict}_squares"] += weight**2
        sums[f"{one.verdict}_labels"] += 1
        if one.label == "fail":
            sums[f"{cell}_squares"] += weight**2
    return sums
