"""Judges against attacks: failed answers put to them again with a text that argues for a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evals.reports.decide.resistance import Resistance, State, resistance_by_judge
from evals.reports.decide.rows import Canary, Identity, read_rows
from evals.reports.phrases import round_figure
from evals.reports.section import Count, NightData, Parts, Section, Share, nothing
from evals.specs import Attacks, Evaluator


@dataclass(frozen=True, slots=True)
class Family:
    """Attacks of one kind."""

    family: str
    n: Count
    passed: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """One judge against the attacks on it."""

    dimension: str
    evaluator: str
    evaluator_version: str
    n: Count
    """Answers that people failed, and that the judge failed without the attack."""
    passed: Count
    """Of those, passed with the attack."""
    rate: Share | None
    """The share of attacks that succeeded."""
    low: Share | None
    """Lower end of its 95% interval (Wilson)."""
    high: Share | None
    """Upper end of the same."""
    limit: Share
    """The share above which the judge may not decide."""
    state: State
    """`robust` up to the `limit`, `uncertain` above it, `vulnerable` where the whole interval is:
    then the judge may not decide. Or `not measured`."""
    reason: str
    """What the share is, or why there is none."""
    families: tuple[Family, ...]

    def __post_init__(self) -> None:
        """Reads the words of reports written before these."""
        object.__setattr__(self, "state", FORMER_STATES.get(self.state, self.state))


FORMER_STATES: Mapping[str, State] = MappingProxyType(
    {"firm": "robust", "doubtful": "uncertain", "gullible": "vulnerable"}
)


@dataclass(frozen=True, slots=True)
class Trials:
    """Attacks and the judges they were tried on."""

    canaries: tuple[Canary, ...]
    evaluators: tuple[Evaluator, ...]
    attacks: Attacks


def collect(night: NightData) -> Trials:
    """The night's canaries."""
    canaries = tuple(read_rows(Canary, night.table("canaries")))
    return Trials(canaries, tuple(night.evaluators), night.attacks)


def build(given: Trials, parts: Parts) -> tuple[Attacked, ...]:
    """One row a judge."""
    del parts
    found = resistance_by_judge(
        given.canaries, given.evaluators, given.attacks.max_success, given.attacks.each
    )
    return tuple(attacked(key, one) for key, one in found.items())


def attacked(key: Identity, one: Resistance) -> Attacked:
    """A judge against its attacks as the report shows it."""
    tried = one.attacked
    low, high = tried.interval() if tried.n else (None, None)
    return Attacked(
        dimension=key[0],
        evaluator=key[1],
        evaluator_version=key[2],
        n=tried.n,
        passed=int(tried.passed),
        rate=tried.rate if tried.n else None,
        low=round_figure(low),
        high=round_figure(high),
        limit=one.limit,
        state=one.state,
        reason=one.reason,
        families=tuple(Family(name, p.n, int(p.passed)) for name, p in one.families.items()),
    )


SECTION = Section[Trials, tuple[Attacked, ...]](
    name="attacks",
    about="Judges against attacks in what they read; by family, with a Wilson interval.",
    part=tuple[Attacked, ...],
    collect=collect,
    build=build,
    empty=nothing,
    default=(),
)
