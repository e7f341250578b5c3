"""Intervals, tests and corrected estimates, from counts and sums of squares.

Reads no table and knows no evaluator: dbt counts, and what a figure decides is the report's.
"""

from evals.statistics.comparisons import (
    Decomposition,
    Difference,
    benjamini_hochberg,
    difference,
    holm,
    kitagawa,
    mcnemar,
    mde,
    needed_n,
    newcombe,
    slice_test,
)
from evals.statistics.corrections import Agreement, Estimate, Kappa, post_stratified, rogan_gladen
from evals.statistics.intervals import (
    Errors,
    Interval,
    critical,
    effective_n,
    standard_errors,
    t_quantile,
    wilson,
)
from evals.statistics.proportions import Proportion, Weights, together, weighted

__all__ = [
    "Agreement",
    "Decomposition",
    "Difference",
    "Errors",
    "Estimate",
    "Interval",
    "Kappa",
    "Proportion",
    "Weights",
    "benjamini_hochberg",
    "critical",
    "difference",
    "effective_n",
    "holm",
    "kitagawa",
    "mcnemar",
    "mde",
    "needed_n",
    "newcombe",
    "post_stratified",
    "rogan_gladen",
    "slice_test",
    "standard_errors",
    "t_quantile",
    "together",
    "weighted",
    "wilson",
]
