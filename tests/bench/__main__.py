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

from tests.bench import peers

CALLS, CONCURRENCY, LATENCY_MS, FAST_MS = 2000, 64, 100, 5
TRACES = 50_000
ROWS = 200_000


def line(name: str, value: float, unit: str, against: str, ratio: float) -> None:
    """Prints one figure."""
    shown = {"value": round(value, 4), "ratio": round(ratio, 4)}
    row = {"name": name, "value": shown["value"], "unit": unit, "against": against}
    sys.stdout.write(json.dumps({**row, "ratio": shown["ratio"]}) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def server(latency_ms: float) -> Iterator[str]:
    """The benchmark server, as a process of its own."""
    command = [sys.executable, "-m", "tests.bench.server", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def judged(who: str, url: str, calls: int) -> tuple[float, float]:
    """Seconds from the first request to the last answer, and CPU seconds a call."""
    command = [sys.executable, "-m", "tests.bench.clients", who, f"{url}/v1", str(calls)]
    done = subprocess.run([*command, str(CONCURRENCY)], check=True, capture_output=True, text=True)
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310  our own server
        stats = json.loads(answer.read())
    assert stats["calls"] == calls, stats
    return stats["window_s"], json.loads(done.stdout)["cpu_s"] / calls


def runner(calls: int) -> None:
    """The runner on the judge workload, beside raw sockets, the `openai` client and the ideal."""
    ideal = calls / CONCURRENCY * LATENCY_MS / 1000
    if not peers.AT_HAND:
        runner_alone(calls, ideal)
        return
    with peers.server(LATENCY_MS) as url:
        raw = peers.peer("raw", url, calls, CONCURRENCY)
        plain = peers.peer("openai", url, calls, CONCURRENCY)
        lean = peers.peer("openai_aiohttp", url, calls, CONCURRENCY)
        ours, cpu = our_own(url, calls)
    line("raw_window", raw.window_s, "s", "ideal", ideal / raw.window_s)
    line("openai_window", plain.window_s, "s", "ideal", ideal / plain.window_s)
    line("openai_aiohttp_window", lean.window_s, "s", "ideal", ideal / lean.window_s)
    line("runner_window", ours.window_s, "s", "ideal", ideal / ours.window_s)
    line("runner_cpu_per_call", cpu / calls * 1000, "ms", "bound 1.5 ms", cpu / calls / 0.0015)
    whole = ours.cpu_s / calls * 1000
    line("runner_cpu_with_start", whole, "ms", "openai client", ours.cpu_s / plain.cpu_s)
    with peers.server(FAST_MS) as url:
        aiohttp = peers.peer("aiohttp", url, calls, CONCURRENCY)
        ours, _ = our_own(url, calls)
    line("runner_5ms", ours.window_s, "s", "aiohttp", ours.window_s / aiohttp.window_s)


def our_own(url: str, calls: int) -> tuple[peers.Measured, float]:
    """Our runner, every answer durable; and its CPU seconds without the start of Python."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "cpu.json")
        command = [sys.executable, "-m", "tests.bench.clients", "ours", f"{url}/v1", str(calls)]
        words = [*command, str(CONCURRENCY), str(told)]
        return peers.measured(words, url, calls, {}), json.loads(told.read_text())["cpu_s"]


def memory(traces: int) -> None:
    """The runner's peak memory over a large night, beside its bound."""
    with server(1) as url:
        command = [sys.executable, "-m", "tests.bench.memory", f"{url}/v1", str(traces)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    line("runner_memory", found["mb"], "MB", "bound 300 MB", found["mb"] / 300)
    again = found["again_cpu_s"] / found["first_cpu_s"]
    line("runner_unchanged_night", found["again_cpu_s"], "s", "the night's first run", again)


def runner_alone(calls: int, ideal: float) -> None:
    """The runner beside the plain client, where the shared benchmark is absent."""
    with server(LATENCY_MS) as url:
        plain_window, plain_cpu = judged("openai", url, calls)
        window, cpu = judged("ours", url, calls)
    line("runner_window", window, "s", "ideal", ideal / window)
    line("openai_window", plain_window, "s", "ideal", ideal / plain_window)
    line("runner_cpu_per_call", cpu * 1000, "ms", "openai client", cpu / plain_cpu)


def rows(path: Path, count: int = ROWS, private: float = 0.0) -> int:
    """Writes traces of about 1 kB as JSONL, words drawn at random; returns the bytes.

    Args:
        path: where to.
        count: how many.
        private: the share that holds what redaction has to look at closely.
    """
    import random

    drawn = random.Random(1)
    words = ["".join(drawn.choices(string.ascii_lowercase, k=n)) for n in range(2, 10)] * 40
    words = [f"{word}{drawn.choice('aeiou')}" for word in words]
    hints = ("Call +1 415 555 0132.", "Write to jo@example.com.", "Your password is needed.")
    with path.open("w") as file:
        for n in range(count):
            text = " ".join(drawn.choices(words, k=145))
            row: dict[str, Any] = {
                "trace_id": f"t{n}",
                "ts": f"2026-10-01T{n % 24:02}:{n % 60:02}:00Z",
                "app": "bench",
                "input": f"Where is parcel {n}?",
                "output": f"{text} {drawn.choice(hints)}" if drawn.random() < private else text,
                "model": "m-2026-01-01",
                "tokens_in": n % 500,
                "latency_ms": n % 900 + 0.5,
            }
            file.write(json.dumps(row) + "\n")
    return path.stat().st_size


def importing() -> None:
    """From lines to valid traces, beside DuckDB's own JSONL to Parquet; and what redaction costs.

    The file is of a large night, 200,000 requests of 1.3 kB: what a validation costs whatever the
    number of its rows, a third of a second, is in it. DuckDB writes by its own default, which is
    the lake's codec too.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / "traces.jsonl"
        size = rows(path, ROWS) / 1e6
        peer = by_duckdb(path, root / "peer.parquet")
        spent = moved(root / "plain", path, ROWS)
        apart = spent.whole - spent.redaction
        against = "DuckDB JSONL to Parquet"
        line("door_throughput", size / apart, "MB/s", f"{against}, redaction apart", peer / apart)
        line("door_with_redaction", size / spent.whole, "MB/s", against, peer / spent.whole)
        line("import_throughput", size / spent.staging, "MB/s", against, peer / spent.staging)
        line("admission", spent.admission, "s", "the whole door", spent.admission / spent.whole)
        size = rows(path, ROWS // 5, private=0.3) / 1e6
        speed = size / moved(root / "private", path, ROWS // 5).staging
        line("redaction_throughput", speed, "MB/s", "15 MB/s, every third row private", speed / 15)


def by_duckdb(path: Path, out: Path) -> float:
    """CPU seconds of DuckDB's own way from JSONL to Parquet, on one thread."""
    from evals.storage.queries import open_duckdb

    with open_duckdb() as db:
        db.execute("set threads = 1; set enable_progress_bar = false")
        began = time.process_time()
        db.execute(f"copy (from read_json('{path}')) to '{out}' (format parquet)")
        return time.process_time() - began


class Moved(NamedTuple):
    """CPU seconds of a file's way through the door, in this process."""

    staging: float
    """Importing it, redaction included."""
    admission: float
    """Validating its rows and putting them into place."""
    redaction: float
    """Of staging, looking for what is private."""
    wall: float
    """Seconds of the clock, end to end."""

    @property
    def whole(self) -> float:
        """End to end."""
        return self.staging + self.admission


def moved(root: Path, path: Path, count: int) -> Moved:
    """A file's way through the door, every row accepted."""
    from evals.ingest import staging
    from evals.privacy.redaction import PrivacyFilter
    from evals.specs import Catalog
    from evals.storage.lake import Lake
    from evals.validation import admission

    catalog, lake = Catalog(root=root), Lake(root / "home").open()
    warm = root / "warm.jsonl"
    rows(warm, 100, private=1.0)
    other = Lake(root / "warm").open()
    staging.import_file(other, catalog, warm)  # the libraries' own start is not what is measured
    admission.admit_nights(other, catalog, other.list_nights("staged"))
    with timed(staging, "screen_rows") as columns, timed(PrivacyFilter, "filter_row") as alone:
        clock, began = time.perf_counter(), time.process_time()
        staging.import_file(lake, catalog, path)
        staged = time.process_time()
    (account,) = admission.admit_nights(lake, catalog, lake.list_nights("staged")).values()
    done, wall = time.process_time(), time.perf_counter() - clock
    assert sum(counts["accepted"] for counts in account.values()) == count, account
    return Moved(staged - began, done - staged, sum(columns) + sum(alone), wall)


@contextlib.contextmanager
def timed(owner: Any, name: str) -> Iterator[list[float]]:
    """The CPU seconds of every call of a module's function, or of a class's method."""
    real, spent = getattr(owner, name), []

    def measured(*args: Any) -> Any:
        began = time.process_time()
        try:
            return real(*args)
        finally:
            spent.append(time.process_time() - began)

    setattr(owner, name, measured)
    try:
        yield spent
    finally:
        setattr(owner, name, real)


def spanned() -> None:
    """Spans to canonical traces beside orjson over the same bytes; then through the whole door.

    The files are of a day with 40,000 requests. Reading is CPU of one core. Through the door go two
    processes, so that the clock counts; what redaction costs is the CPU of the one that is here,
    while the other's goes on beside it.
    """
    from tests.bench import langfuse, otlp

    for name, form in (("otlp", otlp), ("langfuse", langfuse)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export.jsonl"
            size = form.write(path)
            own, peer = otlp.reading(path)
            spent = moved(Path(folder) / "door", path, otlp.COUNT)
        speed, apart = size / spent.wall / 1e6, size / (spent.wall - spent.redaction) / 1e6
        line(f"{name}_throughput", size / own / 1e6, "MB/s", "orjson alone", peer / own)
        line(f"{name}_door", apart, "MB/s", "bound 20 MB/s, redaction apart", apart / 20)
        line(f"{name}_door_with_redaction", speed, "MB/s", "bound 20 MB/s", speed / 20)


def starting() -> None:
    """What a command costs before it does anything, beside its bound of half a second."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "orchestration.cli.main", "--help"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ})
    spent = time.perf_counter() - began
    line("cli_start", spent, "s", "bound 0.5 s", spent / 0.5)


def run_starting() -> None:
    """A run of one question from start to end, and what Dagster and dbt add by being imported."""
    with server(0) as url:
        began = time.perf_counter()
        judged("ours", url, 1)
        spent = time.perf_counter() - began
    line("run_of_one_question", spent, "s", "bound 2 s", spent / 2)
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-c", "import orchestration.definitions"]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "ANDON_HOME": home}
        subprocess.run(command, check=True, capture_output=True, env=env)
    spent = time.perf_counter() - began
    line("dagster_start", spent, "s", "bound 2 s", spent / 2)


def main() -> None:
    """All of them."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    starting()
    run_starting()
    importing()
    spanned()
    runner(calls)
    memory(int(sys.argv[2]) if len(sys.argv) > 2 else TRACES)


if __name__ == "__main__":
    main()
