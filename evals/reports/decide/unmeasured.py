"""Why a row is not measured: the first rule that applies gives the reason.

What a measured row is called is decided in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable

from evals.evaluators.registry import is_recorded
from evals.reports.decide.anchors import LEAST as LEAST_ANCHORS
from evals.reports.decide.coverage import has_outage, measure_judged
from evals.reports.decide.judge_labels import explain_alignment
from evals.reports.decide.labelling import is_from_people
from evals.reports.decide.measurements import Measurement
from evals.reports.decide.resistance import explain_vulnerability
from evals.reports.phrases import format_whole_percent


def explain_slice(m: Measurement) -> str | None:
    """Returns a reason for a slice: it is compared with its whole, not with other nights."""
    is_alone = m.row.slice != "all" and not m.decides
    return "slices are compared within the night" if is_alone else None


def explain_awaited(m: Measurement) -> str | None:
    """Returns a reason where answers are expected from a provider."""
    if not m.pending:
        return None
    answers = "1 answer" if m.pending == 1 else f"{m.pending:,} answers"
    return f"{answers} awaited from a batch"


def explain_nothing_scored(m: Measurement) -> str | None:
    """Returns a reason where no row has a verdict."""
    if m.counted.n:
        return None
    if not m.row.n and m.row.slice != "all":
        return "no trace of the slice to evaluate"
    counts = {"errored": m.row.errored, "skipped": m.row.skipped}
    parts = [f"{n} {name}" for name, n in counts.items() if n]
    return f"nothing was scored ({', '.join(parts)})" if parts else "no trace to evaluate"


def explain_recorded(m: Measurement) -> str | None:
    """Returns a reason for a verdict that somebody else recorded."""
    if is_recorded(m.row.kind) and not is_from_people(m.row):
        return "recorded by someone else: not gating"
    return None


def explain_incomplete(m: Measurement) -> str | None:
    """Returns a reason where people judged too few of the night's answers."""
    labels = m.labelling
    if labels is None or labels.is_complete:
        return None
    judged = labels.covered - labels.unlabelled
    return (
        f"people judged {judged:,} of {labels.covered:,} answers "
        f"({format_whole_percent(labels.coverage)}); {format_whole_percent(labels.needed)} decide"
    )


def describe_unlabelled(m: Measurement) -> str | None:
    """Describes how many answers without a label could change the verdict; None without any."""
    if m.labelling is None or not m.labelling.unlabelled:
        return None
    n = m.labelling.unlabelled
    return f"{n:,} answer{'s' * (n != 1)} without a label could change it"


def explain_unaligned(m: Measurement) -> str | None:
    """Returns a reason for a judge or classifier that does not agree with people."""
    if m.aligned is not False:
        return None
    return explain_alignment(m.labels, m.row.kind)


def explain_attacked(m: Measurement) -> str | None:
    """Returns a reason for a judge that is vulnerable to attacks."""
    return explain_vulnerability(m.resistance, m.row.kind)


def explain_outage(m: Measurement) -> str | None:
    """Returns a reason where too many rows errored."""
    n, errored = m.row.n - m.row.skipped, m.row.errored
    return (
        f"{errored} of {n} errored ({format_whole_percent(errored / n)})"
        if has_outage(n, errored)
        else None
    )


def explain_partial(m: Measurement) -> str | None:
    """Returns a reason where too few of the sampled answers were judged."""
    judged = measure_judged(m.row, m.pending, m.needed)
    if m.row.unreached:
        return f"none of the {m.row.unreached:,} answers that had to be paid for was judged"
    if m.labelling or judged.is_enough:
        return None
    return (
        f"{judged.scored:,} of {judged.sampled:,} sampled answers were judged "
        f"({format_whole_percent(judged.share)}); {format_whole_percent(judged.needed)} decide"
    )


def explain_evaluator_change(m: Measurement) -> str | None:
    """Returns a reason where the evaluator changed, and too few anchors carry its rate over."""
    if not m.evaluator_changed:
        return None
    if m.anchored is None or m.anchored.is_enough:
        return "the evaluator changed"
    return (
        "the evaluator changed: what it and the application did cannot be told apart; "
        f"{m.anchored.describe_count()}, {LEAST_ANCHORS} needed"
    )


NOT_MEASURED: tuple[Callable[[Measurement], str | None], ...] = (
    explain_slice,
    explain_awaited,
    explain_nothing_scored,
    explain_recorded,
    explain_incomplete,
    explain_unaligned,
    explain_attacked,
    explain_outage,
    explain_partial,
    explain_evaluator_change,
)
"""Rules for not measured rows; the first reason counts."""
