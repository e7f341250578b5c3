"""Agreement of evaluators with people's labels, and of judges with their own repeated answers.

`evals.runs.noise` chooses which answers are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from evals.reports.decide.measurements import pool_labels
from evals.reports.decide.rows import Identity, Labelled, Repeats, read_rows
from evals.reports.json_form import Count, Share, absent_if
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty, show_rate
from evals.reports.sections import results
from evals.statistics import Agreement, Proportion, effective_n


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A judge's own noise: how often one more answer contradicts the first."""

    repeats: int
    """Times the same request is sent, with the same seed."""
    contents: Count
    """Those with a first verdict and at least one more."""
    n: Count
    """Further verdicts, each compared with the first of its content."""
    flips: Count
    """Of those, the ones that differ."""
    errors: Count
    """Further answers without a verdict: never a flip."""
    missing: Count
    """Further answers that are not there yet."""
    awaited: Count = absent_if(0)
    """Of the missing, those that come with a batch; only where some do."""
    rate: Share | None
    """The flip rate."""
    low: Share | None
    """Lower end of its 95% interval, clustered by content."""
    high: Share | None
    """Upper end of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """One evaluator against people's labels; the positive class is pass."""

    dimension: str
    evaluator: str
    evaluator_version: str
    n: Count
    """Labels compared, over all nights so far."""
    tp: Count
    """Both passed it."""
    fn: Count
    """People passed it, the evaluator failed it."""
    fp: Count
    """People failed it, the evaluator passed it."""
    tn: Count
    """Both failed it."""
    tpr: Share | None
    """Of the answers people passed, the share the evaluator passed."""
    tpr_low: Share
    """Lower end of its 95% interval."""
    tpr_high: Share
    """Upper end of the same."""
    tnr: Share | None
    """Of the answers people failed, the share the evaluator failed."""
    tnr_low: Share
    """Lower end of its 95% interval."""
    tnr_high: Share
    """Upper end of the same."""
    usable: bool
    """TPR and TNR both above .80, each on at least 20 labels."""
    noise: Noise | None = absent_if(None)
    """Only of a judge with `repeats` above 1, which has a row without labels too."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Labels and repeated answers to compare with."""

    labels: tuple[Labelled, ...]
    repeats: tuple[Repeats, ...]


def collect(night: NightData) -> Compared:
    """Reads the labels of all nights so far, and this night's repeats."""
    return Compared(
        labels=tuple(read_rows(Labelled, night.read_rows_so_far("fct_agreement"))),
        repeats=tuple(read_rows(Repeats, night.read_table_rows("noise"))),
    )


def build(given: Compared, parts: Parts) -> tuple[Agreed, ...]:
    """Compares this night's evaluators with human labels and with their own repeats."""
    shown = {row.identity for row in parts[results.SECTION]}
    repeats = {row.identity: row for row in given.repeats}
    unlabelled = {key: Agreement(0, 0, 0, 0) for key in repeats}
    tables = unlabelled | pool_labels(given.labels)
    return tuple(
        build_agreement(key, tables[key], repeats.get(key)) for key in sorted(tables.keys() & shown)
    )


def build_agreement(key: Identity, labels: Agreement, repeats: Repeats | None) -> Agreed:
    """Returns one evaluator's agreement as the report shows it."""
    tpr, tnr = labels.passes.interval(), labels.fails.interval()
    return Agreed(
        dimension=key[0],
        evaluator=key[1],
        evaluator_version=key[2],
        n=labels.n,
        tp=labels.tp,
        fn=labels.fn,
        fp=labels.fp,
        tn=labels.tn,
        tpr=labels.tpr,
        tpr_low=round_figure(tpr.low),
        tpr_high=round_figure(tpr.high),
        tnr=labels.tnr,
        tnr_low=round_figure(tnr.low),
        tnr_high=round_figure(tnr.high),
        usable=labels.is_usable,
        noise=measure_noise(repeats) if repeats else None,
    )


def measure_noise(row: Repeats) -> Noise:
    """Measures a judge's noise; without a pair there is no rate."""
    rate = estimate_flip_rate(row)
    shown = show_rate(rate)
    return Noise(
        repeats=row.repeats,
        contents=row.contents,
        n=rate.n,
        flips=row.flips,
        errors=row.errors,
        missing=row.missing,
        awaited=row.awaited,
        rate=shown.rate,
        low=shown.low,
        high=shown.high,
    )


def estimate_flip_rate(row: Repeats) -> Proportion:
    """Estimates the flip rate, clustered by content.

    Where no pair flipped, or all did, the correlation within a content is unknown: each content
    then counts as one observation.
    """
    n, flips = row.pairs, row.flips
    if not 0 < flips < n:
        return Proportion(flips, n, float(row.contents))
    return Proportion(flips, n, effective_n(flips, n, row.contents, row.square))


SECTION = Section[Compared, tuple[Agreed, ...]](
    name="agreement",
    about="Evaluators against people's labels over all nights so far, and judges against "
    "themselves.",
    part=tuple[Agreed, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    needs=(results.SECTION,),
)
