"""Nightly evidence that a rate fell: a series of nights against its own weekday baseline.

Arrays have the shape (..., series, nights): the series of one application, boards before them
where many are simulated at once. What the evidence opens is `evals.reports.decide.incidents`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FULL, LONGEST, GAP = 28, 84, 7
"""Nights that a baseline needs, those it has at most, and those between it and tonight."""
WARM_UP = FULL + GAP
WARM_SPREAD = 0.09
"""The sd between nights that is assumed until there is a baseline to estimate it from."""
WARM_THRESHOLD, WARM_WINDOW = 4.8, 7
WINDOWS = (1, 2, 3, 5, 7, 10, 14, 21, 28)
CAP = 3.6
"""The most that one night adds to a window."""
AT_ONCE = 6.5
"""A single night of this z pages."""
UNCONTROLLED = 2.0
"""What the same window must show without control."""
DISTURBED = 2.5
"""A dimension whose own scan is above this is no control of its siblings."""
LEAST_SIBLINGS = 2
LARGEST_LAG = 0.6
SERIES = (5, 15, 30, 60)
THRESHOLDS = {FULL: (4.48, 4.77, 4.98, 5.22), LONGEST: (4.40, 4.71, 4.86, 4.95)}
"""By baseline and number of series: 3 to 4% of boards page falsely in 90 nights (simulated)."""

BEYOND = 0.3
"""Added for each e-fold of series beyond the last number of them."""
OF_MEAN = 0.2
"""Added for an application's mean, whose nights are correlated the most."""


class Panel(NamedTuple):
    """The nights of some series on the arcsine scale; NaN where nothing was scored."""

    y: Floats
    variance: Floats
    """Of y, from sampling alone."""
    weekdays: Ints
    """Of each night, 0 to 6."""


class Fit(NamedTuple):
    """A baseline; all but the last two have the shape (..., series)."""

    nights: Floats
    mean: Floats
    freedom: Floats
    residual_variance: Floats
    """Around the means of the weekdays."""
    spread: Floats
    """The variance between nights beyond sampling."""
    sampling: Floats
    """The mean variance from sampling."""
    is_full: Bools
    season: Floats
    """The shrunk deviation of each weekday, (..., series, 7)."""
    leverage: Floats
    """How uncertain each weekday's expectation is, relative to a night, (..., series, 7)."""
    residuals: Floats
    """Of the baseline's nights, 0 where a series had none, (..., series, baseline)."""

    def expect(self, weekday: int) -> Floats:
        """Returns the expected y of a weekday."""
        return self.mean + self.season[..., weekday]

    def predict_sd(self, weekday: int, variance: Floats) -> Floats:
        """Returns the sd of a night's y around its expectation."""
        night = self.spread + variance
        return np.sqrt(night + self.leverage[..., weekday] * (self.spread + self.sampling))


def transform_rate(failed: Floats, size: Floats) -> Floats:
    """Returns fails of a sample on the variance-stabilising scale (Anscombe 1948)."""
    return 2 * np.arcsin(np.sqrt((failed + 0.375) / (size + 0.75)))


def invert_transform(y: Floats) -> Floats:
    """Returns the rate of a point on the scale."""
    return np.sin(np.clip(y, 0, np.pi) / 2) ** 2


def make_panel(failed: Floats, size: Floats, weekdays: Ints) -> Panel:
    """Makes a panel of fails and effective sample sizes; a size of 0 is no night."""
    is_scored = size > 0
    sizes = np.where(is_scored, size, 1.0)
    y = np.where(is_scored, transform_rate(np.where(is_scored, failed, 0), sizes), np.nan)
    return Panel(y, np.where(is_scored, 1 / (sizes + 0.5), np.nan), weekdays)


def add_mean(panel: Panel, deciding: Bools) -> Panel:
    """Adds the mean of the deciding series as the last series, on nights that have them all."""
    y, variance = panel.y[..., deciding, :], panel.variance[..., deciding, :]
    count = y.shape[-2]
    if not count:
        mean = spread = np.full((*panel.y.shape[:-2], 1, panel.y.shape[-1]), np.nan)
    else:
        mean = y.mean(-2, keepdims=True)
        spread = variance.sum(-2, keepdims=True) / count**2
    return Panel(
        np.concatenate([panel.y, mean], -2),
        np.concatenate([panel.variance, spread], -2),
        panel.weekdays,
    )


def fit_baseline(panel: Panel, usable: Bools) -> Fit:
    """Fits level, season and spread of the usable nights; the season is shrunk (James & Stein).

    With fewer than `FULL` nights the spread is `WARM_SPREAD` and there is no season.
    """
    used = usable & np.isfinite(panel.y)
    weight = used.astype(np.float64)
    y = np.where(used, panel.y, 0.0)
    days = np.eye(7)[panel.weekdays]
    nights, per_day = weight.sum(-1), weight @ days
    count = np.maximum(nights, 1)
    mean = y.sum(-1) / count
    day_means = np.where(per_day > 0, (y @ days) / np.maximum(per_day, 1), mean[..., None])
    is_full = nights >= FULL
    centre = np.where(is_full[..., None], day_means, mean[..., None])
    residuals = (y - centre[..., panel.weekdays]) * weight
    kinds = (per_day > 0).sum(-1)
    freedom = np.maximum(nights - kinds, 1)
    within = (residuals**2).sum(-1) / freedom
    sampling = (np.where(used, panel.variance, 0.0)).sum(-1) / count
    shrink = find_shrinkage(per_day, day_means - mean[..., None], within, kinds) * is_full
    seen = per_day > 0
    own = np.where(seen, 1 / np.maximum(per_day, 1) - 1 / count[..., None], 0.0)
    return Fit(
        nights=nights,
        mean=mean,
        freedom=freedom,
        residual_variance=within,
        spread=np.where(is_full, np.maximum(0, within - sampling), WARM_SPREAD**2),
        sampling=sampling,
        is_full=is_full,
        season=shrink[..., None] * (day_means - mean[..., None]),
        leverage=1 / count[..., None] + shrink[..., None] * own,
        residuals=residuals,
    )


def find_shrinkage(per_day: Floats, deviations: Floats, within: Floats, kinds: Ints) -> Floats:
    """Returns how much of the weekdays' deviations is kept: 0 where chance explains them."""
    between = (per_day * deviations**2).sum(-1)
    lost = np.maximum(kinds - 3, 1) * within
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(between > 0, lost / between, 1.0)
    return np.clip(1 - ratio, 0, 1) * (kinds > 3)


def convert_t(t: Floats, freedom: Floats) -> Floats:
    """Returns the z with nearly the same tail probability as a Student's t (Wallace 1959)."""
    scale = (8 * freedom + 1) / (8 * freedom + 3)
    return np.sign(t) * scale * np.sqrt(freedom * np.log1p(t**2 / freedom))


def estimate_lag(residuals: Floats) -> Floats:
    """Estimates the correlation of successive nights, pooled over an application's series.

    Sampling hides less of it in the mean, the last series, which takes its own if that is larger.
    """
    products = (residuals[..., 1:] * residuals[..., :-1]).sum(-1)
    squares = (residuals**2).sum(-1)
    pooled = products.sum(-1, keepdims=True), squares.sum(-1, keepdims=True)
    lags = np.broadcast_to(find_ratio(*pooled), squares.shape).copy()
    lags[..., -1] = np.maximum(lags[..., -1], find_ratio(products[..., -1], squares[..., -1]))
    return np.clip(lags + 1 / max(residuals.shape[-1], 1), 0, LARGEST_LAG)


def find_ratio(products: Floats, squares: Floats) -> Floats:
    """Returns sums of products over sums of squares; 0 without any."""
    return products / np.where(squares > 0, squares, 1)


class Control(NamedTuple):
    """What the siblings explain of each series tonight."""

    shift: Floats
    """Subtracted from the series' own residual."""
    scale: Floats
    """Factor of the variance that is left."""


def control_series(fit: Fit, residual: Floats, is_control: Bools, is_controlled: Bools) -> Control:
    """Regresses each series on the mean residual of its siblings over the baseline.

    Args:
        fit: the baseline.
        residual: tonight's, NaN where there is none.
        is_control: the series that may be controls tonight.
        is_controlled: the series to be controlled.
    """
    count = residual.shape[-1]
    others = (is_control & np.isfinite(residual))[..., None, :] & ~np.eye(count, dtype=bool)
    siblings = others.sum(-1)
    weights = others / np.maximum(siblings, 1)[..., None]
    past = weights @ fit.residuals
    tonight = (weights @ np.where(np.isfinite(residual), residual, 0)[..., None])[..., 0]
    own = fit.residuals
    squares = (past**2).sum(-1)
    slope = np.clip((own * past).sum(-1) / np.where(squares > 0, squares, 1), 0, 1)
    slope = slope * (is_controlled & (siblings >= LEAST_SIBLINGS) & fit.is_full)
    left = ((own - slope[..., None] * past) ** 2).sum(-1) / np.maximum(fit.freedom - 1, 1)
    before = np.where(fit.residual_variance > 0, fit.residual_variance, 1)
    scale = np.where((slope > 0) & (left > 0), np.minimum(left / before, 1), 1.0)
    return Control(slope * tonight, scale)


def scan_windows(z: Floats, longest: Ints | int = WINDOWS[-1]) -> tuple[Floats, Ints]:
    """Scans the windows that end with the last night; NaN are nights without evidence.

    Returns:
        The largest sum of capped z over root nights, and the length of its window.
    """
    capped = np.where(np.isfinite(z), np.minimum(z, CAP), 0.0)
    sums = np.cumsum(capped[..., ::-1], -1)
    counts = np.cumsum(np.isfinite(z)[..., ::-1], -1)
    lengths = np.array([w for w in WINDOWS if w <= z.shape[-1]])
    values = sums[..., lengths - 1] / np.sqrt(np.maximum(counts[..., lengths - 1], 1))
    values = np.where(lengths <= np.asarray(longest)[..., None], values, -np.inf)
    best = values.argmax(-1)
    return np.take_along_axis(values, best[..., None], -1)[..., 0], lengths[best]


def sum_window(z: Floats, length: Ints) -> Floats:
    """Returns the scaled sum of capped z over each series' own window."""
    ages = np.array(range(z.shape[-1] - 1, -1, -1), dtype=np.int64)
    inside: Bools = np.less(ages, length[..., None])
    counted: Bools = np.isfinite(z) & inside
    total = np.where(counted, np.minimum(np.where(np.isfinite(z), z, 0), CAP), 0).sum(-1)
    return total / np.sqrt(np.maximum(counted.sum(-1), 1))


def find_threshold(series: int, nights: Floats) -> Floats:
    """Returns the scan's threshold for a board of so many series, by the nights of the baseline."""
    at, log_series = math.log(max(series, 1)), np.log(np.array(SERIES))
    few = float(np.interp(at, log_series, np.array(THRESHOLDS[FULL])))
    many = float(np.interp(at, log_series, np.array(THRESHOLDS[LONGEST])))
    beyond = max(0.0, at - float(log_series[-1])) * BEYOND
    share = np.clip((nights - FULL) / (LONGEST - FULL), 0, 1)
    return np.where(nights < FULL, max(WARM_THRESHOLD, few), few + share * (many - few)) + beyond


class Evidence(NamedTuple):
    """The evidence of each night so far; filled night by night by `weigh_night`."""

    z: Floats
    """Controlled, before whitening."""
    white: Floats
    """The same, whitened: what is scanned."""
    plain: Floats
    """Without control, before whitening."""
    plain_white: Floats
    """Without control, whitened."""


def start_evidence(panel: Panel) -> Evidence:
    """Returns the evidence of no night yet."""
    z, white, plain, plain_white = (np.full(panel.y.shape, np.nan) for _ in range(4))
    return Evidence(z, white, plain, plain_white)


class NightEvidence(NamedTuple):
    """What a night shows of each series, (..., series)."""

    fit: Fit
    pages: Bools
    score: Floats
    """Of the scan."""
    window: Ints
    """Nights of the winning window."""
    threshold: Floats
    lag: Floats
    """The correlation of successive nights."""


def select_baseline(panel: Panel, usable: Bools, night: int) -> tuple[slice, Bools]:
    """Selects the nights of a baseline: the last 84 that ended 7 nights ago; at first all of those.

    A series' first 7 nights are its baseline until the gap is kept.
    """
    first, last = max(0, night - GAP - LONGEST), max(night - GAP, 0)
    kept = usable & np.isfinite(panel.y)
    enough = kept[..., first:last].sum(-1) >= FULL
    start = np.where(kept.any(-1), kept.argmax(-1), night)
    end = np.where(enough, last, np.maximum(start + GAP, last))
    positions = np.arange(first, night)
    return slice(first, night), kept[..., first:night] & (positions < end[..., None])


def weigh_night(
    evidence: Evidence,
    panel: Panel,
    night: int,
    *,
    usable: Bools,
    is_disturbed: Bools,
    series: int,
    is_dimension: Bools | None = None,
) -> NightEvidence:
    """Adds a night to the evidence, and returns which series page.

    Args:
        evidence: of the nights before; changed.
        panel: the nights, the application's mean as the last series.
        night: its position.
        usable: the nights that may be in a baseline.
        is_disturbed: series with an open incident, which are no control of others.
        series: the number of series of the whole board.
        is_dimension: the series that may explain others, and be explained; None: all but the last.
    """
    span, base = select_baseline(panel, usable, night)
    past = Panel(panel.y[..., span], panel.variance[..., span], panel.weekdays[span])
    fit = fit_baseline(past, base)
    weekday = int(panel.weekdays[night])
    sd = fit.predict_sd(weekday, panel.variance[..., night])
    residual = np.where(fit.nights > 0, panel.y[..., night] - fit.expect(weekday), np.nan)
    lag = np.where(fit.is_full.any(-1, keepdims=True), estimate_lag(fit.residuals), 0.0)
    freedom = np.where(fit.is_full, fit.freedom, 1e9)
    evidence.plain[..., night] = convert_t(residual / sd, freedom)
    evidence.plain_white[..., night] = whiten(evidence.plain, night, lag)
    longest = np.where(fit.is_full, WINDOWS[-1], WARM_WINDOW)
    recent = slice(max(0, night + 1 - WINDOWS[-1]), night + 1)
    own_scan, _ = scan_windows(evidence.plain_white[..., recent], longest)
    if is_dimension is None:
        is_dimension = select_all_but_last(residual.shape[-1])
    is_control: Bools = is_dimension & (own_scan <= DISTURBED) & ~is_disturbed
    control = control_series(fit, residual, is_control, is_dimension)
    left = (residual - control.shift) / (sd * np.sqrt(control.scale))
    evidence.z[..., night] = convert_t(left, freedom)
    evidence.white[..., night] = whiten(evidence.z, night, lag)
    return decide_pages(evidence, night, fit, lag, longest, series)


def select_all_but_last(count: int) -> Bools:
    """Selects all series but the last, which is their mean."""
    selected = np.ones(count, dtype=np.bool_)
    selected[-1] = False
    return selected


def decide_pages(
    evidence: Evidence, night: int, fit: Fit, lag: Floats, longest: Ints, series: int
) -> NightEvidence:
    """Decides which series page: by a window of nights, or at once.

    The mean pages only with a full baseline: dimensions of a trace fall together, and without
    one it is not known how much.
    """
    recent = slice(max(0, night + 1 - WINDOWS[-1]), night + 1)
    tonight = evidence.white[..., night]
    score, window = scan_windows(evidence.white[..., recent], longest)
    without = sum_window(evidence.plain_white[..., recent], window)
    threshold = find_threshold(series, fit.nights)
    threshold[..., -1] += OF_MEAN
    by_window = (score >= threshold) & (without >= UNCONTROLLED)
    at_once = (tonight >= AT_ONCE) & (evidence.plain[..., night] >= UNCONTROLLED)
    pages = (by_window | at_once) & np.isfinite(tonight)
    pages[..., -1] &= fit.is_full[..., -1]
    window = np.where(at_once & ~by_window, 1, window)
    return NightEvidence(fit, pages, score, window, threshold, lag)


def whiten(z: Floats, night: int, lag: Floats) -> Floats:
    """Returns a night's z less what the night before predicts of it."""
    before = z[..., night - 1] if night else np.zeros(z.shape[:-1])
    before = np.where(np.isfinite(before), before, 0.0)
    own = np.where(before == 0.0, 0.0, lag)
    return (z[..., night] - own * before) / np.sqrt(1 - own**2)
