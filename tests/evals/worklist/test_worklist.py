"""Promises of a night's worklists: built once before the first call, and never used stale."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.evaluators.gold import GoldAndLabels
from evals.runs import runner
from evals.specs import Evaluator
from evals.storage import ledger
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import Worklist, build_worklist, refresh_worklist
from tests.evals.models.model_server import Server, serve_script
from tests.evals.runs.test_runner import NIGHT, Bench, build_traces, judge_by_words


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves the judge's model."""
    with serve_script(judge_by_words) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    """Writes a night of two applications that share an answer."""
    bench = Bench(tmp_path, server.url)
    others = [
        replace(trace, trace_id=f"{trace.trace_id}-b", app="mail")
        for trace in build_traces("good 1", "good 3", start=3)
    ]
    bench.lake.write("traces", NIGHT, [*build_traces("good 1", "good 2"), *others])
    return bench


def list_judges(bench: Bench) -> list[Evaluator]:
    """Lists the same judge for both applications."""
    judge = bench.find_evaluator("kind")
    return [judge, judge.model_copy(update={"app": "mail"})]


def score(bench: Bench, evaluators: list[Evaluator], **more: Any) -> list[runner.Tally]:
    """Brings some evaluators of the night up to date."""
    with ledger.open_journal(bench.lake, "run") as journal:
        references = GoldAndLabels.of(bench.catalog.root, [])
        run = runner.ScoringRun(bench.lake, references, journal, **more)
        return runner.score_evaluators(run, NightTraces(bench.lake, NIGHT), evaluators)


def build_current_worklist(bench: Bench, evaluator: Evaluator) -> Worklist:
    """Builds a worklist now."""
    night = NightTraces(bench.lake, NIGHT)
    return build_worklist(bench.lake, night, evaluator, GoldAndLabels.of(bench.catalog.root, []))


def test_all_calls_of_a_night_are_counted_before_the_first(bench: Bench, server: Server) -> None:
    """The expected number is the number of calls: shared content counts once."""
    expected: list[tuple[int, int]] = []
    tallies = score(
        bench, list_judges(bench), expect=lambda calls: expected.append((calls, len(server.bodies)))
    )
    assert expected == [(3, 0)]
    assert len(server.bodies) == 3
    assert [(t.app, t.passed, t.calls) for t in tallies] == [("chat", 2, 2), ("mail", 2, 1)]
    score(
        bench, list_judges(bench), expect=lambda calls: expected.append((calls, len(server.bodies)))
    )
    assert expected[1:] == [(0, 3)]


def test_a_worklist_is_renewed_after_another_writer(bench: Bench) -> None:
    """A request paid meanwhile leaves it; scored meanwhile or with a new trace it is void."""
    chat, mail = list_judges(bench)
    before = build_current_worklist(bench, mail)
    assert len(before.wanted) == 2
    score(bench, [chat])
    renewed = refresh_worklist(bench.lake, before)
    assert renewed is not None
    assert len(renewed.wanted) == 1
    fields, _ = renewed.contents.read(renewed.wanted[0].key)
    assert fields["output"] == "good 3"
    score(bench, [mail])
    assert refresh_worklist(bench.lake, before) is None
    finished = build_current_worklist(bench, mail)
    bench.lake.write("traces", NIGHT, build_traces("good 9"), "late")
    assert refresh_worklist(bench.lake, finished) is None
