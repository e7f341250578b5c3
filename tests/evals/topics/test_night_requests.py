"""Promises of the step of a night: topics that last, late traces, and what a home keeps of them."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from evals.erasure.forget import forget_person
from evals.records import encode_canonical
from evals.repair.inspection import inspect_home
from evals.specs import App, Catalog
from evals.storage.documents.topic_models import list_model_names, read_models
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake
from evals.table_rows import RequestRow
from evals.topics.night_requests import describe_night
from tests.evals.topics.support_requests import LATER, TEMPLATES, make_texts, make_traces

FIRST = date(2026, 10, 1)
NIGHTS = [FIRST + timedelta(days=back) for back in range(7)]
NEW = 5
"""The first night with requests about the tariff, by its place."""


def list_texts(place: int) -> list[str]:
    """The requests of a night: forty, and from one night on more about a new thing."""
    later = make_texts(90, 50 + place, LATER) if place >= NEW else []
    return [text for _, text in [*make_texts(40, place, TEMPLATES), *later]]


def open_home(folder: Path, nights: int = len(NIGHTS)) -> Lake:
    """A home with the traces of some nights."""
    lake = Lake(folder).open()
    for place, night in enumerate(NIGHTS[:nights]):
        lake.write("traces", night, make_traces(night, list_texts(place)))
    return lake


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A home whose nights were described in one range."""
    lake = open_home(tmp_path_factory.mktemp("home"))
    for night in NIGHTS:
        describe_night(lake, night)
    return lake


@pytest.fixture
def home(described: Lake, tmp_path: Path) -> Lake:
    """A copy of it."""
    shutil.copytree(described.home, tmp_path / "home")
    return Lake(tmp_path / "home")


def read_night(lake: Lake, night: date) -> list[RequestRow]:
    """A night's rows."""
    return lake.read("requests", [night])


def hash_home(lake: Lake) -> dict[str, bytes]:
    """The models and rows of a home."""
    rows = {str(night): encode_canonical(str(read_night(lake, night))) for night in NIGHTS}
    models = {name: lake.store.read(name) or b"" for name in list_model_names(lake, "support")}
    return {**rows, **models}


def test_topics_begin_with_fifty_different_requests(described: Lake) -> None:
    """Nights before have none and say why; what they were about counts."""
    (first, *_) = read_models(described, "support")
    assert first.made > FIRST
    assert FIRST in first.nights
    assert {(row.topic, row.topic_gap) for row in read_night(described, FIRST)} == {(None, "few")}
    assert {row.topic_models for row in read_night(described, first.made)} == {1}


def test_a_topic_keeps_its_name_and_a_new_one_is_marked(described: Lake) -> None:
    """Requests in a topic stay in it; the new one has the night it began."""
    before, after = (read_night(described, NIGHTS[place]) for place in (NEW - 1, NEW))
    old = {row.topic for row in before} - {"other"}
    new = {(row.topic, row.topic_since) for row in after if row.topic_since}
    assert old & {row.topic for row in after}
    assert new
    assert all(since == NIGHTS[NEW] for _, since in new)
    assert any("tariff" in (topic or "") for topic, _ in new)
    described_since = Counter(row.topic_since for row in read_night(described, NIGHTS[NEW + 1]))
    assert described_since[NIGHTS[NEW]] >= 20


def test_night_by_night_gives_the_same_as_a_range(described: Lake, tmp_path: Path) -> None:
    """Each night imported after the one before was described."""
    lake = Lake(tmp_path).open()
    for place, night in enumerate(NIGHTS):
        lake.write("traces", night, make_traces(night, list_texts(place)))
        describe_night(lake, night)
    assert hash_home(lake) == hash_home(described)


def test_a_run_killed_between_model_and_rows_goes_on(home: Lake) -> None:
    """The model is there, the rows are not: the same rows are written, and no second model."""
    before = hash_home(home)
    home.delete_night("requests", NIGHTS[-1])
    home.delete_night("requests", NIGHTS[NEW])
    for night in NIGHTS:
        describe_night(home, night)
    assert hash_home(home) == before


def test_late_traces_get_the_topics_of_their_night(home: Lake) -> None:
    """They make no model, and change no row that was there."""
    night, names = NIGHTS[2], list_model_names(home, "support")
    before = {row.trace_id: row for row in read_night(home, night)}
    late = [text for _, text in make_texts(200, 99, LATER)]
    home.write("traces", night, make_traces(night, [*list_texts(2), *late]))
    describe_night(home, night)
    after = {row.trace_id: row for row in read_night(home, night)}
    assert len(after) == len(before) + len(late)
    assert all(after[key] == row for key, row in before.items())
    assert {row.topic_since for row in after.values()} == {None}
    assert list_model_names(home, "support") == names


def test_an_earlier_night_that_comes_later_gets_the_first_topics(home: Lake) -> None:
    """A backfill of history has names for its requests."""
    night = FIRST - timedelta(days=3)
    home.write("traces", night, make_traces(night, list_texts(0)))
    describe_night(home, night)
    rows = read_night(home, night)
    assert {row.topic_models for row in rows} == {1}
    assert len({row.topic for row in rows}) > 2


def test_forgetting_a_person_leaves_no_row(home: Lake) -> None:
    """Rows of a forgotten user's traces go; the others and the models stay."""
    night = NIGHTS[-1]
    user = make_traces(night, list_texts(6))[0].user_id or ""
    rows = read_night(home, night)
    now = make_traces(night, ["x"])[0].ts
    catalog = Catalog(root=Path(), apps={"support": App(app="support")})
    forget_person(home, catalog, [], [f"{night}-0"], now)
    assert f"{night}-0" not in {row.trace_id for row in read_night(home, night)}
    assert len(read_night(home, night)) == len(rows) - 1
    assert user not in "".join(map(str, read_models(home, "support")))
    assert len(read_models(home, "support")) == 2


@pytest.mark.parametrize("damage", [b"{}", b"not json", None])
def test_a_damaged_model_is_refused_in_a_sentence(home: Lake, damage: bytes | None) -> None:
    """It names the file and what to do; a changed number is detected too."""
    name = list_model_names(home, "support")[0]
    path = home.store.path(name)
    path.write_bytes(damage or path.read_bytes().replace(b'"number": 1', b'"number": 3'))
    with pytest.raises(DamagedFileError, match="restore it from a backup, or delete"):
        describe_night(home, NIGHTS[-1])
    assert [one.name for one in inspect_home(home)] == [name]
