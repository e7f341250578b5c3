"""Promises of the runner: nothing is paid twice, and an error is never a score."""

import dataclasses
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.calls import live
from evals.calls.day_budget import open_budget
from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import AnswerStatus, Label, Trace
from evals.runs import runner
from evals.specs import Budget, Catalog, Evaluator, load_catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.storage.parquet_files import write_parquet
from evals.storage.record_tables import to_table
from evals.worklist import repeated_calls
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import build_worklist, name_score_file
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script

NIGHT = date(2026, 10, 1)
TODAY = date(2026, 10, 2)
LATER = date(2026, 10, 5)
MAJORITY = (("x", "bad"), ("y", "bad"), ("z", "good"))
TIE = (("x", "bad"), ("y", "good"))
SUITE = """
suite: chat
dimensions:
  - {dimension: kind, question: "Kind?", check: {judge: tone}, sample: SAMPLE}
  - dimension: polite
    question: "Polite?"
    check: {assertion: contains, params: {values: [please]}}
  - {dimension: helpful, question: "Helpful?", recorded: true, map: {good: pass, bad: fail}}
"""


def judge_by_words(body: dict[str, Any], seen: int) -> ServerReply:
    """Passes `good`, fails `bad`, answers `broken` with 500 and refuses `never`."""
    text = body["messages"][-1]["content"]
    if "never" in text:
        return ServerReply(400)
    if "broken" in text and seen < 10**6:
        return ServerReply(500)
    if "flaky" in text and seen == 0:
        return ServerReply(500)
    verdict = "fail" if "bad" in text else "pass"
    return ServerReply(200, build_completion(body, f'{{"critique": "c", "verdict": "{verdict}"}}'))


@pytest.fixture(autouse=True)
def skip_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the backoff to zero, which these tests do not measure."""
    monkeypatch.setattr(live, "BACKOFF_S", 0.0)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves the judge's model."""
    with serve_script(judge_by_words) as running:
        yield running


def write_catalog(root: Path, url: str, sample: float = 1.0, threshold: str = "") -> Catalog:
    """Writes a catalog with one application, a judge, an assertion and recorded verdicts."""
    files = {
        "models.yaml": f"m: {{model: m-1, base_url: '{url}', concurrency: 4}}",
        "apps/chat.yaml": "{app: chat, suite: chat}",
        "suites/chat.yaml": SUITE.replace("SAMPLE", str(sample)),
        "judges/tone.yaml": f"{{judge: tone, asks: Kind, model: m, system: Judge.{threshold}}}",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    load_catalog.cache_clear()
    return load_catalog(root)


def build_traces(*outputs: str, start: int = 0) -> list[Trace]:
    """Builds one trace for each output."""
    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    return [
        Trace(f"t{start + i}", noon + timedelta(seconds=i), "chat", output)
        for i, output in enumerate(outputs)
    ]


class Bench:
    """A lake with a catalog, and the runner over its one night."""

    def __init__(self, root: Path, url: str, **options: Any) -> None:
        self.lake = Lake(root / "home").open()
        self.catalog = write_catalog(root / "catalog", url, **options)
        self.labels: list[Label] = []

    def find_evaluator(self, dimension: str) -> Evaluator:
        """Finds the application's evaluator of a dimension."""
        evaluators = resolution.resolve_app(self.catalog, "chat")
        return next(evaluator for evaluator in evaluators if evaluator.dimension == dimension)

    def set_budget(self, **limits: Any) -> None:
        """Sets a day's budget."""
        self.catalog = self.catalog.model_copy(update={"budget": Budget(**limits)})

    def score(self, dimension: str, day: date = TODAY, of: date = NIGHT) -> runner.Tally:
        """Brings one evaluator up to date."""
        references = GoldAndLabels.of(self.catalog.root, self.labels)
        with (
            open_budget(self.lake, "run", day, self.catalog) as budget,
            ledger.open_journal(self.lake, "run") as journal,
        ):
            run = runner.ScoringRun(self.lake, references, journal, budget=budget)
            night = NightTraces(self.lake, of)
            return runner.score_night(run, night, self.find_evaluator(dimension))

    def read_verdicts(self) -> dict[str, str | None]:
        """Reads each trace's verdict or code."""
        rows = self.lake.read("scores", [NIGHT])
        return {row.trace_id: row.verdict or f"{row.status}:{row.code}" for row in rows}


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    """Opens a lake whose judge is served by this process."""
    return Bench(tmp_path, server.url)


def test_every_trace_ends_with_a_verdict_or_an_error(bench: Bench, server: Server) -> None:
    """Faults are retried, and a call that still fails is an error row with its code."""
    bench.lake.write("traces", NIGHT, build_traces("good", "bad", "broken", "flaky", "never"))
    bench.score("kind")
    assert bench.read_verdicts() == {
        "t0": "pass",
        "t1": "fail",
        "t2": "error:server-error",
        "t3": "pass",
        "t4": "error:refused-request",
    }


def test_a_second_run_calls_only_for_retryable_errors(bench: Bench, server: Server) -> None:
    """Answers are reused, final errors stay, and failing calls are tried again."""
    bench.lake.write("traces", NIGHT, build_traces("good", "broken", "never"))
    bench.score("kind")
    server.bodies.clear()
    again = bench.score("kind")
    assert {body["messages"][-1]["content"].count("broken") for body in server.bodies} == {1}
    assert (again.reused, again.calls) == (2, 1)


def test_a_call_that_keeps_failing_becomes_final(bench: Bench, server: Server) -> None:
    """After `MAX_ATTEMPTS` runs the trace costs no call, and is still an error."""
    bench.lake.write("traces", NIGHT, build_traces("broken"))
    for _ in range(repeated_calls.MAX_ATTEMPTS):
        bench.score("kind")
    server.bodies.clear()
    assert bench.score("kind").errored == 1
    assert server.bodies == []


def test_equal_content_is_paid_once(bench: Bench, server: Server) -> None:
    """Traces of the same content share one call and have a score each."""
    bench.lake.write("traces", NIGHT, build_traces("good", "good", "good"))
    tally = bench.score("kind")
    assert (tally.calls, tally.passed, len(server.bodies)) == (1, 3, 1)


def test_a_text_over_the_judge_s_limit_is_never_passed(bench: Bench, server: Server) -> None:
    """It is a final error that makes no call."""
    bench.lake.write("traces", NIGHT, build_traces("good" * 20_000, "good"))
    assert bench.score("kind").calls == 1
    assert bench.read_verdicts() == {"t0": "error:not-shown-whole", "t1": "pass"}
    again = bench.score("kind")
    assert (again.reused, again.calls, len(server.bodies)) == (2, 0, 1)


def test_moving_a_threshold_makes_no_calls(tmp_path: Path, server: Server) -> None:
    """Scores are derived again from the stored answers."""
    bench = Bench(tmp_path, server.url)
    bench.lake.write("traces", NIGHT, build_traces("good", "bad"))
    before = bench.find_evaluator("kind").version
    bench.score("kind")
    bench.catalog = write_catalog(tmp_path / "catalog", server.url, threshold=", threshold: 0.9")
    server.bodies.clear()
    tally = bench.score("kind")
    assert tally.evaluator_version != before
    assert (tally.calls, tally.passed, tally.failed, server.bodies) == (0, 1, 1, [])


def test_a_higher_rate_contains_the_former_sample(tmp_path: Path, server: Server) -> None:
    """The sample at a rate is contained in the sample at any higher one."""
    bench = Bench(tmp_path, server.url, sample=0.3)
    bench.lake.write("traces", NIGHT, build_traces(*(f"good {i}" for i in range(200))))
    first = bench.score("kind")
    chosen = set(bench.read_verdicts())
    bench.catalog = write_catalog(tmp_path / "catalog", server.url, sample=0.6)
    second = bench.score("kind")
    assert chosen < set(bench.read_verdicts())
    assert second.calls == second.sampled - first.sampled
    assert 30 < first.sampled < 90
    assert second.covered == 200


def test_the_budget_of_a_day_is_never_exceeded(bench: Bench, server: Server) -> None:
    """Traces beyond the budget are skipped with that code, also on the next run."""
    bench.lake.write("traces", NIGHT, build_traces(*(f"good {i}" for i in range(10))))
    bench.set_budget(calls_per_day=4)
    first = bench.score("kind")
    second = bench.score("kind")
    assert (first.calls, first.skipped) == (4, 6)
    assert (second.calls, second.skipped) == (0, 6)
    assert len(server.bodies) == 4
    rows = bench.lake.read("scores", [NIGHT])
    assert {row.inclusion for row in rows} == {0.4}
    assert {row.code for row in rows if row.status == "skipped"} == {"budget"}


def test_free_answers_do_not_stand_for_unpaid_ones(bench: Bench) -> None:
    """What another night paid for has inclusion 1, what this one asked the share it reached."""
    good = [f"good {i}" for i in range(4)]
    bench.lake.write("traces", LATER, build_traces(*good, start=20))
    bench.score("kind", of=LATER)
    bench.lake.write("traces", NIGHT, build_traces(*good, *(f"bad {i}" for i in range(10))))
    bench.set_budget(calls_per_day=9)
    bench.score("kind")
    rows = bench.lake.read("scores", [NIGHT])
    scored = [row for row in rows if row.status == "scored"]
    assert sorted((row.verdict, row.inclusion) for row in scored) == [
        *[("fail", 0.5)] * 5,
        *[("pass", 1.0)] * 4,
    ]
    assert {row.inclusion for row in rows if row.status == "skipped"} == {0.5}


def test_a_night_that_asks_nothing_of_its_own_is_reported_so(bench: Bench) -> None:
    """Where only free answers are there, the others had no chance: their inclusion is 0."""
    bench.lake.write("traces", LATER, build_traces("good 0", start=20))
    bench.score("kind", of=LATER)
    bench.lake.write("traces", NIGHT, build_traces("good 0", "bad 1", "bad 2"))
    bench.set_budget(calls_per_day=1)
    bench.score("kind")
    rows = bench.lake.read("scores", [NIGHT])
    assert sorted((row.status, row.inclusion) for row in rows) == [
        ("scored", 1.0),
        ("skipped", 0.0),
        ("skipped", 0.0),
    ]


def test_a_judge_without_its_key_is_skipped_and_not_failed(bench: Bench) -> None:
    """Its traces have the code `no-key`, and neither scores nor errors."""
    pin = bench.catalog.models["m"].model_copy(
        update={"base_url": None, "api_key_env": "ANDON_TEST_NO_SUCH_KEY"}
    )
    models = {"m": pin}
    bench.catalog = bench.catalog.model_copy(update={"models": models})
    bench.lake.write("traces", NIGHT, build_traces("good"))
    bench.score("kind")
    assert bench.read_verdicts() == {"t0": "skipped:no-key"}


def test_a_changed_trace_is_scored_anew(bench: Bench) -> None:
    """A score belongs to the content it was derived from."""
    bench.lake.write("traces", NIGHT, build_traces("yes please"))
    bench.score("polite")
    bench.lake.write("traces", NIGHT, build_traces("no"))
    bench.score("polite")
    assert bench.read_verdicts() == {"t0": "fail"}


def test_a_defect_in_an_evaluator_is_an_error_row(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluator that raises loses its own verdict and nothing else."""
    scorer: Any = runner.registry.shipped_types()["contains"]

    def divide_by_zero(*_: Any) -> None:
        raise ZeroDivisionError("oops")

    broken = dataclasses.replace(scorer, function=divide_by_zero)
    monkeypatch.setitem(runner.registry.shipped_types(), "contains", broken)
    bench.lake.write("traces", NIGHT, build_traces("yes please"))
    bench.score("polite")
    assert bench.read_verdicts() == {"t0": "error:evaluator-defect"}


def test_recorded_verdicts_are_mapped_and_never_guessed(bench: Bench) -> None:
    """A mapped word is a verdict, an unmapped one an error, and a trace without one has no row."""
    bench.labels = [
        Label("t0", "helpful", "good", "rater", "judge"),
        Label("t1", "helpful", "so-so", "rater", "judge"),
    ]
    bench.lake.write("traces", NIGHT, build_traces("a", "b", "c"))
    bench.score("helpful")
    assert bench.read_verdicts() == {"t0": "pass", "t1": "error:unmapped-verdict"}


def test_a_trace_without_a_label_is_not_to_score(bench: Bench) -> None:
    """A plan counts the traces that recorded verdicts are about, until these are scored."""
    evaluator, night = bench.find_evaluator("helpful"), NightTraces(bench.lake, NIGHT)
    bench.lake.write("traces", NIGHT, build_traces("a", "b", "c"))

    def count_remaining() -> int:
        """Counts what a run would score now."""
        references = GoldAndLabels.of(bench.catalog.root, bench.labels)
        return build_worklist(bench.lake, night, evaluator, references).remaining

    assert count_remaining() == 0
    bench.labels = [Label(name, "helpful", "good", "rater", "judge") for name in ("t0", "t1")]
    assert count_remaining() == 2
    bench.score("helpful")
    assert count_remaining() == 0
    bench.labels = bench.labels[:1]
    assert count_remaining() == 1, "its score is deleted"
    bench.score("helpful")
    assert (count_remaining(), bench.read_verdicts()) == (0, {"t0": "pass"})


def test_people_have_one_row_for_each_trace(bench: Bench) -> None:
    """An adjudication replaces the annotators' labels; without one the majority counts."""
    bench.labels = [
        Label("t0", "helpful", "bad", "ann", "human"),
        Label("t0", "helpful", "good", "both", "adjudicated"),
        *(Label("t1", "helpful", verdict, who, "human") for who, verdict in MAJORITY),
        *(Label("t2", "helpful", verdict, who, "human") for who, verdict in TIE),
    ]
    bench.lake.write("traces", NIGHT, build_traces("a", "b", "c"))
    bench.score("helpful")
    rows = {(row.trace_id, row.evaluator) for row in bench.lake.read("scores", [NIGHT])}
    assert rows == {
        ("t0", "helpful.adjudicated"),
        ("t1", "helpful.human"),
        ("t2", "helpful.human"),
    }
    assert bench.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "skipped:tie"}


def test_memory_does_not_grow_with_the_texts(bench: Bench) -> None:
    """A night of 40 MB of text needs less than 25 MB."""
    noon, text = datetime(2026, 10, 1, 12, tzinfo=UTC), "please " * 570
    with bench.lake.open_writer("traces", NIGHT, "data") as writer:
        for n in range(10_000):
            writer.add(Trace(f"t{n}", noon, "chat", f"{text}{n}"))
    tracemalloc.start()
    tally = bench.score("polite")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tally.passed == 10_000
    assert peak < 25e6


def test_unchanged_scores_are_not_written_again(tmp_path: Path, server: Server) -> None:
    """An unchanged night's file stays as it is; a new trace or another rate rewrites it."""
    bench = Bench(tmp_path, server.url)
    outputs = [f"please {n}" if n % 3 else f"bad {n}" for n in range(40)]
    bench.lake.write("traces", NIGHT, build_traces(*outputs))

    def score_and_stat(dimension: str) -> tuple[runner.Tally, int, bytes]:
        """Scores; returns the tally with the score file's inode and bytes."""
        tally = bench.score(dimension)
        name = name_score_file(bench.find_evaluator(dimension))
        path = bench.lake.locate_partition("scores", NIGHT) / f"{name}.parquet"
        return tally, path.stat().st_ino, path.read_bytes()

    for dimension in ("kind", "polite"):
        first, again = score_and_stat(dimension), score_and_stat(dimension)
        assert again[1:] == first[1:]
        assert (again[0].reused, again[0].calls) == (40, 0)
        assert again[0]._replace(reused=0, calls=0, usd=0.0) == first[0]._replace(calls=0, usd=0.0)
    bench.lake.write("traces", NIGHT, build_traces(*outputs, "please too"))
    assert score_and_stat("polite")[1] != first[1]
    assert len([r for r in bench.lake.read("scores") if r.evaluator == "chat.polite"]) == 41
    bench.catalog = write_catalog(tmp_path / "catalog", server.url, sample=0.5)
    tally, inode, _ = score_and_stat("kind")
    rows = [row for row in bench.lake.read("scores") if row.evaluator == "tone"]
    assert tally.calls <= 1
    assert len(rows) == tally.sampled < 41
    assert {row.inclusion for row in rows} == {0.5}
    assert score_and_stat("kind")[1] == inode


def build_ended_trace(status: AnswerStatus, output: str = "", start: int = 0) -> Trace:
    """Builds a trace of some status."""
    (trace,) = build_traces(output, start=start)
    return dataclasses.replace(trace, status=status)


def test_a_judge_is_not_called_for_a_request_without_an_answer(
    bench: Bench, server: Server
) -> None:
    """It is skipped with a reason; an answer that was cut off is judged as delivered."""
    unanswered = [
        build_ended_trace(status, "bad", n) for n, status in enumerate(("error", "timeout"), 5)
    ]
    cut = [
        build_ended_trace("cut_off", "good", 7),
        build_ended_trace("cut_off", "", 8),
        build_ended_trace("filtered", " ", 9),
    ]
    bench.lake.write(
        "traces",
        NIGHT,
        [*build_traces("good"), *unanswered, *cut, build_ended_trace("empty", "", 1)],
    )
    tally = bench.score("kind")
    assert (tally.calls, tally.passed, tally.failed, tally.skipped) == (1, 2, 0, 5)
    assert {key: bench.read_verdicts()[key] for key in ("t0", "t1", "t5", "t7", "t8")} == {
        "t0": "pass", "t1": "skipped:no-answer", "t5": "skipped:no-answer", "t7": "pass",
        "t8": "skipped:no-answer",
    }  # fmt: skip
    again = bench.score("kind")
    assert (again.calls, again.reused, again.skipped) == (0, 7, 5)


def test_a_check_skips_a_request_without_an_answer(bench: Bench) -> None:
    """It neither passes nor fails; a person's recorded verdict still counts."""
    bench.lake.write(
        "traces", NIGHT, [build_ended_trace("error", "please"), *build_traces("no", start=1)]
    )
    tally = bench.score("polite")
    assert (tally.passed, tally.failed, tally.skipped) == (0, 1, 1)
    bench.labels = [Label("t0", "helpful", "bad", "ann", "human")]
    assert bench.score("helpful").failed == 1


def test_a_request_with_a_corrected_status_is_evaluated(bench: Bench) -> None:
    """A corrected status ends or begins the skip, though the text is the same."""
    for status, skipped in (("error", 1), ("ok", 0), ("timeout", 1)):
        bench.lake.write("traces", NIGHT, [build_ended_trace(status, "please")])
        assert bench.score("polite").skipped == skipped


def test_every_application_has_the_dimension_answered(bench: Bench, server: Server) -> None:
    """It counts every status but `ok` as a failure, and makes no call."""
    statuses: tuple[AnswerStatus, ...] = ("error", "timeout", "cut_off", "filtered", "empty")
    failed = [build_ended_trace(status, "x", n) for n, status in enumerate(statuses, 1)]
    bench.lake.write("traces", NIGHT, [*build_traces("good"), *failed])
    tally = bench.score("answered")
    assert (tally.passed, tally.failed, tally.skipped, server.bodies) == (1, 5, 0, [])


def test_stored_traces_without_a_status_were_answered(bench: Bench) -> None:
    """Their scores are reused, and nothing is derived again."""
    bench.lake.write("traces", NIGHT, build_traces("please", "no"))
    bench.score("polite")
    (path,) = bench.lake.list_files("traces", [NIGHT])
    write_parquet(path, to_table(Trace, build_traces("please", "no")).drop_columns(["status"]))
    assert bench.score("polite").reused == 2
    assert bench.score("answered").passed == 2
