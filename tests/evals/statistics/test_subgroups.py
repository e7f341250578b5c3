"""Promises of the tests of groups within one sample, against published figures and SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.multitest import multipletests

from evals.statistics.subgroups import (
    compute_mid_p,
    find_cutoff,
    find_effective_size,
    measure_clusters,
    shrink_evidence,
    weigh_words,
)


@pytest.mark.parametrize(
    ("counts", "p"), [((9, 20, 100, 1000), 2.5837e-5), ((3, 20, 20, 1000), 0.003373)]
)
def test_mid_p_vectors(counts: tuple[int, int, int, int], p: float) -> None:
    """The mid-p of a group has the published figures."""
    failed, n, fails, rows = counts
    found = compute_mid_p(np.array([failed]), np.array([n]), fails, rows)
    assert found[0] == pytest.approx(p, rel=2e-4)


@given(st.integers(2, 400), st.data())
def test_mid_p_is_scipys(rows: int, data: st.DataObject) -> None:
    """Any group, from all to none of which failed, has the sum of SciPy's probabilities."""
    n, fails = data.draw(st.integers(1, rows)), data.draw(st.integers(0, rows))
    least, most = max(0, n + fails - rows), min(n, fails)
    counts = np.arange(least, most + 1)
    exact = hypergeom(rows, fails, n)
    found = compute_mid_p(counts, np.full(len(counts), n), fails, rows)
    assert found == pytest.approx(exact.sf(counts) + exact.pmf(counts) / 2, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 40))
def test_the_cutoff_is_that_of_benjamini_and_hochberg(ps: list[float], left_out: int) -> None:
    """What is at most the cut-off is what statsmodels rejects, tests left out included."""
    rejected = multipletests([*ps, *[1.0] * left_out], alpha=0.1, method="fdr_bh")[0]
    cutoff = find_cutoff(np.array(ps), len(ps) + left_out, 0.1)
    assert [p <= cutoff for p in ps] == list(rejected)[: len(ps)]


def test_words_are_weighed_as_published() -> None:
    """The vector of Monroe et al.'s z with their informative prior."""
    z = weigh_words(np.array([10.0, 3, 50, 1]), np.array([20.0, 30, 200, 2]))
    assert z == pytest.approx([1.934154, -1.645678, -0.459686, 0.548713], abs=1e-6)


def test_a_word_alone_marks_nothing() -> None:
    """It has no odds against other words."""
    assert weigh_words(np.array([9.0]), np.array([3.0])).tolist() == [0]


def test_rows_of_one_session_alone_are_no_evidence() -> None:
    """A slice that is one session shows nothing, one of many single rows all that it has."""
    codes = np.repeat(np.arange(50), 20)
    failed = (codes == 7).astype(float)
    clusters = measure_clusters(failed, codes)
    assert shrink_evidence(codes == 7, failed, clusters) == 0
    assert shrink_evidence(np.arange(1000) % 3 == 0, failed, clusters) < 1
    alone = measure_clusters(failed, np.arange(1000))
    assert shrink_evidence(codes == 7, failed, alone) == 1
    assert find_effective_size(codes == 7, failed, clusters) == 1
    assert find_effective_size(codes == 7, failed, alone) == 20
