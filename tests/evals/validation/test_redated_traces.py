"""Promises of re-dated traces: a later file moves a trace to another night, and none is lost."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.ingest import inbox
from evals.runs import night_locks
from evals.specs import App, Catalog, Validation
from evals.storage import night_state
from evals.storage.lake import Lake
from evals.validation import admission, quarantine_replay, redated_traces

FIRST = date(2026, 10, 1)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
RANDOM_ID = "0af7651916cd43dd8448eb211c80319c"
BEYOND = redated_traces.MAX_DISTANCE.days + 2


class Home:
    """A home whose files arrive one after the other."""

    def __init__(self, root: Path) -> None:
        self.lake, self.catalog = Lake(root / "home").open(), Catalog(root=root)
        self.folder, self.count = root / "inbox", 0
        self.folder.mkdir()

    def import_rows(self, *rows: dict[str, Any]) -> None:
        """Imports one more file of these rows."""
        self.count += 1
        path = self.folder / f"{self.count}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        inbox.import_inbox(self.lake, self.catalog, self.folder, now=NOW)

    def limit_outputs(self, length: int) -> None:
        """Sets the catalog's longest answer from now on."""
        spec = App(app="chat", validation=Validation(max_output_chars=length, max_quarantined=0.9))
        self.catalog = Catalog(root=self.folder.parent, apps={"chat": spec})

    def list_due_days(self) -> list[int]:
        """Lists pending nights by days after the first."""
        staged = self.lake.list_nights("staged")
        return [
            (pending.night - FIRST).days
            for pending in night_locks.find_pending_nights(self.lake, self.catalog, staged)
        ]

    def run_nights(self, *days: int) -> None:
        """Admits these nights together, and reports those whose rows are still as admitted."""
        chosen = [FIRST + timedelta(days=day) for day in days]
        admission.admit_nights(self.lake, self.catalog, chosen)
        for night in chosen:
            same = night_state.is_admission_current(self.lake, night)
            seen = night_locks.digest_inputs(self.lake, self.catalog, night) if same else ""
            night_state.update_state(self.lake, night, seen=seen)

    def read_answers(self) -> dict[int, set[str]]:
        """Reads the answers of each night's stored traces."""
        traces = {
            night: self.lake.read("traces", [night]) for night in self.lake.list_nights("traces")
        }
        return {(n - FIRST).days: {trace.output for trace in own} for n, own in traces.items()}

    def admit_all(self) -> dict[int, set[str]]:
        """Admits all nights, checks that accounts add up, and reads the answers by day."""
        staged = self.lake.list_nights("staged")
        for apps in admission.admit_nights(self.lake, self.catalog, staged).values():
            for account in apps.values():
                for counts in (account, *account["files"].values()):
                    parts = [counts[key] for key in ("accepted", "duplicate", "quarantined")]
                    assert counts["read"] == sum(parts)
        return self.read_answers()

    def read_account(self, day: int) -> dict[str, Any]:
        """Reads a night's account."""
        staged = self.lake.list_nights("staged")
        return admission.admit_nights(self.lake, self.catalog, staged)[FIRST + timedelta(days=day)][
            "chat"
        ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Opens an empty home."""
    return Home(tmp_path)


def build_row(trace_id: str, day: int, output: str) -> dict[str, Any]:
    """Builds a request on some day after the first."""
    ts = f"{FIRST + timedelta(days=day)}T12:00:00Z"
    return {"trace_id": trace_id, "app": "chat", "input": "Hi?", "output": output, "ts": ts}


def test_a_redated_trace_leaves_its_old_night(home: Home) -> None:
    """It is in the night of the later file only, and counted as corrected in the old night."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."), build_row("short", 0, "Stays."))
    assert home.admit_all() == {0: {"Old.", "Stays."}}
    home.import_rows(build_row(RANDOM_ID, 9, "New."))
    assert home.admit_all() == {0: {"Stays."}, 9: {"New."}}
    account = home.read_account(0)
    assert (account["accepted"], account["duplicate"], account["corrected"]) == (1, 1, 1)


def test_only_the_old_and_the_new_night_are_due_again(home: Home) -> None:
    """A night between them is not due, and each of the two is due once."""
    home.import_rows(
        build_row(RANDOM_ID, 0, "Old."), build_row("b" * 32, 1, "B."), build_row("c" * 32, 2, "C.")
    )
    home.run_nights(0, 1, 2)
    assert home.list_due_days() == []
    home.import_rows(build_row(RANDOM_ID, 2, "New."))
    assert home.list_due_days() == [2]
    home.run_nights(2)
    assert home.list_due_days() == [0]
    home.run_nights(0)
    assert (home.list_due_days(), home.read_answers()) == (
        [],
        {0: set(), 1: {"B."}, 2: {"C.", "New."}},
    )


def test_a_trace_may_move_back(home: Home) -> None:
    """The file that was read last counts, whichever its night."""
    for day, answer in ((0, "First."), (3, "Second."), (0, "Third."), (3, "Fourth.")):
        home.import_rows(
            build_row(RANDOM_ID, day, answer), build_row("other", day, f"{answer} Other.")
        )
    assert home.admit_all() == {0: {"Third. Other."}, 3: {"Fourth.", "Fourth. Other."}}


def test_within_a_file_a_second_night_is_a_conflict(home: Home) -> None:
    """The second row is refused and not lost, and a later file may correct it in either night."""
    others = [build_row(letter * 32, 0, "A.") for letter in "abcdef"]
    home.import_rows(*others, build_row(RANDOM_ID, 2, "First."), build_row(RANDOM_ID, 0, "Second."))
    assert home.admit_all() == {0: {"A."}, 2: {"First."}}
    account = home.read_account(0)
    assert account["reasons"] == {"conflicting-trace-id": 1}
    home.import_rows(build_row(RANDOM_ID, 0, "Third."))
    assert home.admit_all() == {0: {"A.", "Third."}, 2: set()}


def test_ids_that_are_counters_never_move_a_trace(home: Home) -> None:
    """Short ids repeat each night, and no trace is lost."""
    for day in range(3):
        home.import_rows(*(build_row(f"{n}", day, f"{day}.{n}") for n in range(5)))
    assert {day: len(own) for day, own in home.admit_all().items()} == {0: 5, 1: 5, 2: 5}


def test_an_equal_id_beyond_a_month_is_another_trace(home: Home) -> None:
    """No import reads those nights: here they are unreadable."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    home.run_nights(0)
    (path,) = home.lake.list_files("staged", [FIRST])
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    home.import_rows(build_row(RANDOM_ID, BEYOND, "New."))
    home.run_nights(BEYOND)
    path.write_bytes(content)
    assert home.admit_all() == {0: {"Old."}, BEYOND: {"New."}}


def test_a_later_row_without_an_answer_moves_nothing(home: Home) -> None:
    """The trace stays in its old night; a row with an answer moves it, whatever was read first."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    home.import_rows(build_row(RANDOM_ID, 2, ""))
    assert home.admit_all() == {0: {"Old."}, 2: set()}
    home.import_rows(build_row("a" * 32, 0, ""))
    assert home.admit_all() == {0: {"Old.", ""}, 2: set()}
    home.import_rows(build_row("a" * 32, 2, "A."), build_row("a" * 32, 0, ""))
    assert home.admit_all() == {0: {"Old."}, 2: {"A."}}


def test_the_same_trace_in_two_formats_is_one(home: Home, tmp_path: Path) -> None:
    """Spans of a request re-date a log row of it whose time had no zone."""
    span = {
        "traceId": RANDOM_ID,
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
    home.import_rows({**build_row(RANDOM_ID, 0, "By log."), "ts": "2026-10-01 22:00:00"})
    home.import_rows({"resourceSpans": [scope]})
    assert home.admit_all() == {0: set(), 1: {"By span."}}


def test_a_refused_later_row_moves_nothing(home: Home) -> None:
    """Once the check is loosened the trace moves, and only the two nights are due."""
    home.limit_outputs(10)
    home.import_rows(
        build_row(RANDOM_ID, 0, "Old."), build_row("a" * 32, 1, "A."), build_row("b" * 32, 0, "B.")
    )
    home.run_nights(0, 1)
    home.import_rows(build_row(RANDOM_ID, 3, "New, but too long."), build_row("c" * 32, 3, "C."))
    home.run_nights(3)
    before = {0: {"Old.", "B."}, 1: {"A."}, 3: {"C."}}
    assert (home.list_due_days(), home.admit_all()) == ([], before)
    home.import_rows(build_row("d" * 32, 0, "D."))
    home.run_nights(0)
    assert home.admit_all() == {**before, 0: {"Old.", "B.", "D."}}
    (replay,) = quarantine_replay.replay_quarantine(home.lake, home.catalog)
    assert (replay.placed, replay.why, home.list_due_days()) == (0, {"output-too-long": 1}, [])
    home.limit_outputs(100)
    (replay,) = quarantine_replay.replay_quarantine(home.lake, home.catalog)
    assert (replay.tried, replay.placed, replay.nights) == (1, 1, ["2026-10-04"])
    assert home.list_due_days() == [0, 3]
    home.run_nights(0, 3)
    moved = {0: {"B.", "D."}, 1: {"A."}, 3: {"New, but too long.", "C."}}
    assert (home.list_due_days(), home.admit_all()) == ([], moved)


def test_a_trace_returns_when_its_later_row_is_refused(home: Home) -> None:
    """After a check is tightened it is in the night of its last valid row, and in no other."""
    home.limit_outputs(100)
    for day, answer in ((0, "First."), (2, "Second."), (4, "The third is long.")):
        home.import_rows(build_row(RANDOM_ID, day, answer), build_row(f"{day}" * 32, day, "Other."))
    home.run_nights(0, 2, 4)
    assert home.read_answers() == {
        0: {"Other."},
        2: {"Other."},
        4: {"Other.", "The third is long."},
    }
    home.limit_outputs(10)
    home.import_rows(build_row("f" * 32, 4, "F."))
    home.run_nights(4)
    assert home.list_due_days() == [2]
    home.run_nights(2)
    after = {0: {"Other."}, 2: {"Other.", "Second."}, 4: {"Other.", "F."}}
    assert (home.list_due_days(), home.admit_all()) == ([], after)


def test_a_refused_night_moves_nothing(home: Home) -> None:
    """Its valid rows move once the night is accepted."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    empty = ({**build_row(letter * 32, 2, ""), "input": ""} for letter in "ab")
    home.import_rows(build_row(RANDOM_ID, 2, "New."), *empty)
    assert home.admit_all() == {0: {"Old."}, 2: set()}
    home.import_rows(
        build_row("a" * 32, 2, "A."), build_row("b" * 32, 2, "B."), *build_good_rows(12)
    )
    assert home.admit_all() == {0: set(), 2: {"New.", "A.", "B.", "Good."}}


def build_good_rows(count: int) -> Iterator[dict[str, Any]]:
    """Builds rows that pass, on the second day after the first."""
    return (build_row(f"{n:032}", 2, "Good.") for n in range(count))


def test_a_row_imported_again_counts_as_the_last(home: Home) -> None:
    """An old export that is imported again in another file moves the trace back."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    home.import_rows(build_row(RANDOM_ID, 2, "New."))
    assert home.admit_all() == {0: set(), 2: {"New."}}
    home.import_rows(build_row(RANDOM_ID, 0, "Old."), build_row("a" * 32, 0, "A."))
    assert home.admit_all() == {0: {"Old.", "A."}, 2: set()}


def test_a_kill_before_the_move_is_written_loses_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new night is still due, and has the trace when it is run again."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    home.run_nights(0)
    home.import_rows(build_row(RANDOM_ID, 2, "New."))
    with monkeypatch.context() as patch:
        patch.setattr(redated_traces, "write_redated", kill)
        with pytest.raises(KeyboardInterrupt):
            home.run_nights(2)
    assert home.list_due_days() == [2]
    home.run_nights(2)
    home.run_nights(0)
    assert (home.list_due_days(), home.read_answers()) == ([], {0: set(), 2: {"New."}})


def kill(*_: object) -> None:
    """Ends the run as a kill does."""
    raise KeyboardInterrupt


def test_a_night_that_loses_a_trace_while_it_is_reported_is_due_again(home: Home) -> None:
    """One run reports a night from which a parallel run moves a trace."""
    home.import_rows(build_row(RANDOM_ID, 0, "Old."))
    home.import_rows(build_row(RANDOM_ID, 2, "New."))
    admission.admit_nights(home.lake, home.catalog, [FIRST])
    home.run_nights(2)
    assert not night_state.is_admission_current(home.lake, FIRST)
    home.run_nights(0)
    assert (home.list_due_days(), home.read_answers()) == ([], {0: set(), 2: {"New."}})


IDS = ("1" * 32, "2" * 32)
DAYS = (0, 1, 3)
ANSWERS = ("a", "b", "long", "longer")
Row = tuple[str, int, str]


def expect_answers(files: list[list[Row]], limit: int) -> dict[int, set[str]]:
    """Computes each day's answers: of each trace the last valid row and no other."""
    places: dict[str, list[tuple[int, int, int, str]]] = {name: [] for name in IDS}
    for day in DAYS:
        rows = [
            (number, line, name, answer)
            for number, file in enumerate(files)
            for line, (name, at, answer) in enumerate(file)
            if at == day
        ]
        own, refused, seen = {}, 0, set[tuple[str, str]]()
        for number, line, name, answer in rows:
            is_new = (name, answer) not in seen
            seen.add((name, answer))
            if len(answer) > limit:
                refused += is_new
            elif name not in own or own[name][0] < number:
                own[name] = (number, -line, day, answer)
            else:
                refused += is_new
        if rows and refused / len(rows) <= 0.9:
            for name, place in own.items():
                places[name].append(place)
    latest = [max(rows) for rows in places.values() if rows]
    return {day: {answer for _, _, at, answer in latest if at == day} for day in DAYS}


@pytest.mark.parametrize("seed", range(3))
def test_each_trace_is_in_one_night_in_any_order_of_events(home: Home, seed: int) -> None:
    """Files, refusals, changed limits and runs in any order end with the same answers."""
    chance = random.Random(seed)
    files: list[list[Row]] = []
    limit = 3
    home.limit_outputs(limit)
    for _ in range(6):
        count = chance.randint(1, 4)
        drawn = [[chance.choice(some) for some in (IDS, DAYS, ANSWERS)] for _ in range(count)]
        file = [(name, day, name[0] + answer) for name, day, answer in drawn]
        filler = [build_row(f"{len(files)}-{day}", day, "ok") for day in DAYS]
        files.append(file)
        home.import_rows(*(build_row(*fields) for fields in file), *filler)
        if chance.random() < 0.4:
            limit = chance.choice((3, 5, 7))
            home.limit_outputs(limit)
            quarantine_replay.replay_quarantine(home.lake, home.catalog)
        run_pending_nights(home, chance, some=True)
    run_pending_nights(home, chance, some=False)
    assert home.admit_all() == {
        day: own | {"ok"} for day, own in expect_answers(files, limit).items()
    }
    assert home.list_due_days() == []


def run_pending_nights(home: Home, chance: random.Random, *, some: bool) -> None:
    """Runs due nights a few at a time; with `some` it may stop before all are run."""
    while (due := home.list_due_days()) and not (some and chance.random() < 0.4):
        home.run_nights(*chance.sample(due, chance.randint(1, len(due))))
