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
from evals.statistics import Proportion, effective_n, wilson_interval
from evals.storage import night_state
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import build_worklist
from tests.evals.calls.batch_night import BatchTeam, write_batch_catalog
from tests.evals.calls.catalog import NIGHT, Team, build_traces
from tests.evals.models.batch_server import serve_batches
from tests.evals.models.model_server import Server, ServerReply, build_completion, serve_script
from tests.evals.reports.night_rows import Night, build, report_of

COUNT = 6
FAULTY = "answer 2026-10-01 5 "
"""What the server has trouble with from its second time on."""


def flip_every_third(body: dict[str, Any], before: int) -> ServerReply:
    """Passes every request, and fails its every third time."""
    if before and FAULTY in body["messages"][-1]["content"]:
        return ServerReply(400, b'{"error": {"message": "not this one"}}')
    verdict = "fail" if before % 3 == 2 else "pass"
    return ServerReply(200, build_completion(body, f'{{"critique": "c", "verdict": "{verdict}"}}'))


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves a judge's model that contradicts itself."""
    with serve_script(flip_every_third) as running:
        yield running


def open_team(root: Path, server: Server, repeats: int, **how: Any) -> Team:
    """Opens a team whose judge has so many repeats, one call after the other."""
    team = Team(root, server.url, pin={"concurrency": 1}, judge={"repeats": repeats}, **how)
    team.lake.write("traces", NIGHT, build_traces(COUNT))
    return team


def read_noise(team: Team) -> dict[str, Any]:
    """Reads the judge's noise as the report shows it."""
    (row,) = team.lake.read("noise")
    return compute_noise(row._asdict())


def compute_noise(row: dict[str, Any]) -> dict[str, Any]:
    """Computes the noise of counted repeats."""
    return json_form.to_json(measure_noise(read_row(Repeats, row)))


def read_verdicts(team: Team) -> dict[str, str | None]:
    """Reads each trace's verdict under the judge's current version."""
    version = team.evaluator.version
    return {
        row.trace_id: row.verdict for row in team.read_scores() if row.evaluator_version == version
    }


def count_requests(server: Server) -> list[int]:
    """Counts how often each request was sent."""
    return sorted(Counter(str(body) for body in server.bodies).values())


def test_raising_repeats_pays_for_the_further_answers_alone(tmp_path: Path, server: Server) -> None:
    """From 1 to 3 repeats: two more calls per content, stored answers and verdicts unchanged."""
    once = open_team(tmp_path, server, 1)
    assert once.score().calls == COUNT
    before = read_verdicts(once)
    thrice = open_team(tmp_path, server, 3)
    assert thrice.evaluator.answer_version == once.evaluator.answer_version
    assert thrice.evaluator.version != once.evaluator.version
    assert thrice.score(run_id="again").calls == 2 * COUNT
    assert read_verdicts(thrice) == before == dict.fromkeys((f"t{n}" for n in range(COUNT)), "pass")
    assert count_requests(server) == [3] * COUNT
    first = next(key for key in list_content_keys(thrice) if "." not in key)
    assert {first, f"{first}.2", f"{first}.3"} <= set(list_content_keys(thrice))


def list_content_keys(team: Team) -> list[str]:
    """Lists the content keys of all paid answers."""
    return sorted(answer.content_key for answer in team.lake.read("answers"))


def test_an_unchanged_second_run_makes_no_calls(tmp_path: Path, server: Server) -> None:
    """Repeats are paid once, as all answers are."""
    team = open_team(tmp_path, server, 3)
    assert team.score().calls == 3 * COUNT
    before = read_noise(team)
    assert team.score(run_id="again").calls == 0
    assert read_noise(team) == before
    assert len(server.bodies) == 3 * COUNT


def test_every_repeat_is_the_same_request(tmp_path: Path, server: Server) -> None:
    """Repeats have the judge's own seed and temperature, so the noise is that of its real use."""
    open_team(tmp_path, server, 3).score()
    assert {body["seed"] for body in server.bodies} == {1}
    assert count_requests(server) == [3] * COUNT


def test_an_error_among_repeats_is_not_a_flip(tmp_path: Path, server: Server) -> None:
    """Half of two further answers to 5 contents flip; the sixth content's errors count apart."""
    team = open_team(tmp_path, server, 3)
    team.score()
    noise = read_noise(team)
    assert (noise["repeats"], noise["contents"], noise["n"]) == (3, 5, 10)
    assert (noise["flips"], noise["errors"], noise["missing"]) == (5, 2, 0)
    assert noise["rate"] == 0.5
    clustered = Proportion(5, 10, effective_n(5, 10, clusters=5, session_ss=0.0))
    assert (noise["low"], noise["high"]) == pytest.approx(clustered.interval())


def test_answers_of_one_content_widen_the_interval(tmp_path: Path) -> None:
    """Where contents always or never flip, ten pairs of five contents widen the interval."""
    verdicts: dict[str, bool | None] = {}
    for content, more in {"a": False, "b": False, "c": True, "d": True, "e": True}.items():
        verdicts |= {content: True, f"{content}.2": more, f"{content}.3": more}
    names = [noises.list_answer_keys(content, 3) for content in "abcde"]
    counts = noises.count_flips(noises.compare_answers(keys, verdicts) for keys in names)
    shape = ("contents", "pairs", "flips", "square", "errors", "missing")
    noise = compute_noise({"repeats": 3, **dict(zip(shape, counts, strict=True))})
    alone = wilson_interval(4, 10)
    assert noise["rate"] == 0.4
    assert noise["low"] < alone.low
    assert noise["high"] > alone.high


def test_without_a_flip_a_content_counts_once(tmp_path: Path) -> None:
    """Without a flip the interval is that of ten contents, not of their twenty repeats."""
    row = {"repeats": 3, "contents": 10, "pairs": 20, "flips": 0, "square": 0.0}
    noise = compute_noise({**row, "errors": 0, "missing": 0})
    assert (noise["n"], noise["rate"], noise["low"]) == (20, 0.0, 0.0)
    assert noise["high"] == pytest.approx(wilson_interval(0, 10).high)


def test_a_failed_first_answer_makes_no_pair() -> None:
    """A further answer cannot differ from a first answer that failed."""
    names = noises.list_answer_keys("a", 3)
    comparison = noises.compare_answers(names, {"a": None, "a.2": True})
    assert comparison == noises.Comparison(pairs=0, flips=0, errors=0, missing=1)


def test_a_budget_leaves_repeats_for_another_day(tmp_path: Path, server: Server) -> None:
    """First answers come first: all traces are scored, and repeats follow when money allows."""
    team = open_team(tmp_path, server, 3, budget={"calls_per_day": COUNT + 2})
    assert team.score().calls == COUNT + 2
    assert set(read_verdicts(team).values()) == {"pass"}
    assert {row.inclusion for row in team.read_scores()} == {1.0}
    assert read_noise(team)["missing"] == 2 * COUNT - 2
    richer = open_team(tmp_path, server, 3, budget={"calls_per_day": 100})
    assert richer.score(run_id="again").calls == 2 * COUNT - 2
    assert read_noise(richer)["missing"] == 0
    assert count_requests(server) == [3] * COUNT


def test_answers_paid_before_a_crash_are_not_paid_again(tmp_path: Path, server: Server) -> None:
    """A run stopped among the repeats is resumed, each answer paid once."""
    team = open_team(tmp_path, server, 3)

    remaining = iter(range(COUNT + 2, -1, -1))

    def progress(done: int) -> None:
        if next(remaining) == 0:
            os._exit(9)

    child = os.fork()
    if not child:
        team.score(progress=progress)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(server.bodies) == COUNT + 3
    assert team.score(run_id="again").calls == 2 * COUNT - 3
    assert count_requests(server) == [3] * COUNT


def test_a_forgotten_trace_takes_its_repeats_along(tmp_path: Path, server: Server) -> None:
    """Every answer to its content is selected, and no other."""
    team = open_team(tmp_path, server, 3)
    team.score()
    (key,) = (row.content_key for row in team.read_scores() if row.trace_id == "t0")
    assert forget.find_scored(team.lake, {"t0"})[0] == {key, f"{key}.2", f"{key}.3"}


def test_a_plan_counts_repeats(tmp_path: Path, server: Server) -> None:
    """The run makes the calls the plan counts."""
    team = open_team(tmp_path, server, 3)
    references = GoldAndLabels.of(team.catalog.root, [])
    row, _ = plan_nights(PlanScope(team.lake, team.catalog, references, [NIGHT]))
    work = build_worklist(team.lake, NightTraces(team.lake, NIGHT), team.evaluator, references)
    assert row.calls == len(work.wanted) == team.score().calls == 3 * COUNT
    firsts = estimate_cost(team.lake, work, work.wanted[:COUNT])
    assert estimate_cost(team.lake, work, work.wanted).tokens_in == pytest.approx(
        3 * firsts.tokens_in, rel=0.01
    )


def test_repeats_go_by_batch(tmp_path: Path) -> None:
    """Each repeat is a line of its own in the file, and none is submitted twice."""
    with serve_batches() as server:
        team = open_batch_team(tmp_path, server.url, repeats=3)
        team.write_night("good", "bad")
        assert team.score().pending == 2
        server.state.finish()
        (over,) = team.collect()
        assert over.counts == {"answered": 6}
        team.score()
        assert team.read_verdicts() == {"t0": "pass", "t1": "fail"}
        assert set(server.state.count_submissions().values()) == {1}
        (row,) = team.lake.read("noise")
        assert (row.pairs, row.flips, row.missing) == (4, 0, 0)


def test_repeats_alone_in_a_batch_are_awaited(tmp_path: Path) -> None:
    """Each trace has its verdict; awaited repeats are counted, and reopen the night on arrival."""
    with serve_batches() as server:
        team = open_batch_team(tmp_path, server.url, repeats=1)
        team.write_night("good", "bad")
        team.score()
        server.state.finish()
        team.collect()
        team.score()
        team = open_batch_team(tmp_path, server.url, repeats=3)
        lock_night(team)
        tally = team.score()
        mark_reported(team)
        assert (tally.pending, tally.passed, tally.failed) == (0, 1, 1)
        (row,) = team.lake.read("noise")
        assert (row.missing, row.awaited) == (4, 4)
        noise = compute_noise(row._asdict())
        assert (noise["missing"], noise["awaited"]) == (4, 4)
        assert night_state.read_state(team.lake, NIGHT).awaits == 4
        assert night_locks.find_pending_nights(team.lake, team.catalog, [NIGHT]) == []
        server.state.finish()
        team.collect()
        assert [
            pending.night
            for pending in night_locks.find_pending_nights(team.lake, team.catalog, [NIGHT])
        ] == [NIGHT]
        team.score()
        mark_reported(team)
        (row,) = team.lake.read("noise")
        assert (row.pairs, row.missing, row.awaited) == (4, 0, 0)
        assert night_state.read_state(team.lake, NIGHT).awaits == 0
        assert night_locks.find_pending_nights(team.lake, team.catalog, [NIGHT]) == []


def open_batch_team(folder: Path, url: str, repeats: int) -> BatchTeam:
    """Opens a team whose judge has so many repeats, by batch."""
    write_batch_catalog(folder / "catalog", url)
    path = folder / "catalog" / "judges" / "tone.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "repeats": repeats}))
    load_catalog.cache_clear()
    return BatchTeam(folder)


def lock_night(team: BatchTeam) -> None:
    """Locks the night to the catalog's versions."""
    night_locks.move_lock(team.lake, team.catalog, NIGHT, "chat")


def mark_reported(team: BatchTeam) -> None:
    """Marks the night as reported, as building its reports does."""
    night_state.update_state(team.lake, NIGHT, **count_awaited(team.lake, NIGHT)._asdict())
    night_state.update_state(
        team.lake, NIGHT, seen=night_locks.digest_inputs(team.lake, team.catalog, NIGHT)
    )


def test_the_page_shows_noise_beside_the_agreement(tmp_path: Path, server: Server) -> None:
    """A judge with repeats has its noise with labels and without; one without repeats has none."""
    team = open_team(tmp_path, server, 3)
    team.score()
    about = {"dimension": "kind", "evaluator": "tone", "evaluator_version": team.evaluator.version}
    counts = {"n": 6, "passed": 6, "failed": 0, "errored": 0, "skipped": 0}
    night = {
        "date": NIGHT,
        "app": team.catalog.app("chat"),
        "suite": "chat",
        "rates": [{**about, **counts, "kind": "judge", "slice": "all"}],
        "evaluators": [team.evaluator],
    }
    rows = [row._asdict() for row in team.lake.read("noise")]
    labels = [{**about, "tp": 30, "fn": 0, "fp": 0, "tn": 30}]
    line = "asked 3 times, it contradicts its first verdict in 50%"
    for agreement in ([], labels):
        body = report_of(Night(**night, agreement=agreement, noise=rows))
        (row,) = body.to_json()["agreement"]
        assert row["noise"] == read_noise(team)
        assert (row["n"], row["usable"]) == ((60, True) if agreement else (0, False))
        page = render_night(body, history=[])
        assert line in page
        assert "awaited from a batch" not in page
        assert "of 10 repeats; 2 errored" in page
        assert ("No labels for these" in page) == (not agreement)
    assert "noise" not in build(Night(**night, agreement=labels))["agreement"][0]
    out = [{**row, "missing": 3, "awaited": 2} for row in rows]
    page = render_night(report_of(Night(**night, noise=out)), history=[])
    assert "1 not asked yet; 2 awaited from a batch" in page
