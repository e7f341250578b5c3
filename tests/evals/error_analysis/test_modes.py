"""Failure modes: made of notes, changed by people, counted."""

from __future__ import annotations

import pytest

from evals.error_analysis import modes
from evals.error_analysis.clusters import group_notes as group_texts
from evals.error_analysis.modes import ModeError
from evals.error_analysis.progress import count_transitions, measure_progress
from evals.records import Verdict
from evals.storage.documents.failure_modes import (
    FailureMode,
    Taxonomy,
    change_taxonomy,
    read_taxonomies,
    read_taxonomy,
)
from evals.storage.documents.open_notes import OpenNote
from evals.storage.documents.reading_lists import ListedTrace, ReadingList
from evals.storage.lake import Lake
from tests.evals.error_analysis.homes import NIGHT, NOW

TEXTS = {
    "date": ["wrong date format", "date in US format", "the date format is wrong"],
    "refund": ["invents a refund policy", "made up a refund rule", "refund policy is invented"],
    "language": ["replied in English to German", "answers in English, asked in German"],
    "query": ["search called with empty query", "empty query passed to search"],
    "length": ["far too long, rambling", "rambling and too long"],
    "tone": ["rude tone", "the tone is rude"],
}
NOTES = [(name, text) for name, texts in TEXTS.items() for text in texts]


def make_note(key: str, text: str, verdict: Verdict = "fail", **fields: str) -> OpenNote:
    """Returns a note."""
    states = {"place": "", "failing_state": "", "last_good_state": "", **fields}
    return OpenNote(
        "shop",
        f"t-{key}",
        NIGHT,
        verdict,
        text,
        author="Ann",
        time=NOW,
        answer="",
        id=key,
        **states,
    )


def make_notes() -> list[OpenNote]:
    """Returns a note for each text."""
    return [make_note(f"{name}{n}", text) for n, (name, text) in enumerate(NOTES)]


def test_notes_on_one_thing_fall_into_one_group() -> None:
    """Six kinds of notes make five to ten groups, and no group mixes two kinds."""
    groups = group_texts([text for _, text in NOTES])
    assert 5 <= len(set(groups)) <= 10
    assert len({(group, name) for group, (name, _) in zip(groups, NOTES, strict=True)}) == len(
        set(groups)
    )


@pytest.mark.parametrize(
    "texts", [["x"], ["same"] * 30, ["a", ""], ["日期格式错误", "退款政策是编造的"]]
)
def test_odd_notes_are_grouped_too(texts: list[str]) -> None:
    """One note, thirty equal ones, an empty one, a language without spaces."""
    assert len(group_texts(texts)) == len(texts)


def test_what_a_person_named_stays_when_new_notes_are_grouped() -> None:
    """A similar new note joins the named mode; one like no other becomes a mode of its own."""
    notes = make_notes()
    first = modes.group_notes(Taxonomy("shop", 0, ()), notes)
    dates = first.find_mode_of("date0")
    assert dates
    named = modes.rename_mode(first, dates.id, "wrong-date", "The date is not ISO")
    more = [make_note("new1", "date format wrong again"), make_note("new2", "server crashed, 500")]
    again = modes.group_notes(named, [*notes, *more])
    wrong = again.find("wrong-date")
    assert wrong
    assert "new1" in wrong.notes
    assert wrong.is_named
    alone = again.find_mode_of("new2")
    assert alone
    assert alone.notes == ("new2",)
    assert modes.group_notes(again, [*notes, *more]) == again


def test_modes_are_merged_split_moved_and_decided_on() -> None:
    """No note is lost or doubled by any change; each change describes itself."""
    grouped = modes.group_notes(Taxonomy("shop", 0, ()), make_notes())
    every = grouped.grouped
    one, two = grouped.modes[0], grouped.modes[1]
    merged = modes.merge_modes(grouped, [one.id], two.name)
    assert merged.grouped == every
    assert len(merged.modes) == len(grouped.modes) - 1
    split = modes.split_mode(merged, two.id, one.notes[:1], "another-thing")
    assert split.grouped == every
    assert split.find("another-thing")
    moved = modes.move_notes(split, one.notes[:1], two.id)
    assert moved.grouped == every
    decided = modes.decide_mode(moved, two.id, "judge", "Ann", NOW, "no code can tell")
    found = decided.find(two.id)
    assert found
    assert found.decision
    assert found.decision.action == "judge"
    assert sum(len(mode.notes) for mode in decided.modes) == len(every)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda one: modes.rename_mode(one, "m1", "Wrong Date"), "such as 'wrong-date'"),
        (lambda one: modes.rename_mode(one, "m1", one.modes[1].name), "merge the two"),
        (lambda one: modes.rename_mode(one, "nope", "x"), "there are"),
        (lambda one: modes.merge_modes(one, ["m1"], "m1"), "at least one"),
        (lambda one: modes.split_mode(one, "m1", ["zz"], "x"), "has no note zz"),
        (lambda one: modes.split_mode(one, "m1", one.modes[0].notes, "x"), "leaves others"),
    ],
)  # fmt: skip
def test_impossible_changes_say_what_to_do(change: modes.Change, problem: str) -> None:
    """A name that is taken or no name, an unknown mode, a note of another mode."""
    grouped = modes.group_notes(Taxonomy("shop", 0, ()), make_notes())
    with pytest.raises(ModeError, match=problem):
        change(grouped)


def test_every_change_is_a_version_with_its_author(lake: Lake) -> None:
    """Earlier versions stay as they were; a change that changes nothing adds none."""
    change_taxonomy(lake, "shop", lambda one: modes.group_notes(one, make_notes()), "Ann", NOW)
    before = read_taxonomy(lake, "shop")
    change_taxonomy(lake, "shop", lambda one: modes.rename_mode(one, "m1", "first"), "Bo", NOW)
    change_taxonomy(lake, "shop", lambda one: one, "Cy", NOW)
    versions = read_taxonomies(lake, "shop")
    assert [(one.version, one.author) for one in versions] == [(1, "Ann"), (2, "Bo")]
    assert versions[0] == before
    assert versions[1].modes[0].name == "first"


def test_reading_may_stop_after_twenty_traces_without_a_new_mode() -> None:
    """A failing note without a mode counts as a new one, so grouping comes before stopping."""
    bad = [make_note("a", "wrong date"), make_note("b", "rude")]
    good = [make_note(f"g{n}", "", "pass") for n in range(19)]
    notes = [*bad, *good, make_note("c", "wrong date")]
    reading = ReadingList(
        "shop", NOW, "Ann", tuple(ListedTrace(note.trace_id, NIGHT, "random") for note in notes)
    )
    loose = measure_progress(reading, notes, Taxonomy("shop", 0, ()))
    assert (loose.since_new_mode, loose.ungrouped, loose.is_saturated) == (0, 3, False)
    named = (FailureMode("m1", "wrong-date", ("a", "c")), FailureMode("m2", "rude", ("b",)))
    done = measure_progress(reading, notes, Taxonomy("shop", 1, named))
    assert (done.since_new_mode, done.is_saturated, done.is_enough) == (20, True, True)
    assert done.describe_stop() == "no new mode in the last 20 traces: you may stop reading"


def test_transitions_count_the_last_good_and_the_first_failing_state() -> None:
    """Passing notes count nowhere; a note without a place is counted apart."""
    marked = {"failing_state": "tool search", "last_good_state": "request", "place": "step:1"}
    notes = [
        make_note("a", "x", **marked), make_note("b", "y", **marked), make_note("c", "z"),
        make_note("d", "", "pass"),
    ]  # fmt: skip
    matrix = count_transitions(notes)
    assert matrix.list_transitions() == [("request", "tool search", 2)]
    assert (matrix.rows, matrix.columns, matrix.not_marked) == (("request",), ("tool search",), 1)
