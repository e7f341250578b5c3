"""A night's sessions as an evaluator reads them: one trace of all turns, under the last one's id.

Single traces are read in `night_contents`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from evals.records import Json, LastTurn
from evals.storage.lake import Lake
from evals.storage.queries import create_table_view, open_duckdb, quote_text

ROWS = 2000
"""Turns that are read at a time."""
CONVERSATION = ("input", "output", "messages")
"""Columns of which a session's `messages` are made."""


def read_last_turns(lake: Lake, night: date, app: str) -> list[LastTurn]:
    """Reads the last turn of each session of an application's night."""
    last: dict[str, tuple[tuple[Any, str], str]] = {}
    for rows in lake.stream_batches("traces", night, ("trace_id", "session_id", "ts"), app):
        for row in rows:
            session = row["session_id"] or row["trace_id"]
            turn = ((row["ts"], row["trace_id"]), row["trace_id"])
            last[session] = max(last.get(session, turn), turn)
    return [LastTurn(trace_id, session) for session, (_, trace_id) in last.items()]


def read_sessions(
    lake: Lake, night: date, app: str, columns: Collection[str], within: set[str] | None
) -> Iterator[dict[str, Any]]:
    """Reads each session as the columns of one trace, a batch of turns in memory at a time.

    Args:
        lake: has the traces.
        night: the night that the sessions belong to.
        app: the application.
        columns: what the evaluator reads.
        within: the last turns that are covered; None: all.
    """
    names = dict.fromkeys(
        ("trace_id", "status", *columns, *(CONVERSATION if "messages" in columns else ()))
    )
    sql = (
        f"select {', '.join(names)}, coalesce(session_id, trace_id) as session_key from traces"  # noqa: S608
        f" where app = {quote_text(app)} order by session_key, ts, trace_id"
    )
    with open_duckdb() as db:
        create_table_view(db, lake, "traces", [night])
        batches = db.sql(sql).to_arrow_reader(ROWS)
        rows = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
        for _, turns in itertools.groupby(rows, key=lambda row: row["session_key"]):
            session = join_turns(list(turns), columns)
            if within is None or session["trace_id"] in within:
                yield session


def join_turns(turns: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> dict[str, Any]:
    """Joins the turns of a session to the columns of one trace.

    `input` is the first turn's, `messages` the whole conversation, `steps` those of all turns with
    their turn's number, `context` every passage once; everything else is the last turn's.
    """
    joined = {name: turns[-1].get(name) for name in ("trace_id", "status", *columns)}
    if "input" in joined:
        joined["input"] = turns[0]["input"]
    if "messages" in joined:
        joined["messages"] = json.dumps(list(list_messages(turns)), ensure_ascii=False)
    if "steps" in joined:
        joined["steps"] = json.dumps(list(list_steps(turns)), ensure_ascii=False)
    if "context" in joined:
        passages = dict.fromkeys(turn["context"] for turn in turns if turn["context"])
        joined["context"] = "\n\n".join(passages) or None
    return joined


def list_messages(turns: Iterable[Mapping[str, Any]]) -> Iterator[Json]:
    """Lists the conversation: what came before its first turn, then question and answer by turn."""
    for number, turn in enumerate(turns):
        if number == 0:
            yield from find_opening(turn)
        if turn["input"]:
            yield {"role": "user", "content": turn["input"]}
        if turn["output"]:
            yield {"role": "assistant", "content": turn["output"]}


def find_opening(turn: Mapping[str, Any]) -> list[Json]:
    """Returns the messages before the first turn's question, such as the system's."""
    sent: list[Json] = json.loads(turn["messages"]) if turn["messages"] else []
    roles = [one.get("role") if isinstance(one, dict) else None for one in sent]
    last = max((n for n, role in enumerate(roles) if role == "user"), default=len(sent))
    return sent[:last]


def list_steps(turns: Iterable[Mapping[str, Any]]) -> Iterator[Json]:
    """Lists the steps of all turns, each with its turn's number from 1."""
    for number, turn in enumerate(turns, start=1):
        steps: list[Json] = json.loads(turn["steps"]) if turn["steps"] else []
        for step in steps:
            yield {"turn": number, **step} if isinstance(step, dict) else step
