"""A home with nights of scored traces in which some slices fail more, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evals.records import Trace
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet

APP = "shop"
TONIGHT = date(2026, 10, 8)
TOPICS = ("a parcel is late", "the invoice is wrong", "a lamp is broken", "refund my order please")
SCORE = {
    "app": APP, "subject": "trace", "origin": "production", "dimension": "price",
    "evaluator": "shop.price", "evaluator_version": "v1", "kind": "assertion",
    "status": "scored", "inclusion": 1.0,
}  # fmt: skip

Fails = Callable[[Trace], float]
"""The probability that a trace fails."""
Change = Callable[[Trace, int], Trace]
"""Changes the trace of a number."""


def draw_trace(rng: np.random.Generator, night: date, number: int) -> Trace:
    """Draws a trace of two turns a session, with attributes that decide nothing."""
    ts = datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(seconds=number)
    return Trace(
        trace_id=f"{night}-{number}",
        ts=ts,
        app=APP,
        session_id=f"{night}-s{number // 2}",
        input=f"Hello, {TOPICS[rng.integers(4)]}",
        output="ok",
        model=f"m{rng.integers(3)}",
        prompt_version=f"p{rng.integers(2)}",
        metadata={"tier": ["free", "paid"][rng.integers(2)], "id": number},
    )


def make_home(
    root: Path,
    fails: Fails,
    *,
    traces: int = 2000,
    nights: int = 1,
    change: Change | None = None,
    seed: int = 1,
) -> Lake:
    """Makes a home whose traces fail with some probability."""
    lake, rng = Lake(root).open(), np.random.default_rng(seed)
    for back in range(nights):
        night = TONIGHT - timedelta(days=back)
        drawn = [draw_trace(rng, night, number) for number in range(traces)]
        rows = [change(one, number) for number, one in enumerate(drawn)] if change else drawn
        lake.write("traces", night, [replace(one, content_hash=one.trace_id) for one in rows])
        scores = [make_score(one, night, bool(rng.random() < fails(one))) for one in rows]
        path = root / "marts" / "fct_scores" / f"date={night}" / "data.parquet"
        write_parquet(path, pa.Table.from_pylist(scores))
    return lake


def make_score(trace: Trace, night: date, failed: bool) -> dict[str, Any]:
    """Makes a row of `fct_scores`."""
    return SCORE | {
        "date": night,
        "trace_id": trace.trace_id,
        "verdict": "fail" if failed else "pass",
        "explanation": f"about {trace.trace_id}",
    }
