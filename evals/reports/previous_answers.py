"""Finds how the prompt before answered the same request: the answer that one is compared with.

The prompt before is as for judges that compare answers: one whose first answer came earlier. Only
first turns are compared, for a later one means what its conversation makes of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from evals.records import Trace
from evals.storage.lake import Lake
from evals.storage.queries import create_table_view, open_duckdb, quote_text

if TYPE_CHECKING:
    import duckdb

REACH = timedelta(days=31)
"""How far back the same request is looked for."""
BYTES = 96_000_000
"""Bytes of traces that are looked through, at most: those of the last nights."""
MOST = 2_000
"""Traces whose earlier answers are looked for at a time."""
FIND = """
with answered as (
  select trace_id, ts, input, coalesce(turn, 1) as turn,
    coalesce(prompt_name, '') || ':' || coalesce(prompt_version, prompt_hash) as prompt,
    coalesce(status, 'ok') = 'ok' and trim(output) <> '' as is_whole
  from traces
  where app = {app} and input <> '' and coalesce(prompt_version, prompt_hash) <> ''
),
prompts as (select prompt, min(ts) as since from answered group by prompt),
asked as (
  select * from answered join prompts using (prompt) where turn = 1 and trace_id in ({ids})
),
older as (select * from answered join prompts using (prompt) where turn = 1 and is_whole)
select
  asked.trace_id as asked_id,
  any_value(asked.input) as input,
  arg_max(older.trace_id, (older.ts, older.trace_id)) as trace_id
from asked
join older on older.input = asked.input and older.ts < asked.ts and older.since < asked.since
group by asked.trace_id
"""
"""Answers are read afterwards, of few traces: they are most of a table's bytes."""
READ = """
select trace_id, ts, output, coalesce(prompt_version, prompt_hash) as prompt
from traces where app = {app} and trace_id in ({ids})
"""


def find_previous(
    lake: Lake, night: date, app: str, traces: Collection[str], most_bytes: int = BYTES
) -> dict[str, Trace]:
    """Finds the last earlier answer to each request under another prompt, by trace.

    Args:
        lake: has the traces.
        night: the night of the traces.
        app: their application.
        traces: their ids; of very many, the first ones are looked for.
        most_bytes: bytes of traces that are looked through, at most.

    Returns:
        Answers with their request, time and prompt, and nothing else of them.
    """
    ids = list(traces)[:MOST]
    nights = list_recent_nights(lake, night, most_bytes) if ids else []
    if not nights:
        return {}
    with open_duckdb() as db:
        create_table_view(db, lake, "traces", nights)
        found = query_traces(db, FIND, app, ids)
        older = query_traces(db, READ, app, [row["trace_id"] for row in found]) if found else []
    answers = {row["trace_id"]: row for row in older}
    return {
        row["asked_id"]: build_previous({**row, **answers[row["trace_id"]]}, app) for row in found
    }


def query_traces(
    db: duckdb.DuckDBPyConnection, query: str, app: str, ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns the rows of a query about some traces of an application."""
    sql = query.format(app=quote_text(app), ids=", ".join(map(quote_text, ids)))
    return db.sql(sql).to_arrow_table().to_pylist()


def list_recent_nights(lake: Lake, night: date, most_bytes: int) -> list[date]:
    """Lists a night and those before it, as many as are looked through."""
    chosen: list[date] = []
    size = 0
    for one in sorted(lake.list_nights("traces"), reverse=True):
        if not night - REACH <= one <= night:
            continue
        size += sum(path.stat().st_size for path in lake.list_files("traces", [one]))
        if chosen and size > most_bytes:
            break
        chosen.append(one)
    return chosen


def build_previous(row: dict[str, Any], app: str) -> Trace:
    """Builds an earlier answer from its row."""
    return Trace(
        trace_id=row["trace_id"],
        ts=row["ts"],
        app=app,
        output=row["output"] or "",
        input=row["input"],
        prompt_version=row["prompt"],
    )
