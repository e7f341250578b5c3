"""Promises of anchors: a changed judge is asked about old answers, and what that costs is known."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.erasure.forget import find_scored
from evals.erasure.retention import retire_anchors
from evals.evaluators.gold import GoldAndLabels
from evals.records import Trace
from evals.runs.plan import PlanScope, plan_nights
from evals.runs.runner import Tally
from evals.specs import Evaluator
from evals.storage.lake import Lake
from evals.table_rows import AnchorRow, MappedLabel
from evals.worklist import anchors
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import build_worklist
from tests.evals.models.model_server import Server, serve_script
from tests.evals.runs.test_runner import Bench, judge_by_words, write_catalog

FIRST = date(2026, 10, 1)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves the judge's model."""
    with serve_script(judge_by_words) as running:
        yield running


def set_anchors(bench: Bench, root: Path, url: str, limits: str, judge: str = "") -> None:
    """Declares how many anchors are asked, and the judge's further keys."""
    folder = root / "catalog"
    folder.mkdir(exist_ok=True)
    (folder / "catalog.yaml").write_text(f"anchors: {limits}")
    bench.catalog = write_catalog(folder, url, threshold=judge)


def write_night(bench: Bench, at: int, n: int = 20, fails: int = 5) -> date:
    """Writes a night with as many answers, of which some fail."""
    night = FIRST + timedelta(days=at)
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC)
    bench.lake.write(
        "traces",
        night,
        [
            Trace(f"{at}-{i}", noon + timedelta(seconds=i), "chat",
                  f"{'bad' if i < fails else 'good'} {at} {i}")
            for i in range(n)
        ],
    )  # fmt: skip
    return night


def score(bench: Bench, at: int) -> Tally:
    """Scores a night."""
    return bench.score("kind", of=FIRST + timedelta(days=at))


def read_anchors(bench: Bench, at: int) -> list[AnchorRow]:
    """Reads a night's anchors."""
    return bench.lake.read("anchors", [FIRST + timedelta(days=at)])


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    """Opens a lake with two nights of 20 answers that the judge's first version judged."""
    bench = Bench(tmp_path, server.url)
    set_anchors(bench, tmp_path, server.url, "{changed: 12, nightly: 2}")
    for at in (0, 1):
        write_night(bench, at)
        score(bench, at)
    return bench


def test_a_changed_judge_is_asked_about_answers_of_the_version_before(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """Once, on its first night, as many as are declared, and by the verdicts they had."""
    old = bench.find_evaluator("kind").version
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", max_tokens: 299")
    write_night(bench, 2)
    assert score(bench, 2).calls == 20 + 12
    rows = read_anchors(bench, 2)
    assert {(row.kind, row.before_version, row.before == row.verdict) for row in rows} == {
        ("changed", old, True)
    }
    assert sum(row.before == "fail" for row in rows) == 3
    assert {row.trace_date for row in rows} <= {FIRST, FIRST + timedelta(days=1)}
    assert score(bench, 2).calls == 0
    write_night(bench, 3)
    assert score(bench, 3).calls == 20
    assert read_anchors(bench, 3) == []


def test_a_plan_counts_anchors_before_they_are_asked(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """What it lists is what the night asks."""
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", max_tokens: 299")
    night = write_night(bench, 2)
    references = GoldAndLabels.of(bench.catalog.root, [])
    scope = PlanScope(bench.lake, bench.catalog, references, [night], ["tone"])
    assert [row.calls for row in plan_nights(scope)] == [32]
    assert score(bench, 2).calls == 32


def test_anchors_cost_nothing_that_was_not_asked_for(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """At 0 there are none; a night has no more than answers of its own; a first night has none."""
    set_anchors(bench, tmp_path, server.url, "{changed: 0, nightly: 0}", ", max_tokens: 299")
    write_night(bench, 2)
    assert score(bench, 2).calls == 20
    set_anchors(bench, tmp_path, server.url, "{changed: 200}", ", max_tokens: 298")
    write_night(bench, 3, n=5, fails=0)
    assert score(bench, 3).calls == 5 + 5
    assert read_anchors(bench, 0) == []


def test_a_night_that_was_judged_before_asks_nothing_more(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """One that an earlier Andon scored has no anchors, and gets none."""
    set_anchors(bench, tmp_path, server.url, "{changed: 0, nightly: 0}", ", max_tokens: 299")
    write_night(bench, 2)
    score(bench, 2)
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", max_tokens: 299")
    assert score(bench, 2).calls == 0


def test_a_threshold_is_bridged_without_a_call(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """A version with the same answers is bridged from those that are paid."""
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", threshold: 0.9")
    write_night(bench, 2)
    assert score(bench, 2).calls == 20
    assert len(read_anchors(bench, 2)) == 12


def test_a_judge_that_is_the_same_is_asked_again_from_its_eighth_night(bench: Bench) -> None:
    """Others each night, a tenth of its own answers at most, under keys of the night."""
    calls = list[int]()
    for at in range(2, 10):
        write_night(bench, at)
        calls.append(score(bench, at).calls)
    assert calls == [20] * 5 + [22] * 3
    rows = [row for at in (7, 8, 9) for row in read_anchors(bench, at)]
    assert {(row.kind, row.before == row.verdict) for row in rows} == {("same", True)}
    assert len({row.trace_id for row in rows}) == 6
    assert score(bench, 9).calls == 0


def test_a_failed_anchor_is_no_verdict_and_is_asked_again(tmp_path: Path, server: Server) -> None:
    """It is a row with its code, and the next run of the night asks for it."""
    bench = Bench(tmp_path, server.url)
    set_anchors(bench, tmp_path, server.url, "{changed: 12}")
    write_night(bench, 0)
    score(bench, 0)
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", max_tokens: 299")
    write_night(bench, 1)
    bench.set_budget(calls_per_day=27)
    assert score(bench, 1).calls == 7
    rows = read_anchors(bench, 1)
    assert [row.code for row in rows if row.verdict is None] == ["budget"] * 5
    bench.set_budget(calls_per_day=100)
    assert score(bench, 1).calls == 25
    assert all(row.verdict for row in read_anchors(bench, 1))


def test_labelled_answers_are_asked_beside_the_others(
    bench: Bench, tmp_path: Path, server: Server
) -> None:
    """Those of the test split, with what people decided and the chance of it."""
    labels = [
        MappedLabel(FIRST, "chat", f"0-{i}", "kind", "fail" if i < 5 else "pass",
                    probability=0.5, split="test" if i % 2 else "dev")
        for i in range(20)
    ]  # fmt: skip
    bench.lake.write("labels_mapped", FIRST, labels)
    set_anchors(bench, tmp_path, server.url, "{changed: 8}", ", max_tokens: 299")
    write_night(bench, 2)
    score(bench, 2)
    labelled = [row for row in read_anchors(bench, 2) if row.label]
    assert {row.split for row in labelled} == {"test"}
    assert sum(row.label == "fail" for row in labelled) == 2
    assert {row.probability for row in labelled if row.label == "fail"} == {0.5}
    assert {row.probability for row in labelled if row.label == "pass"} == {0.5 * 4 / 8}


def test_a_judge_whose_weights_are_pinned_cannot_drift(bench: Bench) -> None:
    """A digest names its model: nothing is asked again under the same version."""
    judge = bench.find_evaluator("kind")
    assert anchors.may_drift(judge)
    assert judge.pin is not None
    pinned = judge.pin.model_copy(update={"sha256": "0" * 64})
    assert not anchors.may_drift(judge.model_copy(update={"pin": pinned}))


def test_what_is_asked_again_is_forgotten_and_expires_with_its_trace(bench: Bench) -> None:
    """An erasure finds the later answers, and retention retires them with the answer's night."""
    for at in range(2, 8):
        write_night(bench, at)
        score(bench, at)
    (row, _) = read_anchors(bench, 7)
    found = find_scored(bench.lake, {row.trace_id}).keys
    assert {key.partition(".")[2] for key in found} == {"", "again-20261008"}
    assert retire_anchors(bench.lake, {row.trace_id}) == 1
    last = bench.lake.read("answers", [FIRST + timedelta(days=7)])
    assert [answer.text for answer in last if answer.code == "expired"] == [None]
    assert retire_anchors(bench.lake, {row.trace_id}) == 0


@pytest.mark.parametrize(
    ("sizes", "most", "shared"),
    [
        ((900, 100), 200, (160, 40)),
        ((500, 500), 200, (100, 100)),
        ((990, 10), 200, (190, 10)),
        ((1000, 0), 200, (200, 0)),
        ((50, 10), 200, (50, 10)),
    ],
)
def test_a_fifth_of_the_anchors_has_the_rarer_verdict(
    sizes: tuple[int, int], most: int, shared: tuple[int, int]
) -> None:
    """Where there are so many; without them it could not be carried over."""
    counts = anchors.share_anchors({"pass": sizes[0], "fail": sizes[1]}, most)
    assert (counts["pass"], counts["fail"]) == shared


def test_a_probe_asks_no_anchor(bench: Bench, tmp_path: Path, server: Server) -> None:
    """The first questions are about the night's own answers."""
    set_anchors(bench, tmp_path, server.url, "{changed: 12}", ", max_tokens: 299")
    night = write_night(bench, 2)
    work = build(bench, bench.find_evaluator("kind"), night)
    assert len(work.anchors) == 12
    limited = work.limit_questions(100)
    assert len(limited.wanted) == 20
    work.contents.close()


def build(bench: Bench, evaluator: Evaluator, night: date) -> Any:
    """Builds a night's worklist."""
    references = GoldAndLabels.of(bench.catalog.root, [])
    lake: Lake = bench.lake
    return build_worklist(lake, NightTraces(lake, night), evaluator, references)
