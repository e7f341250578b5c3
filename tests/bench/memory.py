"""Peak memory of the runner over a large night: `python -m tests.bench.memory URL TRACES`.

A process of its own that imports `evals` alone; it prints its megabytes as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import Trace
from evals.runs import runner
from evals.specs import load_catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.night_contents import NightTraces
from tests.bench.clients import MODEL, NIGHT, SYSTEM

TEXT = "The parcel left the depot this morning and arrives tomorrow before noon. " * 13
"""Repeated with each trace's number: about 1 kB."""


def measure_peak_mb() -> float:
    """Measures this process's peak memory in megabytes.

    `ru_maxrss` is the fallback, since it includes the parent's memory at the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_night(lake: Lake, traces: int) -> None:
    """Writes one night of different traces of about 1 kB."""
    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    with lake.open_writer("traces", NIGHT, "data") as writer:
        for n in range(traces):
            at = noon + timedelta(milliseconds=n)
            writer.add(Trace(f"trace-{n:08d}", at, "bench", f"{TEXT} {n}", f"Where is {n}?"))


def run_night(url: str, traces: int) -> dict[str, Any]:
    """Runs a judge and an assertion over one night, then again without any work."""
    files = {
        "models.yaml": f"m: {{model: {MODEL}, base_url: '{url}', concurrency: 64}}",
        "apps/bench.yaml": "{app: bench, suite: bench}",
        "suites/bench.yaml": "{suite: bench, dimensions: ["
        "{dimension: kind, question: Kind, check: {judge: kind}, sample: 1.0}, "
        "{dimension: parcel, question: Parcel, check: {assertion: contains, "
        "params: {values: [parcel]}}}]}",
        "judges/kind.yaml": f"{{judge: kind, asks: Kind, model: m, system: '{SYSTEM}'}}",
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        lake, catalog = Lake(root / "home").open(), load_catalog(root)
        write_night(lake, traces)
        figures: dict[str, Any] = {"before_mb": measure_peak_mb()}
        for when in ("first", "again"):
            began, cpu = time.perf_counter(), time.process_time()
            with ledger.open_journal(lake, "bench") as journal:
                run = runner.ScoringRun(lake, GoldAndLabels.of(root, []), journal)
                for evaluator in resolution.resolve_app(catalog, "bench"):
                    tally = runner.score_night(run, NightTraces(lake, NIGHT), evaluator)
                    assert tally.passed == traces, tally
                    figures[f"{when}_{evaluator.dimension}_mb"] = measure_peak_mb()
            figures[f"{when}_s"] = time.perf_counter() - began
            figures[f"{when}_cpu_s"] = time.process_time() - cpu
    return {**figures, "mb": measure_peak_mb()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run_night(sys.argv[1], int(sys.argv[2]))) + "\n")
