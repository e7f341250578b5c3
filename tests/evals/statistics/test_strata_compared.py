"""Comparisons within strata against published figures."""

from __future__ import annotations

import numpy as np
import pytest

from evals.statistics import Counted, kitagawa, mantel_haenszel, regress_rates


def count(passed: float, n: float) -> Counted:
    """Rows of one stratum."""
    return Counted(n, n, passed / n)


def test_a_shift_of_mix_is_not_a_change_of_rate() -> None:
    """Shares moved from .8/.2 to .5/.5 move .10 to .175: all of it mix, with the known SEs."""
    parts = kitagawa([(count(40, 800), count(25, 500)), (count(60, 200), count(150, 500))])
    assert parts == pytest.approx((0.075, 0.007892, 0, 0.015701), abs=1e-6)


def test_versions_of_one_night_are_compared_within_strata() -> None:
    """The difference of Mantel and Haenszel with its standard error is the vector's."""
    strata = [(count(586, 630), count(52, 70)), (count(216, 270), count(18, 30))]
    effect = mantel_haenszel(strata)
    assert effect is not None
    assert (effect.value, effect.se) == pytest.approx((-0.191111, 0.046638), abs=1e-6)
    assert mantel_haenszel([(count(5, 10), Counted(0, 0, 0))]) is None


def test_crossed_columns_are_separated_with_robust_errors() -> None:
    """Effects and HC1 errors are statsmodels'; columns that always go together have none."""
    import statsmodels.api as sm

    design = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]], dtype=float)
    size, passed = np.array([40, 30, 20, 50]), np.array([36, 20, 17, 30])
    effects = regress_rates(design, size.astype(float), passed / size)
    verdicts = np.concatenate(
        [np.r_[np.ones(k), np.zeros(n - k)] for k, n in zip(passed, size, strict=True)]
    )
    fit = sm.OLS(verdicts, np.repeat(design, size, axis=0)).fit(cov_type="HC1")
    assert effects is not None
    assert [one.value for one in effects] == pytest.approx(list(fit.params))
    assert [one.se for one in effects] == pytest.approx(list(fit.bse))
    together = design[[0, 3]]
    assert regress_rates(together, size[[0, 3]].astype(float), np.array([0.9, 0.6])) is None
