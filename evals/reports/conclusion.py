"""The conclusion of a night: its verdict, the release gate, and the page's first line.

It uses results and causes, and computes no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evals.reports.cause_rows import Cause
from evals.reports.decide.coverage import has_outage
from evals.reports.decide.verdicts import NO_BASELINE, Word
from evals.reports.incident_rows import IncidentRow
from evals.reports.phrases import format_day, join_names
from evals.reports.result_rows import Result
from evals.reports.sections.causes import shorten_causes

Outcome = Literal["pass", "regressed", "inconclusive", "infrastructure"]
WORST_FIRST: tuple[Word, ...] = ("slipped", "too close to call", "held", "not measured")
CHANGED = "its evaluator changed since, so it is open until a person accepts it"
UNDECIDED = "no evaluator may decide"


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The outcome of the release gate, with reasons."""

    outcome: Outcome
    """A slip outweighs an outage, an outage all the rest."""
    reasons: tuple[str, ...]


class Conclusion(NamedTuple):
    """The verdict of a night, in a sentence, and the gate's outcome."""

    verdict: Word
    sentence: str
    gate: GateDecision


def conclude_night(
    rows: Sequence[Result], causes: Sequence[Cause], still_open: Sequence[IncidentRow] = ()
) -> Conclusion:
    """Concludes a night from the worst verdict of the rows that decide.

    Args:
        rows: tonight's.
        causes: of what changed.
        still_open: the incidents that decide and are open: with one of them the night slipped.
    """
    deciding = [row for row in rows if row.decides]
    verdicts: list[Word] = [row.verdict for row in deciding]
    worst: Word = min(verdicts, key=WORST_FIRST.index) if verdicts else "not measured"
    if still_open and worst != "slipped":
        gate = decide_gate("slipped", deciding)
        reasons = (*map(describe_incident, still_open), *gate.reasons)
        sentence = f"Slipped: {join_few(list(map(describe_incident, still_open)))}."
        return Conclusion("slipped", sentence, GateDecision(gate.outcome, reasons))
    return Conclusion(worst, write_headline(worst, rows, causes), decide_gate(worst, deciding))


def describe_incident(row: IncidentRow) -> str:
    """Describes an incident of which no rate is measured as slipped tonight."""
    names = [rate.name for rate in row.rates]
    text = f"{join_names(names)} since {format_day(row.first, 'short')}, {row.state}"
    return f"{text}; {CHANGED}" if row.needs_person else text


def conclude_refused(reason: str) -> Conclusion:
    """Concludes a night that was refused at validation."""
    sentence = f"Not measured: the night was refused. {reason}"
    return Conclusion("not measured", sentence, GateDecision("infrastructure", (reason,)))


def write_headline(worst: Word, rows: Sequence[Result], causes: Sequence[Cause]) -> str:
    """Writes the page's first line: the verdict, where, by how much and why."""
    deciding = [row for row in rows if row.decides]
    at = [row for row in deciding if row.verdict == worst]
    if worst == "slipped":
        at.sort(key=lambda row: row.change if row.change is not None else 0)
        return f"Slipped: {join_few([describe_change(row, causes) for row in at])}."
    if worst == "too close to call":
        return f"Too close to call on {join_few([add_reason(row) for row in at])}."
    if worst == "held":
        return describe_held(at, deciding, causes)
    return f"Not measured: {explain_not_measured(rows)}."


def describe_change(row: Result, causes: Sequence[Cause]) -> str:
    """Describes one change with its cause, such as `price 91% → 74% (−17 ± 6), prompt v3`."""
    why = shorten_causes(cause for cause in causes if cause.key == row.key)
    return f"{row.name} {row.reason}" + (f", {why}" if why else "")


def add_reason(row: Result) -> str:
    """Returns a dimension with its reason in parentheses."""
    return f"{row.name} ({row.reason})"


def join_few(parts: Sequence[str], most: int = 3) -> str:
    """Joins the first few of a list, and counts the others."""
    more = len(parts) - most
    return "; ".join(parts[:most]) + (f"; and {more} more" if more > 0 else "")


def describe_held(at: Sequence[Result], deciding: Sequence[Result], causes: Sequence[Cause]) -> str:
    """Describes a night that held: on how much, what rose, and what is missing."""
    count = f"all {len(at)} measures" if len(at) > 1 else at[0].name
    if len(at) < len(deciding):
        count = f"{len(at)} of {len(deciding)} measures"
    text = f"Held on {count}"
    risen = [describe_change(row, causes) for row in at if row.change_low and row.change_low > 0]
    if risen:
        text += f"; up: {join_few(risen)}"
    shifted = [add_reason(row) for row in at if row.mix and row.mix.change < 0]
    if shifted:
        text += f"; {join_few(shifted, 1)}"
    worse = [f"{one.dimension}: {one.words}" for one in causes if one.same_night]
    if worse:
        text += f"; {join_few(worse, 1)}"
    missing = [row.name for row in deciding if row.verdict == "not measured"]
    return text + (f"; not measured: {join_few(missing)}" if missing else "") + "."


def explain_not_measured(rows: Sequence[Result]) -> str:
    """Explains why a night has no verdict."""
    whole = [row for row in rows if row.is_whole]
    if not whole:
        return "no evaluator covers this application's traces"
    unmeasured = [row for row in whole if row.decides]
    unmeasured = unmeasured or [row for row in whole if row.verdict == "not measured"]
    if not unmeasured:
        return UNDECIDED
    reasons = {row.reason for row in unmeasured}
    if reasons == {NO_BASELINE}:
        return "there is no earlier night to compare with yet"
    if len(reasons) == 1:
        return reasons.pop()
    return join_few([add_reason(row) for row in unmeasured])


def decide_gate(worst: Word, deciding: Sequence[Result]) -> GateDecision:
    """Decides the release gate: a slip outweighs an outage, an outage all the rest."""
    outcome: Outcome = "pass" if worst == "held" else "inconclusive"
    if worst == "slipped":
        outcome = "regressed"
    elif any(has_outage(row.n - row.skipped, row.errored) for row in deciding):
        outcome = "infrastructure"
    reasons = tuple(
        f"{row.name} ({row.evaluator}) {row.verdict}: {row.reason}"
        for row in deciding
        if row.verdict != "held"
    )
    return GateDecision(outcome, reasons if deciding else (UNDECIDED,))
