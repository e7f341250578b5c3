"""Judges under attack: failed answers are judged again with a text that argues for a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from evals.reports.decide.resistance import Resistance, State, measure_resistances
from evals.reports.decide.rows import Canary, Identity, read_rows
from evals.reports.json_form import Count, Share
from evals.reports.section import NightData, Parts, Section, make_empty, show_rate
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
        """Replaces the state names of older reports."""
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
    """Reads the night's canaries."""
    canaries = tuple(read_rows(Canary, night.read_table_rows("canaries")))
    return Trials(canaries, tuple(night.evaluators), night.attacks)


def build(given: Trials, parts: Parts) -> tuple[Attacked, ...]:
    """Returns one row for each judge."""
    del parts
    resistances = measure_resistances(
        given.canaries, given.evaluators, given.attacks.max_success, given.attacks.each
    )
    return tuple(build_attacked(key, resistance) for key, resistance in resistances.items())


def build_attacked(key: Identity, resistance: Resistance) -> Attacked:
    """Returns a judge's attacks as the report shows them."""
    tried, shown = resistance.attacked, show_rate(resistance.attacked)
    return Attacked(
        dimension=key[0],
        evaluator=key[1],
        evaluator_version=key[2],
        n=tried.n,
        passed=int(tried.passed),
        rate=shown.rate,
        low=shown.low,
        high=shown.high,
        limit=resistance.limit,
        state=resistance.state,
        reason=resistance.reason,
        families=tuple(Family(name, p.n, int(p.passed)) for name, p in resistance.families.items()),
    )


SECTION = Section[Trials, tuple[Attacked, ...]](
    name="attacks",
    about="Judges against attacks in what they read; by family, with a Wilson interval.",
    part=tuple[Attacked, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
