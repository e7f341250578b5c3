"""The tables of a lake: the record of each, and the columns that old files lack.

The records are in `evals.records` and `evals.table_rows`; `record_tables` makes Arrow tables.
"""

from __future__ import annotations

from evals.records import Answer, GuardVerdict, Refusal, Score, Trace
from evals.table_rows import (
    AnchorRow,
    CanaryRow,
    Coverage,
    MappedLabel,
    NoiseRow,
    PairRow,
    PartRow,
    RequestRow,
    SliceRow,
)

TABLES: dict[str, type] = {
    "traces": Trace,
    "staged": Trace,
    "quarantine": Refusal,
    "answers": Answer,
    "scores": Score,
    "verdicts": GuardVerdict,
    "coverage": Coverage,
    "canaries": CanaryRow,
    "noise": NoiseRow,
    "anchors": AnchorRow,
    "parts": PartRow,
    "pairs": PairRow,
    "requests": RequestRow,
    "labels_mapped": MappedLabel,
    "slices": SliceRow,
}


ADDED_COLUMNS = {
    name: {"subject": "varchar", "subject_id": "varchar", "origin": "varchar"}
    for name in ("scores", "verdicts")
} | {name: {"status": "varchar"} for name in ("traces", "staged")}
ADDED_COLUMNS["labels_mapped"] = {"pairs_passed": "bigint", "earlier": "bigint"}
ADDED_COLUMNS["requests"] = dict.fromkeys(
    ("content_hash", "input_language", "output_language"), "varchar"
)
"""Columns that old files lack, with their SQL types; a query adds them as nulls."""
