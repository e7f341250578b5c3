"""A wish to be forgotten is noted before anything is looked for, and lost by nothing."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.erasure import forget, requests
from evals.erasure.requests import ErasureRequest
from evals.specs import App, Catalog
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.files import aside_of
from evals.storage.lake import HomeInUse, Lake, LakeError

CATALOG = Catalog(root=Path(), apps={"chat": App(app="chat")})
NOW = datetime(2026, 10, 2, 6, tzinfo=UTC)
WHOM = "somebody-4711"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with nothing in it."""
    return Lake(tmp_path / "home").open()


def notes(lake: Lake) -> list[Path]:
    """What is noted."""
    return sorted((lake.home / "quarantine" / "forgetting").iterdir())


def test_a_wish_is_noted_although_the_home_is_in_use(lake: Lake) -> None:
    """Its ids are kept for the owner alone, and the next run that has the home does it."""
    with lake.used(), pytest.raises(HomeInUse, match="in use by a run"):
        forget.forget_person(lake, CATALOG, [WHOM], ["t-1"], NOW)
    (note,) = notes(lake)
    assert note.stat().st_mode & 0o777 == 0o600
    (wish,) = requests.list_unfinished(lake)
    assert wish.ids == ((WHOM,), ("t-1",))
    (done,) = forget.finish_requests(lake, CATALOG)
    assert (done.ids, done.touched["left"]) == (wish.ids, 0)
    assert notes(lake) == []
    gone = read_tombstones(lake)
    assert (len(gone.traces), list(gone.users.values())) == (1, [NOW])


def test_a_second_wish_does_not_take_the_place_of_the_first(lake: Lake) -> None:
    """Of another person or of the same, each has a note of its own; all are done in turn."""
    for number, user in enumerate((WHOM, "another-815", WHOM)):
        requests.write_request(
            lake, ErasureRequest((NOW + timedelta(hours=number)).isoformat(), (user,))
        )
    assert len(notes(lake)) == 3
    done = forget.forget_person(lake, CATALOG, ["a-third-42"], [], NOW + timedelta(hours=3))
    assert done.ids == (("a-third-42",), ())
    assert notes(lake) == []
    hours = sorted(at.hour - NOW.hour for at in read_tombstones(lake).users.values())
    assert hours == [1, 2, 3], "the later of two wishes counts"


@pytest.mark.parametrize("text", [b"", b'{"asked": "2026-1', b"[]", b'{"whom": 1, "person": 2}'])
def test_a_damaged_note_is_told_of_with_its_file_and_what_to_do(lake: Lake, text: bytes) -> None:
    """In a sentence, and nothing else is done until somebody has looked."""
    requests.write_request(lake, ErasureRequest(NOW.isoformat(), (WHOM,)))
    (note,) = notes(lake)
    note.write_bytes(text)
    with pytest.raises(LakeError, match=r"delete the file, then ask again") as told:
        forget.finish_requests(lake, CATALOG)
    assert str(note) in str(told.value)


def test_what_a_killed_writer_left_aside_goes_too(lake: Lake) -> None:
    """Torn Parquet, gzip or text that no reader would see holds what the person said as well."""
    said = f'{{"input": "{WHOM} speaking"}}'.encode()
    packed = gzip.compress(said)[:-9]
    for place, data in (("staged/date=2026-10-01/x", b"PAR1" + said), ("inbox/x", packed)):
        aside = aside_of(lake.home / place)
        aside.write_bytes(data)
    forget.forget_person(lake, CATALOG, [WHOM], [], NOW)
    assert not list(lake.home.rglob("*.aside"))


def test_a_raw_file_torn_in_the_middle_is_found_by_what_can_be_read_of_it(lake: Lake) -> None:
    """A gzip that ends early is no hiding place."""
    path = lake.home / "inbox" / "torn.jsonl.gz"
    row = f'{{"trace_id": "{WHOM}", "app": "chat", "ts": "2026-10-01T08:00:00Z", "output": "x"}}\n'
    path.write_bytes(gzip.compress(row.encode() * 500)[:-9])
    forget.forget_person(lake, CATALOG, [], [WHOM], NOW)
    assert not path.exists()


def test_a_damaged_table_is_named(lake: Lake) -> None:
    """The wish stays noted until the file is mended or gone; then it is done."""
    path = lake.home / "marts" / "rpt_rates" / "date=2026-10-01" / "data.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and then the disk was full")
    with pytest.raises(LakeError, match=r"data\.parquet.*damaged.*put back a copy or delete it"):
        forget.forget_person(lake, CATALOG, [], ["t-1"], NOW)
    path.unlink()
    assert [one.ids for one in forget.finish_requests(lake, CATALOG)] == [((), ("t-1",))]
