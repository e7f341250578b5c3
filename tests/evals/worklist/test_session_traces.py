"""Sessions as evaluators read them, and their scores and labels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.calls.live import ask_live
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.resolution import resolve_app
from evals.labels.mapped_labels import map_labels
from evals.records import Label, Trace
from evals.runs.runner import ScoringRun, score_evaluators
from evals.specs import Catalog, load_catalog
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.worklist.night_contents import NightTraces

NIGHT = date(2026, 10, 1)
START = datetime(2026, 10, 1, 9, tzinfo=UTC)
SUITE = """
suite: chat
dimensions:
  - dimension: solved
    question: "Was the user's problem solved?"
    subject: session
    check: {assertion: contains, params: {values: [refund]}}
  - dimension: polite
    question: "Polite?"
    check: {assertion: contains, params: {values: [please]}}
"""


def build_turn(name: str, session: str | None, minute: int, **values: Any) -> Trace:
    """Builds a turn of a session."""
    ts = START + timedelta(minutes=minute)
    return Trace(name, ts, "chat", session_id=session, **{"input": "?", "output": "!", **values})


TURNS = (
    build_turn("a2", "a", 5, input="Still nothing!", output="Here is your refund.",
               context="terms", steps=({"kind": "tool", "name": "pay"},)),
    build_turn("b1", "b", 1, input="Hello", output="Hello"),
    build_turn("a1", "a", 0, input="Where is it?", output="On its way, please wait.",
               context="terms", steps=({"kind": "tool", "name": "find"},),
               messages=({"role": "system", "content": "Be kind."},
                         {"role": "user", "content": "Where is it?"})),
    build_turn("c1", None, 2, input="Alone", output="refund"),
)  # fmt: skip


def create_home(tmp_path: Path, turns: tuple[Trace, ...] = TURNS) -> tuple[Lake, Catalog]:
    """Writes a home with some turns, and a catalog that evaluates sessions and traces."""
    root = tmp_path / "catalog"
    for name, text in {
        "suites/chat.yaml": SUITE,
        "apps/chat.yaml": "{app: chat, suite: chat}",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    lake = Lake(tmp_path / "home").open()
    lake.write("traces", NIGHT, turns, "day")
    return lake, load_catalog(root)


def score(lake: Lake, catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Scores the night; returns the rows of the session's dimension, by trace."""
    references = GoldAndLabels.of(catalog.root, ())
    with ledger.open_journal(lake, "run") as journal:
        run = ScoringRun(lake, references, journal, ask_live)
        score_evaluators(run, NightTraces(lake, NIGHT), resolve_app(catalog, "chat"))
    rows = [row for rows in lake.stream_batches("scores", NIGHT, COLUMNS) for row in rows]
    return {row["trace_id"]: row for row in rows if row["dimension"] == "solved"}


COLUMNS = ("trace_id", "dimension", "verdict", "subject", "subject_id", "content_key")


def test_a_session_is_read_as_one_trace_of_all_its_turns(tmp_path: Path) -> None:
    """The conversation is whole and in order, steps name their turn, a passage is shown once."""
    lake, catalog = create_home(tmp_path)
    solved = next(one for one in resolve_app(catalog, "chat") if one.dimension == "solved")
    reads = ("input", "output", "context", "messages", "steps")
    evaluator = solved.model_copy(update={"reads": reads})
    read = {trace.trace_id: trace for trace in NightTraces(lake, NIGHT).read_traces(evaluator)}
    assert set(read) == {"a2", "b1", "c1"}
    whole = read["a2"]
    assert (whole.input, whole.output) == ("Where is it?", "Here is your refund.")
    assert [one["role"] for one in whole.messages] == [
        "system", "user", "assistant", "user", "assistant",
    ]  # fmt: skip
    assert [(one["turn"], one["name"]) for one in whole.steps] == [(1, "find"), (2, "pay")]
    assert whole.context == "terms"


def test_a_session_has_one_score_under_its_last_turn(tmp_path: Path) -> None:
    """A turn without a session is a session of its own."""
    rows = score(*create_home(tmp_path))
    verdicts = {
        name: (row["verdict"], row["subject"], row["subject_id"]) for name, row in rows.items()
    }
    assert verdicts == {
        "a2": ("pass", "session", "a"),
        "b1": ("fail", "session", "b"),
        "c1": ("pass", "session", "c1"),
    }


def test_a_later_turn_moves_the_score_of_its_session(tmp_path: Path) -> None:
    """The session is evaluated again with its new last turn; others keep their scores."""
    lake, catalog = create_home(tmp_path)
    before = score(lake, catalog)
    more = build_turn("b2", "b", 9, output="Your refund is on its way.")
    lake.write("traces", NIGHT, (*TURNS, more), "day")
    after = score(lake, catalog)
    assert set(after) == {"a2", "b2", "c1"}
    assert after["b2"]["verdict"] == "pass"
    assert after["a2"] == before["a2"]


def test_a_label_of_a_session_is_a_vote_on_it(tmp_path: Path) -> None:
    """Labels of the session, and of its last turn, count; those of an earlier turn do not."""
    lake, catalog = create_home(tmp_path)
    of_session = Label("a", "solved", "pass", "ann", "human", subject="session")
    labels = [
        of_session,
        replace(of_session, subject_id="b1", subject="trace", verdict="fail"),
        replace(of_session, subject_id="a1", subject="trace", verdict="fail", annotator="bob"),
    ]
    rows = map_labels(lake, catalog, labels, NIGHT)
    assert {(row.trace_id, row.subject, row.subject_id, row.verdict) for row in rows} == {
        ("a2", "session", "a", "pass"),
        ("b1", "session", "b", "fail"),
    }
