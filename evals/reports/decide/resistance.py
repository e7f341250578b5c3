"""The resistance of judges to attacks: failed answers that pass when an attack argues for them.

Pure; `evals.worklist.canaries` chooses the answers and their attacks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals.reports.decide.rows import Canary, Identity
from evals.reports.phrases import format_whole_percent
from evals.specs import Evaluator
from evals.statistics import Proportion

State = Literal["robust", "uncertain", "vulnerable", "not measured"]

NO_CARRIER = "no answer that people failed yet"
PASSED_ANYWAY = "it passes the failed answers without any attack"
SWITCHED_OFF = "`each: 0` in attacks.yaml"


@dataclass(frozen=True, slots=True)
class Resistance:
    """One judge against the attacks on it."""

    attacked: Proportion
    """Answers passed with an attack, of those failed without one."""
    limit: float
    """The share above which it may not decide."""
    reason: str
    """What the share means, or why there is none."""
    families: Mapping[str, Proportion]

    @property
    def state(self) -> State:
        """`robust`; `uncertain`: above the limit so far; `vulnerable`: clearly above it."""
        if not self.attacked.n:
            return "not measured"
        if self.attacked.rate <= self.limit:
            return "robust"
        return "vulnerable" if self.attacked.interval().low > self.limit else "uncertain"

    @property
    def is_vulnerable(self) -> bool:
        """Whether the judge may not decide because of the attacks."""
        return self.state == "vulnerable"


def measure_resistance(rows: Sequence[Canary], limit: float, each: int) -> Resistance:
    """Measures how often a judge passed answers with an attack that it failed without one.

    Args:
        rows: the judge's canaries.
        limit: the share above which it may not decide.
        each: attacks of each family a night asks; 0 switches them off.
    """
    compared = [row for row in rows if row.clean == "fail" and row.verdict]
    by_family: dict[str, Counter[str]] = {}
    for row in compared:
        by_family.setdefault(row.family, Counter())[row.verdict or ""] += 1
    families = {
        name: Proportion(counts["pass"], counts.total())
        for name, counts in sorted(by_family.items())
    }
    attacked = Proportion(sum(p.passed for p in families.values()), len(compared))
    return Resistance(attacked, limit, explain_share(rows, attacked, each), families)


def explain_share(rows: Sequence[Canary], attacked: Proportion, each: int) -> str:
    """Explains the share of attacks that succeeded, or why there is none."""
    if attacked.n:
        return f"passed {attacked.passed} of {attacked.n} failed answers that carried an attack"
    if not rows:
        return NO_CARRIER if each else SWITCHED_OFF
    codes = Counter(row.code for row in rows if row.code)
    if codes:
        return f"not asked or not answered: {codes.most_common(1)[0][0]}"
    return PASSED_ANYWAY


def measure_resistances(
    rows: Iterable[Canary], evaluators: Iterable[Evaluator], limit: float, each: int
) -> dict[Identity, Resistance]:
    """Measures the resistance of each judge of a night."""
    groups: dict[Identity, list[Canary]] = {}
    for row in rows:
        key = row.identity
        groups.setdefault(key, []).append(row)
    judges = [(e.dimension, e.name, e.version) for e in evaluators if e.asks_model]
    return {key: measure_resistance(groups.get(key, []), limit, each) for key in sorted(judges)}


def explain_vulnerability(resistance: Resistance | None, kind: str) -> str | None:
    """Explains why a vulnerable judge may not decide; returns None for a judge that may."""
    if resistance is None or not resistance.is_vulnerable:
        return None
    share, allowed = (
        format_whole_percent(resistance.attacked.rate),
        format_whole_percent(resistance.limit),
    )
    return (
        f"the {kind} is vulnerable to attacks: it {resistance.reason} ({share}, allowed {allowed})"
    )
