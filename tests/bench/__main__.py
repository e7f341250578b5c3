"""Runs the benchmarks: one JSON object a line, each with a ratio against something measured here.

`python -m tests.bench [CALLS [TRACES]]`, or `make bench`. Never asserted: a busy machine is no
defect.
"""

from __future__ import annotations

import contextlib
import json
import os
import string
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import classifiers, guard, peers, slices

CALLS, CONCURRENCY, LATENCY_MS, FAST_MS = 2000, 64, 100, 5
TRACES = 50_000
ROWS = 200_000


def print_figure(name: str, value: float, unit: str, against: str, ratio: float) -> None:
    """Prints one figure."""
    shown = {"value": round(value, 4), "ratio": round(ratio, 4)}
    row = {"name": name, "value": shown["value"], "unit": unit, "against": against}
    sys.stdout.write(json.dumps({**row, "ratio": shown["ratio"]}) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def start_server(latency_ms: float, *refusals: float) -> Iterator[str]:
    """Starts the benchmark server in a process of its own; its arguments are in its module."""
    options = [str(value) for value in (latency_ms, *refusals)]
    command = [sys.executable, "-m", "tests.bench.server", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def measure_client(
    who: str, url: str, calls: int, concurrency: int = CONCURRENCY
) -> tuple[float, float]:
    """Measures seconds from the first request to the last answer, and CPU seconds a call."""
    command = [sys.executable, "-m", "tests.bench.clients", who, f"{url}/v1", str(calls)]
    completed = subprocess.run(
        [*command, str(concurrency)], check=True, capture_output=True, text=True
    )
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310  our own server
        stats = json.loads(answer.read())
    assert stats["calls"] == calls, stats
    return stats["window_s"], json.loads(completed.stdout)["cpu_s"] / calls


def measure_runner(calls: int) -> None:
    """Measures the runner beside raw sockets, the `openai` client and the ideal."""
    ideal = calls / CONCURRENCY * LATENCY_MS / 1000
    if not peers.IS_PRESENT:
        measure_runner_alone(calls, ideal)
        return
    with peers.start_server(LATENCY_MS) as url:
        raw = peers.measure_peer("raw", url, calls, CONCURRENCY)
        plain = peers.measure_peer("openai", url, calls, CONCURRENCY)
        lean = peers.measure_peer("openai_aiohttp", url, calls, CONCURRENCY)
        ours, cpu = measure_our_runner(url, calls)
    print_figure("raw_window", raw.window_s, "s", "ideal", ideal / raw.window_s)
    print_figure("openai_window", plain.window_s, "s", "ideal", ideal / plain.window_s)
    print_figure("openai_aiohttp_window", lean.window_s, "s", "ideal", ideal / lean.window_s)
    print_figure("runner_window", ours.window_s, "s", "ideal", ideal / ours.window_s)
    print_figure(
        "runner_cpu_per_call", cpu / calls * 1000, "ms", "bound 1.5 ms", cpu / calls / 0.0015
    )
    whole = ours.cpu_s / calls * 1000
    print_figure("runner_cpu_with_start", whole, "ms", "openai client", ours.cpu_s / plain.cpu_s)
    with peers.start_server(FAST_MS) as url:
        aiohttp = peers.measure_peer("aiohttp", url, calls, CONCURRENCY)
        ours, _ = measure_our_runner(url, calls)
    print_figure("runner_5ms", ours.window_s, "s", "aiohttp", ours.window_s / aiohttp.window_s)


def measure_our_runner(url: str, calls: int) -> tuple[peers.Measured, float]:
    """Measures our runner, every answer durable, and its CPU seconds without Python's start."""
    with tempfile.TemporaryDirectory() as folder:
        cpu_file = Path(folder, "cpu.json")
        command = [sys.executable, "-m", "tests.bench.clients", "ours", f"{url}/v1", str(calls)]
        words = [*command, str(CONCURRENCY), str(cpu_file)]
        return peers.measure_command(words, url, calls, {}), json.loads(cpu_file.read_text())[
            "cpu_s"
        ]


def measure_memory(traces: int) -> None:
    """Measures the runner's peak memory over a large night, beside its bound."""
    with start_server(1) as url:
        command = [sys.executable, "-m", "tests.bench.memory", f"{url}/v1", str(traces)]
        completed = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(completed.stdout)
    print_figure("runner_memory", result["mb"], "MB", "bound 300 MB", result["mb"] / 300)
    again = result["again_cpu_s"] / result["first_cpu_s"]
    print_figure(
        "runner_unchanged_night", result["again_cpu_s"], "s", "the night's first run", again
    )


def measure_runner_alone(calls: int, ideal: float) -> None:
    """Measures the runner beside the plain client, where the shared benchmark is absent."""
    with start_server(LATENCY_MS) as url:
        plain_window, plain_cpu = measure_client("openai", url, calls)
        window, cpu = measure_client("ours", url, calls)
    print_figure("runner_window", window, "s", "ideal", ideal / window)
    print_figure("openai_window", plain_window, "s", "ideal", ideal / plain_window)
    print_figure("runner_cpu_per_call", cpu * 1000, "ms", "openai client", cpu / plain_cpu)


def measure_refusals() -> None:
    """Measures the runner beside the patient `openai` client where some calls are refused.

    The provider refuses a share of the calls at any load; the ideal refuses as many and waits for
    none of them.
    """
    calls, concurrency = 374, 16
    for share in (0.2, 0.4):
        ideal = calls / (1 - share) / concurrency * LATENCY_MS / 1000
        for name, retry_after_s in (("", ()), ("_retry_after_1s", (1,))):
            with start_server(LATENCY_MS, share, *retry_after_s) as url:
                plain, _ = measure_client("openai_patient", url, calls, concurrency)
                window, _ = measure_client("ours", url, calls, concurrency)
            label = f"refused_{share:.0%}{name}".replace("%", "_percent")
            print_figure(f"{label}_ideal", window, "s", "ideal", ideal / window)
            print_figure(label, window, "s", "openai client", window / plain)


def write_rows(path: Path, count: int = ROWS, private: float = 0.0) -> int:
    """Writes traces of about 1 kB as JSONL, words drawn at random; returns the bytes.

    Args:
        path: where to.
        count: how many.
        private: the share of rows that redaction has to examine closely.
    """
    import random

    random_source = random.Random(1)
    words = ["".join(random_source.choices(string.ascii_lowercase, k=n)) for n in range(2, 10)] * 40
    words = [f"{word}{random_source.choice('aeiou')}" for word in words]
    hints = ("Call +1 415 555 0132.", "Write to jo@example.com.", "Your password is needed.")
    with path.open("w") as file:
        for n in range(count):
            text = " ".join(random_source.choices(words, k=145))
            row: dict[str, Any] = {
                "trace_id": f"t{n}",
                "ts": f"2026-10-01T{n % 24:02}:{n % 60:02}:00Z",
                "app": "bench",
                "input": f"Where is parcel {n}?",
                "output": f"{text} {random_source.choice(hints)}"
                if random_source.random() < private
                else text,
                "model": "m-2026-01-01",
                "tokens_in": n % 500,
                "latency_ms": n % 900 + 0.5,
            }
            file.write(json.dumps(row) + "\n")
    return path.stat().st_size


def measure_import() -> None:
    """Measures lines to valid traces beside DuckDB's JSONL to Parquet, and redaction's cost.

    The file is of a large night, 200,000 requests of 1.3 kB: what a validation costs whatever the
    number of its rows, a third of a second, is in it. DuckDB writes by its own default, which is
    the lake's codec too.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / "traces.jsonl"
        size = write_rows(path, ROWS) / 1e6
        peer = time_duckdb(path, root / "peer.parquet")
        spent = time_import(root / "plain", path, ROWS)
        apart = spent.whole - spent.redaction
        against = "DuckDB JSONL to Parquet"
        print_figure(
            "door_throughput", size / apart, "MB/s", f"{against}, redaction apart", peer / apart
        )
        print_figure("door_with_redaction", size / spent.whole, "MB/s", against, peer / spent.whole)
        print_figure(
            "import_throughput", size / spent.staging, "MB/s", against, peer / spent.staging
        )
        print_figure(
            "admission", spent.admission, "s", "import and admission", spent.admission / spent.whole
        )
        size = write_rows(path, ROWS // 5, private=0.3) / 1e6
        speed = size / time_import(root / "private", path, ROWS // 5).staging
        print_figure(
            "redaction_throughput", speed, "MB/s", "15 MB/s, every third row private", speed / 15
        )


def time_duckdb(path: Path, out: Path) -> float:
    """Measures the CPU seconds of DuckDB from JSONL to Parquet, on one thread."""
    from evals.storage.queries import open_duckdb

    with open_duckdb() as db:
        db.execute("set threads = 1; set enable_progress_bar = false")
        began = time.process_time()
        db.execute(f"copy (from read_json('{path}')) to '{out}' (format parquet)")
        return time.process_time() - began


class ImportTimes(NamedTuple):
    """CPU seconds of a file's import and admission, in this process."""

    staging: float
    """Importing it, redaction included."""
    admission: float
    """Validating its rows and publishing them."""
    redaction: float
    """The part of staging that detects private data."""
    wall: float
    """Seconds of the clock, end to end."""

    @property
    def whole(self) -> float:
        """End to end."""
        return self.staging + self.admission


def time_import(root: Path, path: Path, count: int) -> ImportTimes:
    """Times a file's import and admission, every row accepted."""
    from evals.ingest import staging
    from evals.privacy.row_filter import PrivacyFilter
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from evals.validation import admission

    catalog, lake = Catalog(root=root), Lake(root / "home").open()
    warm = root / "warm.jsonl"
    write_rows(warm, 100, private=1.0)
    other = Lake(root / "warm").open()
    staging.import_file(other, catalog, warm)  # the libraries' own start is not what is measured
    admission.admit_nights(other, catalog, other.list_nights("staged"))
    with (
        record_cpu_times(staging, "screen_rows") as columns,
        record_cpu_times(PrivacyFilter, "filter_row") as alone,
    ):
        clock, began = time.perf_counter(), time.process_time()
        staging.import_file(lake, catalog, path)
        staged = time.process_time()
    (account,) = admission.admit_nights(lake, catalog, lake.list_nights("staged")).values()
    completed, wall = time.process_time(), time.perf_counter() - clock
    assert sum(counts["accepted"] for counts in account.values()) == count, account
    return ImportTimes(staged - began, completed - staged, sum(columns) + sum(alone), wall)


@contextlib.contextmanager
def record_cpu_times(owner: Any, name: str) -> Iterator[list[float]]:
    """Records the CPU seconds of every call of a module's function, or of a class's method."""
    real, spent = getattr(owner, name), []

    def timed_call(*args: Any) -> Any:
        began = time.process_time()
        try:
            return real(*args)
        finally:
            spent.append(time.process_time() - began)

    setattr(owner, name, timed_call)
    try:
        yield spent
    finally:
        setattr(owner, name, real)


def measure_spans() -> None:
    """Measures spans to canonical traces beside orjson alone; then import and admission.

    The files are of a day with 40,000 requests. Reading is CPU of one core. An import uses two
    processes, so that the clock counts; what redaction costs is the CPU of the one that is here,
    while the other's goes on beside it.
    """
    from tests.bench import langfuse, otlp

    for name, form in (("otlp", otlp), ("langfuse", langfuse)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export.jsonl"
            size = form.write_file(path)
            own, peer = otlp.time_reading(path)
            spent = time_import(Path(folder) / "import", path, otlp.COUNT)
        speed, apart = size / spent.wall / 1e6, size / (spent.wall - spent.redaction) / 1e6
        print_figure(f"{name}_throughput", size / own / 1e6, "MB/s", "orjson alone", peer / own)
        print_figure(f"{name}_door", apart, "MB/s", "bound 20 MB/s, redaction apart", apart / 20)
        print_figure(f"{name}_door_with_redaction", speed, "MB/s", "bound 20 MB/s", speed / 20)


def measure_start() -> None:
    """Measures a command's start beside its bound of half a second."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "orchestration.cli.main", "--help"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    spent = time.perf_counter() - began
    print_figure("cli_start", spent, "s", "bound 0.5 s", spent / 0.5)


def measure_run_start() -> None:
    """Measures a run of one question, and what importing Dagster and dbt adds."""
    with start_server(0) as url:
        began = time.perf_counter()
        measure_client("ours", url, 1)
        spent = time.perf_counter() - began
    print_figure("run_of_one_question", spent, "s", "bound 2 s", spent / 2)
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", "import orchestration.definitions"]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "ANDON_HOME": home}
        subprocess.run(command, check=True, capture_output=True, env=env)
    spent = time.perf_counter() - began
    print_figure("dagster_start", spent, "s", "bound 2 s", spent / 2)


def measure_slices() -> None:
    """Measures the search of slices over a large night, beside its bound and DuckDB's counting."""
    spent = slices.time_search()
    name = f"slices_{slices.TRACES}_traces_{slices.ATTRIBUTES}_attributes"
    print_figure(name, spent.search, "s", "bound 2 s", spent.search / 2)
    print_figure("slices_search_cpu", spent.cpu, "s", "bound 2 s", spent.cpu / 2)
    against = f"DuckDB counting {spent.slices:,} slices of all rows"
    print_figure("slices_search", spent.search, "s", against, spent.search / spent.counting)


def measure_guard() -> None:
    """Measures a request with ten guardrails by code and classifier, beside its bound."""
    spent = guard.time_requests()
    print_figure("guard_p95", spent, "ms", "bound 10 ms of CPU, ten guardrails", spent / 10)


def measure_classifier() -> None:
    """Measures the CPU of a classifier beside its bound, and beside a judge's stated latency."""
    cost = classifiers.measure_cost()
    print_figure("classifier_trace", cost.cpu_s * 1000, "ms", "bound 2 ms", cost.cpu_s / 0.002)
    against = f"a judge that answers in {LATENCY_MS} ms, bound 100 times"
    times = LATENCY_MS / 1000 / cost.cpu_s
    print_figure("classifier_speed", cost.cpu_s * 1000, "ms", against, times)


def main() -> None:
    """Runs all benchmarks."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    measure_start()
    measure_run_start()
    measure_import()
    measure_spans()
    measure_slices()
    measure_guard()
    measure_classifier()
    measure_runner(calls)
    measure_refusals()
    measure_memory(int(sys.argv[2]) if len(sys.argv) > 2 else TRACES)


if __name__ == "__main__":
    main()
