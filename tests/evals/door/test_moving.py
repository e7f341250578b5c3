"""What is promised of a trace that a later file tells in another night."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.door import admission, inbox, moving
from evals.lake import Lake
from evals.nights import door_basis
from evals.specs import Catalog

FIRST = date(2026, 10, 1)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
DRAWN = "0af7651916cd43dd8448eb211c80319c"


class Home:
    """A home whose files arrive one after the other."""

    def __init__(self, root: Path) -> None:
        self.lake, self.catalog = Lake(root / "home").open(), Catalog(root=root)
        self.folder, self.count = root / "inbox", 0
        self.folder.mkdir()

    def arrives(self, *rows: dict[str, Any]) -> None:
        """One more file, read."""
        self.count += 1
        path = self.folder / f"{self.count}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        inbox.take_in(self.lake, self.catalog, self.folder, now=NOW)

    def nights(self) -> dict[int, set[str]]:
        """The answers of each night by days after the first, each account being in order."""
        nights = self.lake.nights("staged")
        for apps in admission.admit(self.lake, self.catalog, nights).values():
            for one in apps.values():
                assert one["read"] == one["accepted"] + one["duplicate"] + one["quarantined"]
        traces = {night: self.lake.read("traces", [night]) for night in nights}
        return {(n - FIRST).days: {one.output for one in own} for n, own in traces.items()}

    def account(self, day: int) -> dict[str, Any]:
        """A night's account."""
        nights = self.lake.nights("staged")
        return admission.admit(self.lake, self.catalog, nights)[FIRST + timedelta(days=day)]["chat"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty one."""
    return Home(tmp_path)


def row(trace_id: str, day: int, output: str) -> dict[str, Any]:
    """A request on some day after the first."""
    ts = f"{FIRST + timedelta(days=day)}T12:00:00Z"
    return {"trace_id": trace_id, "app": "chat", "input": "Hi?", "output": output, "ts": ts}


def test_a_trace_that_moved_leaves_its_old_night(home: Home) -> None:
    """It is one trace, in the night the later file tells, and counted as corrected in the other."""
    home.arrives(row(DRAWN, 0, "Old."), row("short", 0, "Stays."))
    assert home.nights() == {0: {"Old.", "Stays."}}
    home.arrives(row(DRAWN, 9, "New."))
    assert home.nights() == {0: {"Stays."}, 9: {"New."}}
    account = home.account(0)
    assert (account["accepted"], account["duplicate"], account["corrected"]) == (1, 1, 1)


def test_only_the_nights_it_left_and_entered_are_due_again(home: Home) -> None:
    """One between them is not."""
    home.arrives(row(DRAWN, 0, "Old."), row("b" * 32, 1, "B."), row("c" * 32, 2, "C."))
    nights = [FIRST + timedelta(days=day) for day in range(3)]
    before = [door_basis(home.lake, night) for night in nights]
    home.arrives(row(DRAWN, 2, "New."))
    after = [door_basis(home.lake, night) for night in nights]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, False]


def test_a_trace_may_move_back(home: Home) -> None:
    """The file that was read last is believed, whichever night it tells."""
    for day, answer in ((0, "First."), (3, "Second."), (0, "Third."), (3, "Fourth.")):
        home.arrives(row(DRAWN, day, answer), row("other", day, answer))
    assert home.nights() == {0: {"First.", "Third."} - {"First."}, 3: {"Fourth."}}


def test_within_a_file_the_first_stands_and_another_night_s_is_a_conflict(home: Home) -> None:
    """As within one night: refused, not lost; a later file may still correct it, in either."""
    others = [row(letter * 32, 0, "A.") for letter in "abcdef"]
    home.arrives(*others, row(DRAWN, 2, "First."), row(DRAWN, 0, "Second."))
    assert home.nights() == {0: {"A."}, 2: {"First."}}
    account = home.account(0)
    assert account["reasons"] == {"conflicting-trace-id": 1}
    home.arrives(row(DRAWN, 0, "Third."))
    assert home.nights() == {0: {"A.", "Third."}, 2: set()}


def test_an_id_that_is_a_counter_names_a_trace_of_its_night(home: Home) -> None:
    """Short ids begin anew each night: none is lost."""
    for day in range(3):
        home.arrives(*(row(f"{n}", day, f"{day}.{n}") for n in range(5)))
    assert {day: len(own) for day, own in home.nights().items()} == {0: 5, 1: 5, 2: 5}


def test_beyond_a_month_it_is_another_trace(home: Home) -> None:
    """And no import looks there: those nights cannot even be read here."""
    home.arrives(row(DRAWN, 0, "Old."))
    (path,) = home.lake.files("staged", [FIRST])
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    home.arrives(row(DRAWN, moving.NEAR + 1, "New."))
    path.write_bytes(content)
    assert home.nights() == {0: {"Old."}, moving.NEAR + 1: {"New."}}


def test_a_later_row_without_an_answer_takes_nothing_away(home: Home) -> None:
    """It goes to quarantine in its night, and the trace stays where it was."""
    home.arrives(row(DRAWN, 0, "Old."))
    home.arrives(row(DRAWN, 2, ""))
    assert home.nights() == {0: {"Old."}, 2: set()}


def test_the_same_trace_in_two_formats_is_one(home: Home, tmp_path: Path) -> None:
    """A log whose clock had no zone, then the spans of the same request."""
    span = {
        "traceId": DRAWN,
        "spanId": "b7ad6b7169203331",
        "name": "chat",
        "startTimeUnixNano": "1790899200000000000",
        "attributes": [
            {"key": key, "value": {"stringValue": value}}
            for key, value in (("gen_ai.operation.name", "chat"), ("input.value", "Hi?"),
                               ("output.value", "By span."))
        ],
    }  # fmt: skip
    service = [{"key": "service.name", "value": {"stringValue": "chat"}}]
    scope = {"resource": {"attributes": service}, "scopeSpans": [{"spans": [span]}]}
    home.arrives({**row(DRAWN, 0, "By log."), "ts": "2026-10-01 22:00:00"})
    home.arrives({"resourceSpans": [scope]})
    assert home.nights() == {0: set(), 1: {"By span."}}
