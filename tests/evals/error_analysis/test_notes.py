"""Open notes: what broke first, and where."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evals.erasure.forget import forget_person
from evals.error_analysis.due import describe_due
from evals.error_analysis.notes import (
    DraftNote,
    NoteError,
    StoredTrace,
    find_trace,
    withdraw_note,
    write_note,
)
from evals.error_analysis.places import UnknownPlaceError, list_places
from evals.specs.cases import (
    CASES,
    Case,
    CaseOrigin,
    format_cases,
    load_cases,
    locate_cases,
    record_trace,
)
from evals.storage.documents.due_analyses import DueAnalysis, write_due_analyses
from evals.storage.documents.failure_modes import (
    FailureMode,
    Taxonomy,
    read_taxonomies,
    write_taxonomies,
)
from evals.storage.documents.open_notes import (
    add_note,
    empty_notes,
    read_note_history,
    read_notes,
)
from evals.storage.documents.reading_lists import (
    ListedTrace,
    ReadingList,
    add_reading_list,
    read_reading_list,
)
from orchestration.cli.board import describe_due_analyses
from tests.evals.error_analysis.homes import NIGHT, NOW, make_catalog, make_home, make_trace

STEPS = ({"kind": "tool", "name": "search", "output": "none"}, {"kind": "llm"}, "odd")
AGENT = make_trace("t-1", steps=STEPS, messages=({"role": "assistant", "content": "Hello"},))
FAIL = DraftNote(verdict="fail", author="Ann", text="wrong shop; call +49 170 1234567", place="1")


def test_a_note_names_the_place_and_the_state_before_it(tmp_path: Path) -> None:
    """A number alone is a step's; personal data are redacted; the answer is bound."""
    lake, catalog = make_home(tmp_path, [AGENT]), make_catalog(tmp_path)
    found = find_trace(lake, catalog, "t-1")
    assert found == StoredTrace(AGENT, NIGHT)
    note = write_note(lake, catalog, found, FAIL, NOW)
    assert (note.place, note.last_good_state, note.failing_state) == (
        "step:1", "earlier turn", "tool search",
    )  # fmt: skip
    assert "170" not in note.text
    assert note.answer
    assert note.night == NIGHT
    odd = dataclasses.replace(FAIL, text="a byte: \udcff", author="B\udcff", place="")
    assert write_note(lake, catalog, found, odd, NOW).text == "a byte: ?"
    assert [place.key for place in list_places(AGENT)] == [
        "input", "turn:1", "step:1", "step:2", "step:3", "answer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"place": "step:9"}, "it has input, turn:1, step:1"),
        ({"text": "  "}, "what broke first"),
        ({"verdict": "pass", "text": "", "place": "answer"}, "no place where it broke"),
        ({"author": " "}, "author"),
        ({"text": "x" * 4001}, "at most 4,000"),
    ],
)
def test_a_note_with_too_little_is_refused(
    change: dict[str, str], problem: str, tmp_path: Path
) -> None:
    """The message names what is missing, and nothing is stored."""
    lake, catalog = make_home(tmp_path, [AGENT]), make_catalog(tmp_path)
    draft = dataclasses.replace(FAIL, **change)  # type: ignore[arg-type]
    with pytest.raises((NoteError, UnknownPlaceError), match=problem):
        write_note(lake, catalog, StoredTrace(AGENT, NIGHT), draft, NOW)
    assert read_notes(lake, "shop") == []


def test_a_corrected_note_keeps_its_history_and_its_key(tmp_path: Path) -> None:
    """The last wording counts, the first stays in the file, and withdrawing adds a line."""
    lake, catalog = make_home(tmp_path, [AGENT]), make_catalog(tmp_path)
    found = StoredTrace(AGENT, NIGHT)
    first = write_note(lake, catalog, found, FAIL, NOW)
    second = write_note(lake, catalog, found, dataclasses.replace(FAIL, text="wrong tool"), NOW)
    assert second.key == first.id != second.id
    assert [note.text for note in read_notes(lake, "shop")] == ["wrong tool"]
    withdraw_note(lake, second, NOW)
    assert read_notes(lake, "shop") == []
    assert len(read_note_history(lake, "shop")) == 3


def test_two_writers_at_once_lose_no_note(tmp_path: Path) -> None:
    """Forty notes of eight threads are forty notes."""
    lake, catalog = make_home(tmp_path, [AGENT]), make_catalog(tmp_path)
    note = write_note(lake, catalog, StoredTrace(AGENT, NIGHT), FAIL, NOW)
    with ThreadPoolExecutor(8) as pool:
        names = [note._replace(author=f"a{n}", id="", thread="") for n in range(39)]
        list(pool.map(lambda one: add_note(lake, one), names))
    assert len({one.id for one in read_note_history(lake, "shop")}) == 40


def test_forgetting_and_retention_reach_notes_lists_modes_and_cases(tmp_path: Path) -> None:
    """What was written about one trace is gone everywhere; the other trace's note stays."""
    other = make_trace("t-2")
    lake, catalog = make_home(tmp_path, [AGENT, other]), make_catalog(tmp_path)
    own = write_note(lake, catalog, StoredTrace(AGENT, NIGHT), FAIL, NOW)
    at_answer = dataclasses.replace(FAIL, place="answer")
    rest = write_note(lake, catalog, StoredTrace(other, NIGHT), at_answer, NOW)
    listed = tuple(ListedTrace(one, NIGHT, "random") for one in ("t-1", "t-2"))
    add_reading_list(lake, ReadingList("shop", NOW, "Ann", listed))
    modes = (FailureMode("m1", "wrong-shop", (own.key,)), FailureMode("m2", "b", (rest.key,)))
    write_taxonomies(lake, "shop", [Taxonomy("shop", 1, modes)])
    path = locate_cases(catalog.root, "shop", CASES)
    path.parent.mkdir()
    cases = [
        Case(id=f"c-{one.trace_id}", app="shop", dimension="polite", verdict="fail",
             trace=record_trace(one), origin=CaseOrigin(trace_id=one.trace_id, night=NIGHT))
        for one in (AGENT, other)
    ]  # fmt: skip
    path.write_bytes(format_cases(cases))
    forget_person(lake, catalog, [], ["t-1"], NOW)
    assert [note.trace_id for note in read_notes(lake, "shop")] == ["t-2"]
    assert [mode.id for mode in read_taxonomies(lake, "shop")[0].modes] == ["m2"]
    reading = read_reading_list(lake, "shop")
    assert reading
    assert [one.trace_id for one in reading.traces] == ["t-2"]
    assert load_cases(path) == cases[1:]
    assert empty_notes(lake, {"t-2"}.__contains__, "[expired]") == 1
    assert [note.text for note in read_notes(lake, "shop")] == ["[expired]"]


def test_an_analysis_that_is_being_read_is_due_with_how_far_it_is(tmp_path: Path) -> None:
    """Not begun, it names how to start; begun, what was read and how to go on."""
    traces = [AGENT, make_trace("t-2")]
    lake, catalog = make_home(tmp_path, traces), make_catalog(tmp_path)
    listed = tuple(ListedTrace(trace.trace_id, NIGHT, "random") for trace in traces)
    add_reading_list(lake, ReadingList(AGENT.app, NOW, "Ann", listed))
    unread = describe_due(lake, AGENT.app, "never done").describe()
    assert unread == "shop: never done; `andon analysis start --app shop --by NAME`"
    found = find_trace(lake, catalog, "t-1")
    assert found
    write_note(lake, catalog, found, FAIL, NOW)
    begun = describe_due(lake, AGENT.app, "never done").describe()
    assert begun == (
        f"{AGENT.app}: never done: 1 of 2 traces read; `andon analysis next --app {AGENT.app}`"
    )
    second = find_trace(lake, catalog, "t-2")
    assert second
    write_note(lake, catalog, second, DraftNote(verdict="pass", author="Ann"), NOW)
    read = describe_due(lake, AGENT.app, "never done").describe()
    assert "1 note has no mode yet; `andon analysis group --app shop --by NAME`" in read


def test_a_retrieval_is_shown_with_what_it_found() -> None:
    """Who reads in a terminal sees the passages, not what was asked for."""
    found = [{"id": "kb-1", "content": "Returns within 30 days."}, {"content": "Ships free."}]
    step = {"kind": "retrieval", "input": {"query": "returns"}, "documents": found}
    tool = {"kind": "tool", "output": {"shop": "Köln"}}
    places = list_places(make_trace("t-1", steps=[step, tool]))
    assert [place.text for place in places][1:3] == [
        "Returns within 30 days.\nShips free.", '{"shop": "Köln"}',
    ]  # fmt: skip


def test_a_run_names_due_analyses_in_one_line(tmp_path: Path) -> None:
    """One with its next command; several with the command that shows each."""
    lake = make_home(tmp_path, [AGENT])
    assert list(describe_due_analyses(lake)) == []
    write_due_analyses(lake, [DueAnalysis("shop", "never done", is_begun=True)])
    assert list(describe_due_analyses(lake)) == [
        "shop: never done; `andon analysis next --app shop`"
    ]
    write_due_analyses(lake, [DueAnalysis("desk", "never done"), DueAnalysis("shop", "never done")])
    (line,) = describe_due_analyses(lake)
    assert line.startswith("error analysis is due for desk, shop: `andon analysis`")
