"""Micro and macro F1 of published extractions on OA-mine, beside the published figures.

The publication (ExtractGPT, Brinkmann et al. 2023) compares character by character, takes `n/a` for
no value, and counts no value of an attribute that gold does not have; `micro_f1` is counted so,
`micro_f1_strict` as Andon counts, with every invented value against precision.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evals.evaluators import comparisons
from evals.runs import part_counts
from evals.statistics import ratios
from evals.statistics.ratios import Estimate, PartCounts
from tests.measure.data import find_folder, read_lines

TABLE = "extraction"
PUBLISHED = {
    "list-10shot-train1.0": 74.01,
    "json-schema-10shot-train0.2": 80.19,
    "json-schema-10shot-train1.0": 82.16,
    "json-schema-10shot-ensemble-train0.2": 81.97,
    "json-schema-10shot-ensemble-train1.0": 83.43,
}


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """One row for each run."""
    for run, extractions in sorted(read_runs(data).items()):
        strict: defaultdict[str, dict[str, PartCounts]] = defaultdict(dict)
        published: dict[str, PartCounts] = {}
        for trace_id, (output, gold) in extractions.items():
            part_counts.add_comparison(
                strict, trace_id, comparisons.compare_attributes(output, gold)
            )
            as_published = comparisons.compare_attributes(
                output, gold, missing=("n/a",), ignore_case=False
            )
            published[trace_id] = count_without_invented(as_published)
        yield describe_run(run, published, strict)


def count_without_invented(compared: comparisons.Comparison) -> PartCounts:
    """The counts of one extraction without its invented values."""
    return PartCounts(len(compared.right), len(compared.wrong), len(compared.missed))


def describe_run(
    run: str, published: dict[str, PartCounts], strict: dict[str, dict[str, PartCounts]]
) -> dict[str, Any]:
    """A run's figures in percent, with 95% intervals."""
    together: dict[str, PartCounts] = {}
    for sessions in strict.values():
        for session, counts in sessions.items():
            together[session] = together.get(session, PartCounts()).add(counts)
    named = [s for s in strict.values() if ratios.recall(ratios.sum_counts(s)).under]
    return {
        "run": run,
        "n": len(published),
        "published": PUBLISHED[run],
        "micro_f1": in_percent(ratios.estimate(published, ratios.f1)),
        "micro_f1_strict": in_percent(ratios.estimate(together, ratios.f1)),
        "precision_strict": in_percent(ratios.estimate(together, ratios.precision)),
        "recall_strict": in_percent(ratios.estimate(together, ratios.recall)),
        "macro_f1_strict": in_percent(ratios.estimate_mean(named, ratios.f1)),
        "attributes": len(named),
    }


def in_percent(of: Estimate) -> list[float | None]:
    """A figure and its interval in percent."""
    return [None if bound is None else round(100 * bound, 2) for bound in of]


def read_runs(data: Path) -> dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]]:
    """Extraction and gold by run and trace."""
    folder = find_folder(data, "extractgpt_oa-mine")
    gold = {row["trace_id"]: row["verdict"] for row in read_lines(folder / "labels.jsonl.gz")}
    runs: dict[str, dict[str, tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(dict)
    for row in read_lines(folder / "traces.jsonl.gz"):
        output = json.loads(row["output"])
        runs[row["prompt_version"]][row["trace_id"]] = (output, gold[row["trace_id"]])
    return runs
