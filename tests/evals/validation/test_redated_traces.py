"""What is promised of a trace that a later file tells in another night."""

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
DRAWN = "0af7651916cd43dd8448eb211c80319c"
BEYOND = redated_traces.MAX_DISTANCE.days + 2


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
        inbox.import_inbox(self.lake, self.catalog, self.folder, now=NOW)

    def allows(self, length: int) -> None:
        """The catalog's longest answer from now on."""
        spec = App(app="chat", validation=Validation(max_output_chars=length, max_quarantined=0.9))
        self.catalog = Catalog(root=self.folder.parent, apps={"chat": spec})

    def due(self) -> list[int]:
        """Nights with something to do, by days after the first."""
        staged = self.lake.list_nights("staged")
        return [
            (one.night - FIRST).days
            for one in night_locks.find_pending_nights(self.lake, self.catalog, staged)
        ]

    def runs(self, *days: int) -> None:
        """Admits these nights together, and reports those whose rows are still as admitted."""
        chosen = [FIRST + timedelta(days=day) for day in days]
        admission.admit_nights(self.lake, self.catalog, chosen)
        for night in chosen:
            same = night_state.is_admission_current(self.lake, night)
            seen = night_locks.digest_inputs(self.lake, self.catalog, night) if same else ""
            night_state.update_state(self.lake, night, seen=seen)

    def standing(self) -> dict[int, set[str]]:
        """The answers among each night's traces as they rest."""
        traces = {
            night: self.lake.read("traces", [night]) for night in self.lake.list_nights("traces")
        }
        return {(n - FIRST).days: {one.output for one in own} for n, own in traces.items()}

    def nights(self) -> dict[int, set[str]]:
        """The answers of each night by days after the first, each account being in order."""
        staged = self.lake.list_nights("staged")
        for apps in admission.admit_nights(self.lake, self.catalog, staged).values():
            for one in apps.values():
                for counts in (one, *one["files"].values()):
                    parts = [counts[key] for key in ("accepted", "duplicate", "quarantined")]
                    assert counts["read"] == sum(parts)
        return self.standing()

    def account(self, day: int) -> dict[str, Any]:
        """A night's account."""
        staged = self.lake.list_nights("staged")
        return admission.admit_nights(self.lake, self.catalog, staged)[FIRST + timedelta(days=day)][
            "chat"
        ]


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
    """One between them is not; and each once."""
    home.arrives(row(DRAWN, 0, "Old."), row("b" * 32, 1, "B."), row("c" * 32, 2, "C."))
    home.runs(0, 1, 2)
    assert home.due() == []
    home.arrives(row(DRAWN, 2, "New."))
    assert home.due() == [2]
    home.runs(2)
    assert home.due() == [0]
    home.runs(0)
    assert (home.due(), home.standing()) == ([], {0: set(), 1: {"B."}, 2: {"C.", "New."}})


def test_a_trace_may_move_back(home: Home) -> None:
    """The file that was read last is believed, whichever night it tells."""
    for day, answer in ((0, "First."), (3, "Second."), (0, "Third."), (3, "Fourth.")):
        home.arrives(row(DRAWN, day, answer), row("other", day, f"{answer} Other."))
    assert home.nights() == {0: {"Third. Other."}, 3: {"Fourth.", "Fourth. Other."}}


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
    home.runs(0)
    (path,) = home.lake.list_files("staged", [FIRST])
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    home.arrives(row(DRAWN, BEYOND, "New."))
    home.runs(BEYOND)
    path.write_bytes(content)
    assert home.nights() == {0: {"Old."}, BEYOND: {"New."}}


def test_a_later_row_without_an_answer_takes_nothing_away(home: Home) -> None:
    """The trace stays where it was, as one; an answer takes it, whatever was read first."""
    home.arrives(row(DRAWN, 0, "Old."))
    home.arrives(row(DRAWN, 2, ""))
    assert home.nights() == {0: {"Old."}, 2: set()}
    home.arrives(row("a" * 32, 0, ""))
    assert home.nights() == {0: {"Old.", ""}, 2: set()}
    home.arrives(row("a" * 32, 2, "A."), row("a" * 32, 0, ""))
    assert home.nights() == {0: {"Old."}, 2: {"A."}}


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


def test_a_later_row_that_is_refused_takes_nothing_away(home: Home) -> None:
    """Whatever its own night refuses it for; loosened, it moves, and nothing but the two is due."""
    home.allows(10)
    home.arrives(row(DRAWN, 0, "Old."), row("a" * 32, 1, "A."), row("b" * 32, 0, "B."))
    home.runs(0, 1)
    home.arrives(row(DRAWN, 3, "New, but too long."), row("c" * 32, 3, "C."))
    home.runs(3)
    before = {0: {"Old.", "B."}, 1: {"A."}, 3: {"C."}}
    assert (home.due(), home.nights()) == ([], before)
    home.arrives(row("d" * 32, 0, "D."))
    home.runs(0)
    assert home.nights() == {**before, 0: {"Old.", "B.", "D."}}
    (told,) = quarantine_replay.replay_quarantine(home.lake, home.catalog)
    assert (told.placed, told.why, home.due()) == (0, {"output-too-long": 1}, [])
    home.allows(100)
    (told,) = quarantine_replay.replay_quarantine(home.lake, home.catalog)
    assert (told.tried, told.placed, told.nights) == (1, 1, ["2026-10-04"])
    assert home.due() == [0, 3]
    home.runs(0, 3)
    moved = {0: {"B.", "D."}, 1: {"A."}, 3: {"New, but too long.", "C."}}
    assert (home.due(), home.nights()) == ([], moved)


def test_a_trace_returns_where_its_later_row_is_refused_after_all(home: Home) -> None:
    """A check was tightened: it stands where the last valid row tells it, and nowhere twice."""
    home.allows(100)
    for day, answer in ((0, "First."), (2, "Second."), (4, "The third is long.")):
        home.arrives(row(DRAWN, day, answer), row(f"{day}" * 32, day, "Other."))
    home.runs(0, 2, 4)
    assert home.standing() == {0: {"Other."}, 2: {"Other."}, 4: {"Other.", "The third is long."}}
    home.allows(10)
    home.arrives(row("f" * 32, 4, "F."))
    home.runs(4)
    assert home.due() == [2]
    home.runs(2)
    after = {0: {"Other."}, 2: {"Other.", "Second."}, 4: {"Other.", "F."}}
    assert (home.due(), home.nights()) == ([], after)


def test_a_night_that_is_refused_takes_nothing_away(home: Home) -> None:
    """Its valid rows wait with it; with the night that is put right they move."""
    home.arrives(row(DRAWN, 0, "Old."))
    empty = ({**row(letter * 32, 2, ""), "input": ""} for letter in "ab")
    home.arrives(row(DRAWN, 2, "New."), *empty)
    assert home.nights() == {0: {"Old."}, 2: set()}
    home.arrives(row("a" * 32, 2, "A."), row("b" * 32, 2, "B."), *good(12))
    assert home.nights() == {0: set(), 2: {"New.", "A.", "B.", "Good."}}


def good(count: int) -> Iterator[dict[str, Any]]:
    """Rows that pass, on the second day after the first."""
    return (row(f"{n:032}", 2, "Good.") for n in range(count))


def test_what_a_file_tells_again_is_what_stands(home: Home) -> None:
    """An old export that is read again under another name tells the trace last."""
    home.arrives(row(DRAWN, 0, "Old."))
    home.arrives(row(DRAWN, 2, "New."))
    assert home.nights() == {0: set(), 2: {"New."}}
    home.arrives(row(DRAWN, 0, "Old."), row("a" * 32, 0, "A."))
    assert home.nights() == {0: {"Old.", "A."}, 2: set()}


def test_a_kill_before_the_move_is_noted_loses_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night that takes the trace is still due, and takes it when it is run again."""
    home.arrives(row(DRAWN, 0, "Old."))
    home.runs(0)
    home.arrives(row(DRAWN, 2, "New."))
    with monkeypatch.context() as patch:
        patch.setattr(redated_traces, "write_redated", killed)
        with pytest.raises(KeyboardInterrupt):
            home.runs(2)
    assert home.due() == [2]
    home.runs(2)
    home.runs(0)
    assert (home.due(), home.standing()) == ([], {0: set(), 2: {"New."}})


def killed(*_: object) -> None:
    """Where the process ends."""
    raise KeyboardInterrupt


def test_a_night_that_loses_a_trace_while_it_is_reported_is_due_again(home: Home) -> None:
    """Two runs side by side: the one reports what the other takes away."""
    home.arrives(row(DRAWN, 0, "Old."))
    home.arrives(row(DRAWN, 2, "New."))
    admission.admit_nights(home.lake, home.catalog, [FIRST])
    home.runs(2)
    assert not night_state.is_admission_current(home.lake, FIRST)
    home.runs(0)
    assert (home.due(), home.standing()) == ([], {0: set(), 2: {"New."}})


IDS = ("1" * 32, "2" * 32)
DAYS = (0, 1, 3)
ANSWERS = ("a", "b", "long", "longer")
Row = tuple[str, int, str]


def expected(files: list[list[Row]], limit: int) -> dict[int, set[str]]:
    """Which answers stand where: of each trace the valid row that was told last, and no other."""
    told: dict[str, list[tuple[int, int, int, str]]] = {name: [] for name in IDS}
    for day in DAYS:
        rows = [
            (number, line, name, answer)
            for number, file in enumerate(files)
            for line, (name, at, answer) in enumerate(file)
            if at == day
        ]
        own, refused, known = {}, 0, set[tuple[str, str]]()
        for number, line, name, answer in rows:
            fresh = (name, answer) not in known
            known.add((name, answer))
            if len(answer) > limit:
                refused += fresh
            elif name not in own or own[name][0] < number:
                own[name] = (number, -line, day, answer)
            else:
                refused += fresh
        if rows and refused / len(rows) <= 0.9:
            for name, place in own.items():
                told[name].append(place)
    stands = [max(places) for places in told.values() if places]
    return {day: {answer for _, _, at, answer in stands if at == day} for day in DAYS}


@pytest.mark.parametrize("seed", range(3))
def test_each_trace_stands_once_whatever_comes_in_whatever_order(home: Home, seed: int) -> None:
    """Files, some rows refused, limits that change, nights run in any order or not at all."""
    chance = random.Random(seed)
    files: list[list[Row]] = []
    limit = 3
    home.allows(limit)
    for _ in range(6):
        count = chance.randint(1, 4)
        drawn = [[chance.choice(some) for some in (IDS, DAYS, ANSWERS)] for _ in range(count)]
        file = [(name, day, name[0] + answer) for name, day, answer in drawn]
        filler = [row(f"{len(files)}-{day}", day, "ok") for day in DAYS]
        files.append(file)
        home.arrives(*(row(*one) for one in file), *filler)
        if chance.random() < 0.4:
            limit = chance.choice((3, 5, 7))
            home.allows(limit)
            quarantine_replay.replay_quarantine(home.lake, home.catalog)
        run(home, chance, some=True)
    run(home, chance, some=False)
    assert home.nights() == {day: own | {"ok"} for day, own in expected(files, limit).items()}
    assert home.due() == []


def run(home: Home, chance: random.Random, *, some: bool) -> None:
    """Runs what is due a few nights at a time; some: until it is enough."""
    while (due := home.due()) and not (some and chance.random() < 0.4):
        home.runs(*chance.sample(due, chance.randint(1, len(due))))
