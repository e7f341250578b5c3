"""Promises of repeats: the same question again measures the judge, and changes no verdict."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.calls.cost_estimate import estimate_cost
from evals.erasure import forget
from evals.evaluators.gold import GoldAndLabels
from evals.reports import json_form
from evals.reports.assembly import count_awaited
from evals.reports.decide.rows import Repeats, read_row
from evals.reports.pages.night import render_night
from evals.reports.sections.agreement import measure_noise
from evals.runs import night_locks
from evals.runs import noise as noises
from evals.runs.plan import PlanScope, plan_nights
from evals.specs import load_catalog
from evals.statistics import wilson_interval
from evals.storage import night_state
from evals.worklist.worklist import NightTraces, build_worklist
from tests.evals.calls.batch_night import BatchLine, catalog_at
from tests.evals.calls.catalog import NIGHT, Team, traces
from tests.evals.models.batch_server import serve_batches
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script
from tests.evals.reports.night_rows import Night, build, report_of

COUNT = 6
FAULTY = "answer 2026-10-01 5 "
"""What the server has trouble with from its second time on."""


def third_flips(body: dict[str, Any], before: int) -> ServerReply:
    """Passes everything, and fails it each third time it is asked."""
    if before and FAULTY in body["messages"][-1]["content"]:
        return ServerReply(400, b'{"error": {"message": "not this one"}}')
    verdict = "fail" if before % 3 == 2 else "pass"
    return ServerReply(200, build_completion(body, f'{{"critique": "c", "verdict": "{verdict}"}}'))


@pytest.fixture
def server() -> Iterator[Server]:
    """A judge's model that contradicts itself."""
    with serve_script(third_flips) as running:
        yield running


def team(root: Path, server: Server, repeats: int, **how: Any) -> Team:
    """A team whose judge is asked so many times, one call after the other."""
    made = Team(root, server.url, pin={"concurrency": 1}, judge={"repeats": repeats}, **how)
    made.lake.write("traces", NIGHT, traces(COUNT))
    return made


def told(team: Team) -> dict[str, Any]:
    """The judge's noise in the report."""
    (row,) = team.lake.read("noise")
    return noise_of(row._asdict())


def noise_of(row: dict[str, Any]) -> dict[str, Any]:
    """The noise of counted repeats."""
    return json_form.to_json(measure_noise(read_row(Repeats, row)))


def verdicts(team: Team) -> dict[str, str | None]:
    """Each trace's verdict under the judge's current version."""
    version = team.evaluator.version
    return {row.trace_id: row.verdict for row in team.rows() if row.evaluator_version == version}


def asked(server: Server) -> list[int]:
    """How often each question was asked."""
    return sorted(Counter(str(body) for body in server.bodies).values())


def test_raising_repeats_pays_for_the_further_answers_alone(tmp_path: Path, server: Server) -> None:
    """From 1 to 3 repeats: two more calls per content, stored answers and verdicts unchanged."""
    once = team(tmp_path, server, 1)
    assert once.score().calls == COUNT
    before = verdicts(once)
    thrice = team(tmp_path, server, 3)
    assert thrice.evaluator.answer_version == once.evaluator.answer_version
    assert thrice.evaluator.version != once.evaluator.version
    assert thrice.score(run_id="again").calls == 2 * COUNT
    assert verdicts(thrice) == before == dict.fromkeys((f"t{n}" for n in range(COUNT)), "pass")
    assert asked(server) == [3] * COUNT
    first = next(key for key in keys(thrice) if "." not in key)
    assert {first, f"{first}.2", f"{first}.3"} <= set(keys(thrice))


def keys(team: Team) -> list[str]:
    """The names of all paid answers."""
    return sorted(answer.content_key for answer in team.lake.read("answers"))


def test_an_unchanged_second_run_asks_nothing(tmp_path: Path, server: Server) -> None:
    """Repeats are paid once, as all answers are."""
    made = team(tmp_path, server, 3)
    assert made.score().calls == 3 * COUNT
    before = told(made)
    assert made.score(run_id="again").calls == 0
    assert told(made) == before
    assert len(server.bodies) == 3 * COUNT


def test_every_repeat_is_the_same_request(tmp_path: Path, server: Server) -> None:
    """Repeats have the judge's own seed and temperature, so the noise is that of its real use."""
    team(tmp_path, server, 3).score()
    assert {body["seed"] for body in server.bodies} == {1}
    assert asked(server) == [3] * COUNT


def test_flips_are_counted_and_errors_are_none(tmp_path: Path, server: Server) -> None:
    """Of two further answers to 5 contents every second flips; the sixth's are errors."""
    made = team(tmp_path, server, 3)
    made.score()
    found = told(made)
    assert (found["repeats"], found["contents"], found["n"]) == (3, 5, 10)
    assert (found["flips"], found["errors"], found["missing"]) == (5, 2, 0)
    assert found["rate"] == 0.5
    assert (found["low"], found["high"]) == pytest.approx(tuple(wilson_interval(5, 10)))


def test_answers_of_one_content_widen_the_interval(tmp_path: Path) -> None:
    """Where contents always or never flip, ten pairs of five contents widen the interval."""
    said: dict[str, bool | None] = {}
    for content, more in {"a": False, "b": False, "c": True, "d": True, "e": True}.items():
        said |= {content: True, f"{content}.2": more, f"{content}.3": more}
    names = [noises.list_answer_keys(content, 3) for content in "abcde"]
    counts = noises.count_flips(noises.compare_answers(one, said) for one in names)
    shape = ("contents", "pairs", "flips", "square", "errors", "missing")
    found = noise_of({"repeats": 3, **dict(zip(shape, counts, strict=True))})
    alone = wilson_interval(4, 10)
    assert found["rate"] == 0.4
    assert found["low"] < alone.low
    assert found["high"] > alone.high


def test_without_a_flip_a_content_counts_once(tmp_path: Path) -> None:
    """Without a flip the interval is that of ten contents, not of their twenty repeats."""
    row = {"repeats": 3, "contents": 10, "pairs": 20, "flips": 0, "square": 0.0}
    found = noise_of({**row, "errors": 0, "missing": 0})
    assert (found["n"], found["rate"], found["low"]) == (20, 0.0, 0.0)
    assert found["high"] == pytest.approx(wilson_interval(0, 10).high)


def test_a_failed_first_answer_makes_no_pair() -> None:
    """A further answer cannot differ from a first answer that failed."""
    names = noises.list_answer_keys("a", 3)
    found = noises.compare_answers(names, {"a": None, "a.2": True})
    assert found == noises.Comparison(pairs=0, flips=0, errors=0, missing=1)


def test_a_budget_leaves_repeats_for_another_day(tmp_path: Path, server: Server) -> None:
    """First answers come first: all traces are scored, and repeats follow when money allows."""
    made = team(tmp_path, server, 3, budget={"calls_per_day": COUNT + 2})
    assert made.score().calls == COUNT + 2
    assert set(verdicts(made).values()) == {"pass"}
    assert {row.inclusion for row in made.rows()} == {1.0}
    assert told(made)["missing"] == 2 * COUNT - 2
    richer = team(tmp_path, server, 3, budget={"calls_per_day": 100})
    assert richer.score(run_id="again").calls == 2 * COUNT - 2
    assert told(richer)["missing"] == 0
    assert asked(server) == [3] * COUNT


def test_answers_that_were_kept_before_a_death_are_not_asked_again(
    tmp_path: Path, server: Server
) -> None:
    """A run stopped among the repeats is resumed, each answer paid once."""
    made = team(tmp_path, server, 3)

    left = iter(range(COUNT + 2, -1, -1))

    def progress(done: int) -> None:
        if next(left) == 0:
            os._exit(9)

    child = os.fork()
    if not child:
        made.score(progress=progress)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(server.bodies) == COUNT + 3
    assert made.score(run_id="again").calls == 2 * COUNT - 3
    assert asked(server) == [3] * COUNT


def test_a_forgotten_trace_takes_its_repeats_along(tmp_path: Path, server: Server) -> None:
    """Every answer to its content is found, and no other."""
    made = team(tmp_path, server, 3)
    made.score()
    (key,) = (row.content_key for row in made.rows() if row.trace_id == "t0")
    assert forget.find_scored(made.lake, {"t0"})[0] == {key, f"{key}.2", f"{key}.3"}


def test_a_plan_counts_repeats(tmp_path: Path, server: Server) -> None:
    """The run makes the calls the plan counts."""
    made = team(tmp_path, server, 3)
    references = GoldAndLabels.of(made.catalog.root, [])
    row, _ = plan_nights(PlanScope(made.lake, made.catalog, references, [NIGHT]))
    work = build_worklist(made.lake, NightTraces(made.lake, NIGHT), made.evaluator, references)
    assert row.calls == len(work.wanted) == made.score().calls == 3 * COUNT
    firsts = estimate_cost(made.lake, work, work.wanted[:COUNT])
    assert estimate_cost(made.lake, work, work.wanted).tokens_in == pytest.approx(
        3 * firsts.tokens_in, rel=0.01
    )


def test_repeats_go_by_batch(tmp_path: Path) -> None:
    """Each repeat is a line of its own in the file, and none is submitted twice."""
    with serve_batches() as server:
        line = batch_line(tmp_path, server.url, repeats=3)
        line.night("good", "bad")
        assert line.ask().pending == 2
        server.state.finish()
        (over,) = line.back()
        assert over.counts == {"answered": 6}
        line.ask()
        assert line.verdicts() == {"t0": "pass", "t1": "fail"}
        assert set(server.state.count_submissions().values()) == {1}
        (row,) = line.lake.read("noise")
        assert (row.pairs, row.flips, row.missing) == (4, 0, 0)


def test_repeats_alone_in_a_batch_are_awaited(tmp_path: Path) -> None:
    """Each trace has its verdict; awaited repeats are counted, and reopen the night on arrival."""
    with serve_batches() as server:
        line = batch_line(tmp_path, server.url, repeats=1)
        line.night("good", "bad")
        line.ask()
        server.state.finish()
        line.back()
        line.ask()
        line = batch_line(tmp_path, server.url, repeats=3)
        lock(line)
        tally = line.ask()
        reported(line)
        assert (tally.pending, tally.passed, tally.failed) == (0, 1, 1)
        (row,) = line.lake.read("noise")
        assert (row.missing, row.awaited) == (4, 4)
        told = noise_of(row._asdict())
        assert (told["missing"], told["awaited"]) == (4, 4)
        assert night_state.read_state(line.lake, NIGHT).awaits == 4
        assert night_locks.find_pending_nights(line.lake, line.catalog, [NIGHT]) == []
        server.state.finish()
        line.back()
        assert [
            one.night for one in night_locks.find_pending_nights(line.lake, line.catalog, [NIGHT])
        ] == [NIGHT]
        line.ask()
        reported(line)
        (row,) = line.lake.read("noise")
        assert (row.pairs, row.missing, row.awaited) == (4, 0, 0)
        assert night_state.read_state(line.lake, NIGHT).awaits == 0
        assert night_locks.find_pending_nights(line.lake, line.catalog, [NIGHT]) == []


def batch_line(folder: Path, url: str, repeats: int) -> BatchLine:
    """A team whose judge is asked so many times, by batch."""
    catalog_at(folder / "catalog", url)
    path = folder / "catalog" / "judges" / "tone.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "repeats": repeats}))
    load_catalog.cache_clear()
    return BatchLine(folder)


def lock(line: BatchLine) -> None:
    """Locks the night to the catalog's versions."""
    night_locks.move_lock(line.lake, line.catalog, NIGHT, "chat")


def reported(line: BatchLine) -> None:
    """Marks the night as reported, as building its reports does."""
    night_state.update_state(line.lake, NIGHT, **count_awaited(line.lake, NIGHT)._asdict())
    night_state.update_state(
        line.lake, NIGHT, seen=night_locks.digest_inputs(line.lake, line.catalog, NIGHT)
    )


def test_the_page_shows_noise_beside_the_agreement(tmp_path: Path, server: Server) -> None:
    """A judge asked repeatedly has its line with labels and without; one asked once has none."""
    made = team(tmp_path, server, 3)
    made.score()
    about = {"dimension": "kind", "evaluator": "tone", "evaluator_version": made.evaluator.version}
    counts = {"n": 6, "passed": 6, "failed": 0, "errored": 0, "skipped": 0}
    night = {
        "date": NIGHT,
        "app": made.catalog.app("chat"),
        "suite": "chat",
        "rates": [{**about, **counts, "kind": "judge", "slice": "all"}],
        "evaluators": [made.evaluator],
    }
    rows = [row._asdict() for row in made.lake.read("noise")]
    labels = [{**about, "tp": 30, "fn": 0, "fp": 0, "tn": 30}]
    line = "asked 3 times, it contradicts its first verdict in 50%"
    for known in ([], labels):
        body = report_of(Night(**night, agreement=known, noise=rows))
        (row,) = body.to_json()["agreement"]
        assert row["noise"] == told(made)
        assert (row["n"], row["usable"]) == ((60, True) if known else (0, False))
        page = render_night(body, history=[])
        assert line in page
        assert "awaited from a batch" not in page
        assert "of 10 repeats; 2 errored" in page
        assert ("No labels for these" in page) == (not known)
    assert "noise" not in build(Night(**night, agreement=labels))["agreement"][0]
    out = [{**row, "missing": 3, "awaited": 2} for row in rows]
    page = render_night(report_of(Night(**night, noise=out)), history=[])
    assert "1 not asked yet; 2 awaited from a batch" in page
