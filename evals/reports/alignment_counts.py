"""Counts the labels of each version of an evaluator: by split, and by slice.

Reads the marts and the mapped labels; what the counts mean is in `alignment`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.statistics import Agreement
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import verify_files
from evals.storage.queries import add_missing_columns, open_duckdb, quote_paths

LEAST_OF_SLICE = 10
"""Labels of a slice from which its agreement is shown."""
SHOWN_SLICES = 12
COUNTED = """
with compared as (
    select
        scores.date, scores.app, scores.trace_id, scores.dimension, scores.evaluator,
        scores.evaluator_version, scores.verdict, labels.verdict as label,
        if(scores.evaluator = labels.learner and labels.held_out, 'test', labels.split) as split
    from scores
    inner join labels
        on scores.date = labels.date
        and scores.app = labels.app
        and scores.dimension = labels.dimension
        and scores.subject = coalesce(labels.subject, 'trace')
        and scores.subject_id = coalesce(labels.subject_id, labels.trace_id)
        and (scores.evaluator is distinct from labels.learner or labels.held_out)
    where scores.status = 'scored' and labels.verdict is not null
),

placed as (
    select *, 'all' as slice from compared
    union all
    select compared.*, members.slice
    from compared
    inner join members using (date, app, trace_id)
    where members.slice <> 'all'
)

select
    app, dimension, evaluator, evaluator_version, slice, split,
    count(*) filter (verdict = 'pass' and label = 'pass') as tp,
    count(*) filter (verdict = 'fail' and label = 'pass') as fn,
    count(*) filter (verdict = 'pass' and label = 'fail') as fp,
    count(*) filter (verdict = 'fail' and label = 'fail') as tn
from placed
group by all
order by all
"""
Key = tuple[str, str, str, str]
"""Application, dimension, evaluator and its version."""


class SliceAgreement(NamedTuple):
    """Agreement on one slice, without the few-shot pool."""

    slice: str
    labels: Agreement


class Counts(NamedTuple):
    """The labels of one version of an evaluator, counted."""

    splits: Mapping[str, Agreement]
    slices: Sequence[SliceAgreement]


def count_labels(lake: Lake, nights: Sequence[date]) -> dict[Key, Counts]:
    """Counts the labels of every version of an evaluator by split and by slice."""
    scores = list_mart_files(lake, "fct_scores", nights)
    labels = lake.list_files("labels_mapped", nights)
    if not scores or not labels:
        return {}
    members = list_mart_files(lake, "fct_slice_members", nights)
    with open_duckdb() as db:
        for name, files in (("scores", scores), ("labels", labels), ("members", members)):
            db.execute(f"create view {name} as {describe_source(name, files)}")
        rows: list[dict[str, Any]] = db.sql(COUNTED).to_arrow_table().to_pylist()
    cells: dict[Key, dict[str, dict[str, Agreement]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        key = (row["app"], row["dimension"], row["evaluator"], row["evaluator_version"])
        counted = Agreement(row["tp"], row["fn"], row["fp"], row["tn"])
        cells[key][row["slice"]][row["split"]] = counted
    return {key: summarise(own) for key, own in cells.items()}


def describe_source(name: str, files: Sequence[Any]) -> str:
    """Returns the query of a view over files; one without rows where there are none."""
    if not files:
        return "select null::date as date, '' as app, '' as trace_id, '' as slice where false"
    verify_files(files)
    source = f"read_parquet({quote_paths(files)}, union_by_name=true, hive_partitioning=false)"
    return add_missing_columns("labels_mapped" if name == "labels" else name, source)


def summarise(by_slice: Mapping[str, Mapping[str, Agreement]]) -> Counts:
    """Returns the counts of one version: by split, and by slice the worst first."""
    slices = [
        SliceAgreement(name, add(splits[one] for one in ("dev", "test") if one in splits))
        for name, splits in by_slice.items()
        if name != "all"
    ]
    shown = [one for one in slices if one.labels.n >= LEAST_OF_SLICE]
    shown.sort(key=lambda one: (rate_of(one.labels), one.slice))
    return Counts(by_slice.get("all", {}), shown[:SHOWN_SLICES])


def rate_of(labels: Agreement) -> float:
    """Returns the share of labels with which an evaluator agrees."""
    return (labels.tp + labels.tn) / labels.n


def add(tables: Iterable[Agreement]) -> Agreement:
    """Returns tables as one."""
    cells = [(0, 0, 0, 0), *((one.tp, one.fn, one.fp, one.tn) for one in tables)]
    tp, fn, fp, tn = map(sum, zip(*cells, strict=True))
    return Agreement(tp, fn, fp, tn)
