"""A request to be forgotten is stored before anything is deleted, and survives a crash."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.erasure import forget
from evals.specs import App, Catalog
from evals.storage.documents import forget_requests
from evals.storage.documents.forget_requests import ErasureRequest
from evals.storage.documents.tombstones import read_tombstones
from evals.storage.files import choose_temporary_path
from evals.storage.lake import HomeInUse, Lake, LakeError

CATALOG = Catalog(root=Path(), apps={"chat": App(app="chat")})
NOW = datetime(2026, 10, 2, 6, tzinfo=UTC)
WHOM = "somebody-4711"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with nothing in it."""
    return Lake(tmp_path / "home").open()


def list_request_files(lake: Lake) -> list[Path]:
    """Returns the files of stored requests."""
    return sorted((lake.home / "quarantine" / "forgetting").iterdir())


def test_a_request_is_stored_although_the_home_is_in_use(lake: Lake) -> None:
    """Only the owner can read it, and the next run that has the home alone completes it."""
    with lake.lock_home(), pytest.raises(HomeInUse, match="in use by a run"):
        forget.forget_person(lake, CATALOG, [WHOM], ["t-1"], NOW)
    (file,) = list_request_files(lake)
    assert file.stat().st_mode & 0o777 == 0o600
    (request,) = forget_requests.list_unfinished(lake)
    assert request.ids == ((WHOM,), ("t-1",))
    (done,) = forget.finish_requests(lake, CATALOG)
    assert (done.ids, done.touched["left"]) == (request.ids, 0)
    assert list_request_files(lake) == []
    gone = read_tombstones(lake)
    assert (len(gone.traces), list(gone.users.values())) == (1, [NOW])


def test_a_second_request_does_not_replace_the_first(lake: Lake) -> None:
    """Each has a file of its own, also two of the same person; all are completed in turn."""
    for number, user in enumerate((WHOM, "another-815", WHOM)):
        forget_requests.write_request(
            lake, ErasureRequest((NOW + timedelta(hours=number)).isoformat(), (user,))
        )
    assert len(list_request_files(lake)) == 3
    done = forget.forget_person(lake, CATALOG, ["a-third-42"], [], NOW + timedelta(hours=3))
    assert done.ids == (("a-third-42",), ())
    assert list_request_files(lake) == []
    hours = sorted(at.hour - NOW.hour for at in read_tombstones(lake).users.values())
    assert hours == [1, 2, 3], "the later of two requests counts"


@pytest.mark.parametrize("text", [b"", b'{"asked": "2026-1', b"[]", b'{"whom": 1, "person": 2}'])
def test_a_damaged_request_is_reported_with_its_file_and_a_remedy(lake: Lake, text: bytes) -> None:
    """Nothing is erased until somebody has looked at it."""
    forget_requests.write_request(lake, ErasureRequest(NOW.isoformat(), (WHOM,)))
    (file,) = list_request_files(lake)
    file.write_bytes(text)
    with pytest.raises(LakeError, match=r"delete the file, then request it again") as error:
        forget.finish_requests(lake, CATALOG)
    assert str(file) in str(error.value)


def test_files_that_a_killed_writer_left_are_deleted_too(lake: Lake) -> None:
    """Torn Parquet, gzip or text that no reader would see may hold the person's words."""
    words = f'{{"input": "{WHOM} speaking"}}'.encode()
    packed = gzip.compress(words)[:-9]
    for place, data in (("staged/date=2026-10-01/x", b"PAR1" + words), ("inbox/x", packed)):
        aside = choose_temporary_path(lake.home / place)
        aside.write_bytes(data)
    forget.forget_person(lake, CATALOG, [WHOM], [], NOW)
    assert not list(lake.home.rglob("*.aside"))


def test_a_truncated_raw_file_is_searched_as_far_as_it_can_be_read(lake: Lake) -> None:
    """A gzip that ends early is deleted when its readable part names the person."""
    path = lake.home / "inbox" / "torn.jsonl.gz"
    row = f'{{"trace_id": "{WHOM}", "app": "chat", "ts": "2026-10-01T08:00:00Z", "output": "x"}}\n'
    path.write_bytes(gzip.compress(row.encode() * 500)[:-9])
    forget.forget_person(lake, CATALOG, [], [WHOM], NOW)
    assert not path.exists()


def test_a_damaged_table_stops_the_request_and_is_named(lake: Lake) -> None:
    """The request stays stored until the file is mended or gone; then it is completed."""
    path = lake.home / "marts" / "rpt_rates" / "date=2026-10-01" / "data.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 and then the disk was full")
    with pytest.raises(LakeError, match=r"data\.parquet.*damaged.*put back a copy or delete it"):
        forget.forget_person(lake, CATALOG, [], ["t-1"], NOW)
    path.unlink()
    assert [one.ids for one in forget.finish_requests(lake, CATALOG)] == [((), ("t-1",))]
