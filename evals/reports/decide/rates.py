"""Rates of rows as proportions: counted, weighted, pooled over nights, corrected by labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from evals.evaluators.registry import is_recorded, needs_alignment
from evals.reports.decide.judge_labels import JudgeLabels
from evals.reports.decide.labelling import is_from_people
from evals.reports.decide.rows import Rate
from evals.statistics import (
    Estimate,
    Proportion,
    Weights,
    effective_n,
    pool_proportions,
    weigh_proportion,
)


def count_scored(rows: Iterable[Rate]) -> int:
    """Counts rows with a verdict."""
    return sum(row.scored for row in rows)


def count_row(row: Rate) -> Proportion:
    """Returns a row's rate by its counts, with the effective size of its sessions."""
    size = effective_n(row.passed, row.scored, row.sessions, row.session_ss, row.session_squares)
    return Proportion(row.passed, row.scored, size)


def is_aligned(row: Rate, labels: JudgeLabels | None) -> bool | None:
    """Whether the evaluator agrees with people; None where that is not needed."""
    if needs_alignment(row.kind) or (is_recorded(row.kind) and not is_from_people(row)):
        return bool(labels and labels.is_aligned)
    return None


def pool_rates(rows: Sequence[Rate]) -> Proportion:
    """Pools nights as rates over all traces, weighted where a night was sampled unequally."""
    nights = [weigh_row(row) if row.is_weighted else count_row(row) for row in rows]
    return nights[0] if len(nights) == 1 else pool_proportions(nights)


def weigh_row(row: Rate) -> Proportion:
    """Returns a row's rate with each trace weighted by its inverse inclusion probability."""
    total, squares = row.scored_weight, row.scored_weight_squares
    weights = Weights(total, squares) if total and squares else None
    if row.weighted_rate is None or not row.scored:
        return replace(count_row(row), weights=weights)
    return weigh_proportion(
        row.weighted_rate,
        row.weighted_variance,
        row.scored,
        row.sessions,
        weights,
        row.session_squares,
    )


def estimate_rate(
    row: Rate, rate: Proportion, labels: JudgeLabels | None, night: date
) -> tuple[Estimate | None, str]:
    """Estimates the rate, corrected by labels where needed, and returns the estimator's name."""
    if not rate.n:
        return None, "none"
    if is_aligned(row, labels) is None:
        return Estimate(rate.rate, *rate.interval()), "weighted" if row.is_weighted else "raw"
    if labels is None or row.slice != "all":
        return None, "none"
    return labels.estimate(rate, night)
