"""The verdict of each measurement, and its reason in words.

Rows of the report are in `sections.results`; the verdict of the night is in `conclusion`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Literal, NamedTuple

from evals.reports.decide.families import Chances, adjust_chances, bound_value
from evals.reports.decide.measurements import Measurement
from evals.reports.decide.rows import Rate
from evals.reports.decide.unmeasured import NOT_MEASURED, describe_unlabelled
from evals.reports.phrases import format_day, format_points, format_whole_percent
from evals.specs import Gate
from evals.statistics import Difference, Proportion, mde, needed_n, normal_quantile
from evals.statistics.comparisons import POWER
from evals.statistics.series import CAP

Word = Literal["held", "slipped", "too close to call", "not measured"]
"""The four verdicts."""

NO_BASELINE = "no baseline yet"
LEAST_GAP = 0.01
"""From its target; of a rate that is nearer no number of answers is named."""
NEAR = 1.0
"""Below this z a night is near what was expected."""


class Verdict(NamedTuple):
    """The verdict of a measurement, and the reason for it."""

    word: Word
    reason: str
    blessed: Word | None = None
    """The verdict against the blessed baseline alone; None without one."""
    is_from_blessed: bool = False
    """Whether that decided."""


class Nightly(NamedTuple):
    """What a series of nights shows of a measurement."""

    z: float
    """How far tonight is below what was expected."""
    low: float
    """The lower bound of the change over the last nights."""
    is_full: bool
    """Whether its baseline is long enough to show how much nights differ."""
    score: float
    """The evidence so far that it fell."""
    threshold: float
    """From which the evidence opens an incident."""
    since: date | None
    """The first night of the incident that is open; None without one."""
    drift: str = ""
    """What is known of the judge's part in its fall."""
    is_of_judge: bool = False
    """Whether the fall is the judge's alone."""

    def explain_judge(self) -> str | None:
        """Returns a reason where a fall is the judge's alone."""
        return self.drift if self.is_of_judge else None

    def describe_next(self) -> str:
        """Describes whether another night such as this one can open an incident.

        A night adds at most the root of the sum of both squares.
        """
        if math.hypot(max(0.0, self.score), max(0.0, min(self.z, CAP))) >= self.threshold:
            return "another such night can open an incident"
        score = f"{max(0.0, self.score):.1f} of {self.threshold:.1f}"
        return f"that may be how nights differ: the evidence for an incident is {score}"

    def has_held(self, gate: Gate, tonight: Difference) -> bool:
        """Whether a drop of `max_drop` is ruled out, over the last nights and for tonight."""
        is_near = self.z < NEAR or tonight.low >= -gate.max_drop
        return self.low >= -gate.max_drop and is_near


def decide_verdicts(
    night: Sequence[Measurement],
    gate: Gate,
    nightly: Sequence[Nightly | None] = (),
    gates: Mapping[Rate, Gate] = MappingProxyType({}),
) -> list[Verdict]:
    """Decides each measurement; p values are adjusted for the rows that decide.

    Args:
        night: tonight's measurements.
        gate: the application's.
        nightly: what the nights show of each of them; None or nothing where it has no series.
        gates: the gate of each row, where rows have margins of their own.
    """
    shown = (*nightly[: len(night)], *[None] * (len(night) - len(nightly)))
    chances = adjust_chances(night, [one is not None for one in shown])
    verdicts = list[Verdict]()
    for m, chance, one in zip(night, chances, shown, strict=True):
        own = gates[m.row] if gates else gate
        trailing = decide_verdict(m, own, chance, one)
        verdicts.append(consider_blessed(m, own, chance.blessed, trailing))
    return verdicts


def consider_blessed(m: Measurement, gate: Gate, p: float, trailing: Verdict) -> Verdict:
    """Lets the blessed baseline decide where the rate slipped against it, or nothing else can."""
    own = judge_blessed(m, gate, p)
    if own is None:
        return trailing
    is_open = trailing.word in ("held", "too close to call")
    decides = trailing.reason == NO_BASELINE or (is_open and own.word == "slipped")
    return (own if decides else trailing)._replace(blessed=own.word, is_from_blessed=decides)


def judge_blessed(m: Measurement, gate: Gate, p: float) -> Verdict | None:
    """Judges a rate against the blessed one; None where there is none."""
    if m.blessed is None:
        return None
    d, before = m.blessed.difference, m.blessed.rate
    against = f"against the blessed night of {format_day(m.blessed.night, 'short')}"
    text = f"{describe_change(before.rate, m.rate.rate, d)} {against}"
    if p < gate.alpha and d.high < 0 and d.low < -gate.max_drop:
        return Verdict("slipped", text)
    if d.low >= -gate.max_drop or (m.blessed.finds(m.rate, gate) and d.change > -gate.max_drop / 2):
        return Verdict("held", text)
    shortfall = count_shortfall(m, before, gate)
    reason = f"{shortfall} {against}" if shortfall else f"{text}, which has {before.n:,} answers"
    return Verdict("too close to call", reason)


def decide_verdict(m: Measurement, gate: Gate, chance: Chances, nightly: Nightly | None) -> Verdict:
    """Decides a measurement by its target and the nights before.

    Slipped: the whole interval is below the target, or an incident of it is open. Held: the rate
    rose; or the last nights and tonight rule out a drop of `max_drop`, until there is a full
    baseline by the rule of a single comparison.
    """
    reason = next((text for rule in NOT_MEASURED if (text := rule(m))), None)
    if reason := reason or (nightly and nightly.explain_judge()):
        return Verdict("not measured", reason)
    if m.difference is None or m.baseline is None:
        return compare_with_target(m, gate, chance.target)
    d = m.difference
    text = describe_measured(m, m.baseline.pooled.rate, d)
    p = chance.change
    if misses_target(m, gate, chance.target):
        return Verdict("slipped", f"{text}, below {name_target(m)}")
    if nightly is None:
        return compare_with_baseline(m, gate, p, text)
    if nightly.since is not None:
        if nightly.since != m.row.date:
            text = f"{text}, since {format_day(nightly.since, 'short')}"
        return Verdict("slipped", f"{text}; {nightly.drift}" if nightly.drift else text)
    has_held = nightly.has_held(gate, d) if nightly.is_full else has_held_alone(m, gate, d)
    if (p < gate.alpha and d.change > 0) or has_held:
        return Verdict("held", text)
    if p < gate.alpha and d.high < 0:
        return Verdict("too close to call", f"{text}; {nightly.describe_next()}")
    shortfall = describe_shortfall(m, gate)
    if shortfall and m.attribution:
        shortfall = f"{shortfall}; {m.attribution.describe()}"
    return Verdict("too close to call", shortfall or text)


def compare_with_baseline(m: Measurement, gate: Gate, p: float, text: str) -> Verdict:
    """Decides a measurement without a series, such as people's verdicts, by one comparison.

    Held: the rate rose; or the interval excludes a drop of `max_drop`; or the night was large
    enough to find such a drop (power .8) and less than half of it was seen.
    """
    d = m.difference
    if d is None or (p < gate.alpha and d.change > 0) or d.low >= -gate.max_drop:
        return Verdict("held", text)
    if p < gate.alpha and d.high < 0:
        return Verdict("slipped", text)
    if has_held_alone(m, gate, d):
        return Verdict("held", text)
    reason = describe_unlabelled(m) or describe_shortfall(m, gate)
    return Verdict("too close to call", reason or text)


def has_held_alone(m: Measurement, gate: Gate, d: Difference) -> bool:
    """Whether one comparison rules a drop out, or was large enough to find it and did not."""
    if d.low >= -gate.max_drop:
        return True
    is_known = describe_shortfall(m, gate) is None and describe_unlabelled(m) is None
    return is_known and d.change > -gate.max_drop / 2


def compare_with_target(m: Measurement, gate: Gate, chance: float) -> Verdict:
    """Decides a measurement without a baseline by its target."""
    if m.target is None:
        return Verdict("not measured", NO_BASELINE)
    value, low, high = bound_value(m)
    share, target = format_whole_percent(value), name_target(m)
    if not m.is_aimed:
        return Verdict("too close to call", f"{share} against {target}; {describe_few(m)}")
    if misses_target(m, gate, chance):
        return Verdict("slipped", f"{share} is below {target}")
    if low >= m.target:
        return Verdict("held", f"{share} is above {target}")
    interval = f"[{format_whole_percent(low)}, {format_whole_percent(high)}]"
    needs = count_needed_for_target(m, gate)
    text = f"{share} {interval} against {target}"
    return Verdict("too close to call", f"{text}; {needs}" if needs else text)


def count_needed_for_target(m: Measurement, gate: Gate) -> str | None:
    """Counts the answers that would tell a rate from its target; None where they are too many."""
    rate, gap = smooth_rate(m.rate), abs(bound_value(m).value - (m.target or 0))
    if gap < LEAST_GAP:
        return None
    reach = normal_quantile(gate.alpha) + normal_quantile(2 * (1 - POWER))
    needs = math.ceil(reach**2 * rate * (1 - rate) / gap**2 * m.counted.n / m.rate.size)
    return describe_needed(m, needs)


def describe_few(m: Measurement) -> str:
    """Describes how many answers a target needs to decide."""
    n = m.counted.n
    return f"{n:,} answer{'s' * (n != 1)}; a target needs {m.min_answers:,}"


def misses_target(m: Measurement, gate: Gate, chance: float) -> bool:
    """Whether the whole interval is below the target, among all targets of the night."""
    if m.target is None or not m.is_aimed:
        return False
    return bound_value(m).high < m.target and chance < gate.alpha


def name_target(m: Measurement) -> str:
    """Returns the target for a sentence."""
    return f"its target of {format_whole_percent(m.target or 0)}"


def is_weighted(m: Measurement) -> bool:
    """Whether a side of the comparison is weighted."""
    return m.weighted is not None or bool(m.baseline and m.baseline.is_weighted)


def describe_change(before: float, after: float, d: Difference, *, weighted: bool = False) -> str:
    """Describes a change, such as `91% → 74% (−17 ± 6)`."""
    by = format_points(d.change, d.low, d.high) + (", weighted" if weighted else "")
    return f"{format_whole_percent(before)} → {format_whole_percent(after)} ({by})"


def describe_measured(m: Measurement, before: float, d: Difference) -> str:
    """Describes the change of a measurement, with the part of the traffic's mix where it is clear.

    Where the answers did not change, that comes first.
    """
    text = describe_change(before, m.rate.rate, d, weighted=is_weighted(m))
    if m.attribution:
        text = f"{text}; {m.attribution.describe()}"
    if m.mix is None:
        return text
    text = f"{text} at the same mix of traffic; {m.mix.describe()}"
    is_unmoved = d.low <= 0 <= d.high
    return f"the traffic changed, not the answers: {text}" if is_unmoved else text


def smooth_rate(*sides: Proportion) -> float:
    """Returns a pooled rate strictly between 0 and 1, for sample sizes."""
    return (sum(s.passed for s in sides) + 1) / (sum(s.n for s in sides) + 2)


def describe_shortfall(m: Measurement, gate: Gate) -> str | None:
    """Describes how many answers would decide; None where there were enough."""
    return count_shortfall(m, m.baseline.pooled, gate) if m.baseline else None


def count_shortfall(m: Measurement, before: Proportion, gate: Gate) -> str | None:
    """Counts the answers that would decide against a rate; None where there were enough."""
    needs = needed_n(smooth_rate(before, m.rate), gate.max_drop, before.size, gate.alpha)
    return describe_needed(m, math.ceil(needs * m.counted.n / m.rate.size))


def describe_needed(m: Measurement, needs: int) -> str | None:
    """Describes how many answers would decide; None where there were enough."""
    if needs <= m.counted.n:
        return None
    if m.row.sessions == 1 and m.counted.n > 1:
        return f"all {m.counted.n:,} answers are of one session; those of others would decide"
    return f"{m.counted.n:,} answer{'s' * (m.counted.n != 1)}; {needs:,} would decide"


def compute_smallest_difference(m: Measurement, gate: Gate) -> float | None:
    """Returns the smallest detectable difference to the baseline, or to a night like tonight."""
    if not m.counted.n:
        return None
    before = m.baseline.pooled if m.baseline else m.rate
    return mde(smooth_rate(before, m.rate), before.size, m.rate.size, gate.alpha)
