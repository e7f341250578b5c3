"""Finds how the prompt before answered the same request: the answer that one is compared with.

Only first turns are compared, for a later one means what its conversation makes of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from evals.records import Trace
from evals.storage.lake import Lake
from evals.storage.queries import create_table_view, open_duckdb, quote_text

REACH = timedelta(days=31)
"""How far back the same request is looked for."""
BYTES = 128_000_000
"""Bytes of traces that are looked through, at most: those of the last nights."""
MOST = 2_000
"""Traces whose earlier answers are looked for at a time."""
QUERY = """
with answered as (
  select trace_id, ts, input, output, coalesce(prompt_version, prompt_hash) as prompt
  from traces
  where app = {app} and input <> '' and coalesce(turn, 1) = 1
),
asked as (select * from answered where trace_id in ({ids}) and prompt is not null)
select
  asked.trace_id as asked_id,
  arg_max(
    struct_pack(
      trace_id := older.trace_id, ts := older.ts, output := older.output, prompt := older.prompt
    ),
    (older.ts, older.trace_id)
  ) as found,
  any_value(asked.input) as input
from asked
join answered as older
  on older.input = asked.input and older.ts < asked.ts and older.prompt <> asked.prompt
group by asked.trace_id
"""


def find_previous(lake: Lake, night: date, app: str, traces: Collection[str]) -> dict[str, Trace]:
    """Finds the last earlier answer to each request under another prompt, by trace.

    Args:
        lake: has the traces.
        night: the night of the traces.
        app: their application.
        traces: their ids; of very many, the first ones are looked for.

    Returns:
        Answers with their request, time and prompt, and nothing else of them.
    """
    ids = list(traces)[:MOST]
    nights = list_recent_nights(lake, night) if ids else []
    if not nights:
        return {}
    listed = ", ".join(map(quote_text, ids))
    with open_duckdb() as db:
        create_table_view(db, lake, "traces", nights)
        query = QUERY.format(app=quote_text(app), ids=listed)
        rows = db.sql(query).to_arrow_table().to_pylist()
    return {row["asked_id"]: build_previous(row, app) for row in rows}


def list_recent_nights(lake: Lake, night: date) -> list[date]:
    """Lists a night and those before it, as many as are looked through."""
    chosen: list[date] = []
    size = 0
    for one in sorted(lake.list_nights("traces"), reverse=True):
        if not night - REACH <= one <= night:
            continue
        size += sum(path.stat().st_size for path in lake.list_files("traces", [one]))
        if chosen and size > BYTES:
            break
        chosen.append(one)
    return chosen


def build_previous(row: dict[str, Any], app: str) -> Trace:
    """Builds an earlier answer from a row."""
    found = row["found"]
    return Trace(
        trace_id=found["trace_id"],
        ts=found["ts"],
        app=app,
        output=found["output"] or "",
        input=row["input"],
        prompt_version=found["prompt"],
    )
