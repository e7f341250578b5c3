"""The traces of some nights with their attributes and verdicts, as the tables of a search.

Reads the lake; what is in a slice is decided by `attributes` and `search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from evals.slices.attributes import Attribute
from evals.slices.search import SMALLEST
from evals.storage.lake import Lake
from evals.storage.marts import list_mart_files
from evals.storage.parquet_files import verify_files
from evals.storage.queries import add_missing_columns, quote_paths, quote_text, read_parquet_files

if TYPE_CHECKING:
    import duckdb

ENOUGH = 5000
"""Traces; as many nights are read as have them, the newest first."""
TURN = (
    "case when session_id is not null then row_number() over "
    "(partition by date, app, session_id order by ts, trace_id) end as turn"
)
"""The place of a trace in its session, as in the dbt model `stg_traces`."""

TOPIC = {"topic": "varchar", "topic_id": "varchar", "topic_since": "date", "topic_models": "bigint"}
UNMET = ("refused", "apologised", "repeated", "rephrased", "abandoned")
LANGUAGES = ("input_language", "output_language")
REQUEST = ", ".join([*TOPIC, *(f"coalesce({name}, false) as {name}" for name in UNMET), *LANGUAGES])
"""What a trace's request is about, what became of it, and its languages, as in `int_traces`."""

ADDED = "null::varchar as subject, null::double as inclusion"
"""Columns that the marts of older versions lack."""


class Scored(NamedTuple):
    """An evaluator at one version, whose verdicts are searched."""

    dimension: str
    evaluator: str
    evaluator_version: str


def open_traces(
    db: duckdb.DuckDBPyConnection, lake: Lake, app: str, nights: Sequence[date]
) -> bool:
    """Creates the views `traces` and `scores` of an application's nights; False without any."""
    files, marts = lake.list_files("traces", nights), list_mart_files(lake, "fct_scores", nights)
    if not files or not marts:
        return False
    verify_files(files)
    hive = "hive_partitioning=true, hive_types={'date': DATE}"
    source = f"read_parquet({quote_paths(files)}, union_by_name=true, {hive})"
    db.execute(
        f"create or replace view traces as select traces.*, {REQUEST}, {TURN} from (select * "  # noqa: S608  our names
        f"replace (coalesce(status, 'ok') as status) from ({add_missing_columns('traces', source)})"
        f") as traces left join {describe_requests(lake, nights)} using (date, app, trace_id) "
        f"where app = {quote_text(app)}"
    )
    read_parquet_files(db, marts).create_view("every_score", replace=True)
    db.execute(
        "create or replace view scores as from (from every_score union all by name "
        f"select {ADDED} where false) where status = 'scored' "
        f"and coalesce(subject, 'trace') = 'trace' and app = {quote_text(app)}"
    )
    return True


def describe_requests(lake: Lake, nights: Sequence[date]) -> str:
    """Returns the SQL of the rows of the nights' requests; of none in nights of older versions."""
    files = lake.list_files("requests", nights)
    verify_files(files)
    if files:
        source = f"read_parquet({quote_paths(files)}, union_by_name=true, hive_partitioning=false)"
        rows = add_missing_columns("requests", source)
        return f"(select * exclude (content_hash) from ({rows}))"  # noqa: S608  our names
    kinds = {"date": "date", "app": "varchar", "trace_id": "varchar", **TOPIC}
    kinds |= dict.fromkeys(UNMET, "boolean") | dict.fromkeys(LANGUAGES, "varchar")
    return f"(select {', '.join(f'null::{kind} as {n}' for n, kind in kinds.items())} where false)"


def select_nights(
    db: duckdb.DuckDBPyConnection, lake: Lake, app: str, nights: Sequence[date]
) -> list[date]:
    """Selects the newest nights that together have enough traces, oldest first.

    Returns none where all have too few for one slice.
    """
    if not open_traces(db, lake, app, nights):
        return []
    counted = db.execute("select date, count(*) from traces group by all order by 1 desc")
    chosen, total = list[date](), 0
    for night, count in counted.fetchall():
        if total < ENOUGH:
            chosen.append(night)
            total += count
    return sorted(chosen) if total >= 4 * SMALLEST else []


def fill_verdicts(db: duckdb.DuckDBPyConnection, scored: Sequence[Scored]) -> None:
    """Makes the table `verdicts`: f0, f1, ... (1: failed) and w0, w1, ... of each trace."""
    columns = list[str]()
    for k, one in enumerate(scored):
        is_own = (
            f"dimension = {quote_text(one.dimension)} and evaluator = {quote_text(one.evaluator)} "
            f"and evaluator_version = {quote_text(one.evaluator_version)}"
        )
        columns += [
            f"max((verdict = 'fail')::tinyint) filter ({is_own}) as f{k}",
            f"max(1 / coalesce(inclusion, 1)) filter ({is_own}) as w{k}",
        ]
    db.execute(
        f"create or replace temp table verdicts as select date, trace_id, {', '.join(columns)} "  # noqa: S608  quoted
        "from scores group by date, trace_id"
    )


def fill_rows(db: duckdb.DuckDBPyConnection) -> None:
    """Makes the table `rows`: each scored trace with its number, session and half."""
    key = "coalesce('s' || session_id, 't' || date || trace_id)"
    db.execute(
        "create or replace temp table rows as select row_number() over (order by date, trace_id) "  # noqa: S608  our names
        f"as number, dense_rank() over (order by {key}) as session, "
        f"md5_number_lower('slices ' || {key}) % 2 = 1 as is_held_out, traces.*, "
        "verdicts.* exclude (date, trace_id) "
        "from traces join verdicts using (date, trace_id)"
    )


def fill_attributes(db: duckdb.DuckDBPyConnection, attributes: Sequence[Attribute]) -> None:
    """Adds a0, a1, ... to `rows`, the value of each attribute; null where it has none."""
    columns = "".join(f", try({one.expression}) as a{i}" for i, one in enumerate(attributes))
    db.execute(f"create or replace temp table attributed as select *{columns} from rows")  # noqa: S608  our SQL and the catalog's
