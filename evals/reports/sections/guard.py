"""The guard in the request path, audited: what it let through, and what it stopped wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evals.evaluators import registry
from evals.reports.decide.rows import GuardCount, read_rows
from evals.reports.json_form import Count, Share
from evals.reports.section import NightData, Parts, Section, make_empty, show_rate
from evals.specs import Evaluator
from evals.statistics import Proportion

Judge = Literal["night", "people"]


@dataclass(frozen=True, slots=True)
class Wrong:
    """How often a guardrail decided otherwise than what it is compared with."""

    n: Count
    """Its decisions of that kind that have a verdict to compare with."""
    wrong: Count
    share: Share | None
    low: Share | None
    """Lower end of its 95% interval (Wilson)."""
    high: Share | None
    """Upper end of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One guardrail's decisions in the request path."""

    guardrail: str
    evaluator_version: str
    """The version that evaluated it at night."""
    action: str
    """What its policy does to an answer that trips it."""
    severity: str
    weak: str
    """Why its check is a weak signal; empty where it is not."""
    n: Count
    """Requests on which it decided."""
    stopped: Count
    """Blocked or redacted, those that could not be checked and fail closed among them."""
    flagged: Count
    unchecked: Count
    """Let through although the check failed or took too long."""
    skipped: Count
    """Requests it did not apply to."""
    missed_by_night: Wrong
    """Of what it let through: failed by the nightly check."""
    missed_by_people: Wrong
    """Of what it let through: failed by people's labels."""
    stopped_wrongly_by_night: Wrong
    """Of what it stopped: passed by the nightly check."""
    stopped_wrongly_by_people: Wrong
    """Of what it stopped: passed by people's labels."""


class Decisions(NamedTuple):
    """The decisions of a night, and the guardrails that may have made them."""

    counts: Sequence[GuardCount]
    rules: tuple[Evaluator, ...]


def collect(night: NightData) -> Decisions:
    """Reads the decisions that traces carry."""
    rules = tuple(one for one in night.evaluators if one.guardrail is not None)
    return Decisions(read_rows(GuardCount, night.read_rows_tonight("rpt_guard_audit")), rules)


def build(given: Decisions, parts: Parts) -> tuple[Audited, ...]:
    """Returns one row for each guardrail that decided on a request of the night."""
    del parts
    rows = ((rule, [c for c in given.counts if c.guardrail == rule.name]) for rule in given.rules)
    found = sorted(((rule, counts) for rule, counts in rows if counts), key=lambda row: row[0].name)
    return tuple(audit(rule, counts) for rule, counts in found)


def audit(rule: Evaluator, counts: Sequence[GuardCount]) -> Audited:
    """Compares one guardrail's decisions with the night's and with people's."""
    assert rule.guardrail is not None  # noqa: S101  `collect` leaves out others

    def count(*outcomes: str) -> int:
        return sum(one.n for one in counts if one.outcome in outcomes)

    stopped = [one for one in counts if one.outcome == "stopped"]
    passed = [one for one in counts if one.outcome in ("passed", "flagged", "unchecked")]
    return Audited(
        guardrail=rule.name,
        evaluator_version=rule.version,
        action=rule.guardrail.action,
        severity=rule.guardrail.severity,
        weak=registry.type_of(rule).weak,
        n=count("stopped", "passed", "flagged", "unchecked"),
        stopped=count("stopped"),
        flagged=count("flagged"),
        unchecked=count("unchecked"),
        skipped=count("skipped"),
        missed_by_night=compare(passed, "night", "fail"),
        missed_by_people=compare(passed, "people", "fail"),
        stopped_wrongly_by_night=compare(stopped, "night", "pass"),
        stopped_wrongly_by_people=compare(stopped, "people", "pass"),
    )


def compare(counts: Iterable[GuardCount], judge: Judge, contrary: str) -> Wrong:
    """Counts the decisions that a judge gave the contrary verdict on."""
    verdicts = [
        (one.night_verdict if judge == "night" else one.people_verdict, one.n) for one in counts
    ]
    judged = Proportion(
        sum(n for verdict, n in verdicts if verdict == contrary),
        sum(n for verdict, n in verdicts if verdict is not None),
    )
    shown = show_rate(judged)
    return Wrong(judged.n, int(judged.passed), shown.rate, shown.low, shown.high)


SECTION = Section[Decisions, tuple[Audited, ...]](
    name="guard",
    about="The guard in the request path against the nightly checks and people's labels.",
    part=tuple[Audited, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
