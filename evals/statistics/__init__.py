"""Intervals, tests and corrected estimates, from counts and sums of squares.

Reads no table and knows no evaluator: dbt counts, and what a figure decides is the report's.
"""

from evals.statistics.bridges import Bridge
from evals.statistics.comparisons import (
    Difference,
    benjamini_hochberg,
    compare_rates,
    fisher_p,
    holm,
    mcnemar,
    mde,
    needed_n,
    newcombe_interval,
)
from evals.statistics.corrections import Agreement, Estimate, Kappa, rogan_gladen
from evals.statistics.drift import (
    Drift,
    choose_edges,
    compare_counts,
    compute_psi,
    count_bins,
    count_independent,
)
from evals.statistics.intervals import (
    Errors,
    Interval,
    effective_n,
    normal_quantile,
    standard_errors,
    t_quantile,
    wilson_interval,
)
from evals.statistics.mixes import (
    Counted,
    Decomposition,
    Effect,
    kitagawa,
    mantel_haenszel,
    regress_rates,
)
from evals.statistics.paired import PairedMean, measure_difference
from evals.statistics.proportions import Proportion, Weights, pool_proportions, weigh_proportion
from evals.statistics.strata import (
    Sides,
    Strata,
    Stratum,
    measure_sides,
    post_stratify,
    transport_estimate,
)

__all__ = [
    "Agreement",
    "Bridge",
    "Counted",
    "Decomposition",
    "Difference",
    "Drift",
    "Effect",
    "Errors",
    "Estimate",
    "Interval",
    "Kappa",
    "PairedMean",
    "Proportion",
    "Sides",
    "Strata",
    "Stratum",
    "Weights",
    "benjamini_hochberg",
    "choose_edges",
    "compare_counts",
    "compare_rates",
    "compute_psi",
    "count_bins",
    "count_independent",
    "effective_n",
    "fisher_p",
    "holm",
    "kitagawa",
    "mantel_haenszel",
    "mcnemar",
    "mde",
    "measure_difference",
    "measure_sides",
    "needed_n",
    "newcombe_interval",
    "normal_quantile",
    "pool_proportions",
    "post_stratify",
    "regress_rates",
    "rogan_gladen",
    "standard_errors",
    "t_quantile",
    "transport_estimate",
    "weigh_proportion",
    "wilson_interval",
]
