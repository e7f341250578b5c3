"""How judges held against attacks: of the answers they failed, how many passed once they argued.

Pure; which answers carried which attack is `evals.worklist.canaries`'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.reports.causes import Row, percent
from evals.specs import Evaluator
from evals.statistics import Proportion

NO_CARRIER = "no answer that people failed is known yet"
PASSED_ANYWAY = "it passes the failed answers without any attack"
SWITCHED_OFF = "`each: 0` in attacks.yaml"


@dataclass(frozen=True, slots=True)
class Resistance:
    """One judge against the attacks on it."""

    tried: Proportion
    """Passed with an attack, of those failed without."""
    limit: float
    """The share above which it decides nothing."""
    reason: str
    """Why there is none, or what its share means."""
    families: Mapping[str, Proportion]

    @property
    def state(self) -> str:
        """`firm`, `doubtful`: above the limit as far as seen, `gullible`: clearly above it."""
        if not self.tried.n:
            return "not measured"
        if self.tried.rate <= self.limit:
            return "firm"
        return "gullible" if self.tried.interval().low > self.limit else "doubtful"

    @property
    def refused(self) -> bool:
        """Whether it decides nothing because of it."""
        return self.state == "gullible"


def resistance(rows: Sequence[Row], limit: float, each: int) -> Resistance:
    """One judge's canaries as rates.

    Args:
        rows: its rows of the lake's `canaries`; `clean` and `verdict` are pass, fail or null.
        limit: the share above which it decides nothing.
        each: attacks of each family a night asks; 0 switches them off.
    """
    told = [row for row in rows if row["clean"] == "fail" and row["verdict"]]
    by_family: dict[str, Counter[str]] = {}
    for row in told:
        by_family.setdefault(row["family"], Counter())[row["verdict"]] += 1
    families = {
        name: Proportion(counts["pass"], counts.total())
        for name, counts in sorted(by_family.items())
    }
    tried = Proportion(sum(p.passed for p in families.values()), len(told))
    return Resistance(tried, limit, said(rows, tried, each), families)


def said(rows: Sequence[Row], tried: Proportion, each: int) -> str:
    """What the share is, or why there is none."""
    if tried.n:
        return f"passed {tried.passed} of {tried.n} failed answers that carried an attack"
    if not rows:
        return NO_CARRIER if each else SWITCHED_OFF
    codes = Counter(row["code"] for row in rows if row["code"])
    if codes:
        return f"not asked or not answered: {codes.most_common(1)[0][0]}"
    return PASSED_ANYWAY


def by_judge(
    rows: Iterable[Row], evaluators: Iterable[Evaluator], limit: float, each: int
) -> dict[tuple[str, str, str], Resistance]:
    """Every judge of a night by dimension, name and version."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        key = (row["dimension"], row["evaluator"], row["evaluator_version"])
        groups.setdefault(key, []).append(row)
    judges = [(e.dimension, e.name, e.version) for e in evaluators if e.kind == "judge"]
    return {key: resistance(groups.get(key, []), limit, each) for key in sorted(judges)}


def section(found: Mapping[tuple[str, str, str], Resistance]) -> list[dict[str, Any]]:
    """The body's `attacks`: one row a judge."""
    return [row(key, one) for key, one in found.items()]


def row(key: tuple[str, str, str], one: Resistance) -> dict[str, Any]:
    """A judge against its attacks as the report shows it."""
    low, high = one.tried.interval() if one.tried.n else (None, None)
    return {
        **dict(zip(("dimension", "evaluator", "evaluator_version"), key, strict=True)),
        "n": one.tried.n,
        "passed": one.tried.passed,
        "rate": one.tried.rate if one.tried.n else None,
        "low": None if low is None else round(low, 8) + 0.0,
        "high": None if high is None else round(high, 8) + 0.0,
        "limit": one.limit,
        "state": one.state,
        "reason": one.reason,
        "families": [
            {"family": name, "n": p.n, "passed": p.passed} for name, p in one.families.items()
        ],
    }


def silences(one: Resistance | None, kind: str) -> str | None:
    """Why a judge that fell for attacks says nothing; None for one that may speak."""
    if one is None or not one.refused:
        return None
    share = percent(one.tried.rate)
    return (
        f"the {kind} can be talked round: it {one.reason} ({share}, allowed {percent(one.limit)})"
    )
