"""The check of support in the source on answers over passages, at one global threshold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.evaluators.guard_checks.support import Supported, measure_sentences
from tests.measure.data import find_folder, read_lines
from tests.measure.refusal import count_hits


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields recall and false positives of `supported` on RAGTruth's answers with passages."""
    folder = find_folder(data, "ragtruth_subset")
    bad = {
        row["trace_id"]
        for row in read_lines(folder / "labels.jsonl.gz")
        if row["verdict"] == "fail"
    }
    limits = Supported()
    flagged: dict[bool, list[tuple[bool, str]]] = {True: [], False: []}
    for row in read_lines(folder / "traces.jsonl.gz"):
        if row.get("context"):
            source = f"{row['input'] or ''}\n{row['context']}"
            found = list(measure_sentences(row["output"], source, limits.words))
            is_flagged = bool(found) and min(one.share for one in found) < limits.least
            flagged[row["trace_id"] in bad].append((is_flagged, row["context"]))
    for is_bad, rows in flagged.items():
        counted = count_hits([hit for hit, _ in rows], [context for _, context in rows])
        low, high = counted.interval()
        yield {
            "guardrail": "supported", "corpus": "RAGTruth answers with passages",
            "measures": "recall" if is_bad else "false positives", "n": len(rows),
            "sources": len({context for _, context in rows}), "flagged": int(counted.passed),
            "rate": round(counted.rate, 4), "low": round(low, 4), "high": round(high, 4),
        }  # fmt: skip
