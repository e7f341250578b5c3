"""Promises of the lake: records are read as they were written, and unsafe names are refused."""

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Trace, encode_canonical
from evals.storage.files import choose_temporary_path, replace
from evals.storage.lake import SCHEMA_VERSION, Lake, LakeError, require_safe_name
from evals.storage.record_tables import build_records, to_table
from evals.storage.report_files import write_report
from evals.storage.scratch import delete_leftovers, make_run_folder, open_temporary_folder

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TRACES = st.builds(
    Trace,
    trace_id=TEXT,
    ts=st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)).map(
        lambda t: t.replace(tzinfo=UTC)
    ),
    app=TEXT,
    output=TEXT,
    input=TEXT,
    context=st.none() | TEXT,
    messages=st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=3).map(tuple),
    params=st.dictionaries(TEXT, JSON, max_size=3),
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    tokens_in=st.none() | st.integers(0, 2**40),
    latency_ms=st.none() | st.floats(0, 1e9),
)


@given(st.lists(TRACES, max_size=4))
def test_a_record_is_read_as_it_was_written(traces: list[Trace]) -> None:
    """Any trace survives the table, nested values and nulls included."""
    assert build_records(Trace, to_table(Trace, traces).to_pylist()) == traces


@given(st.lists(TRACES, min_size=1, max_size=3))
def test_a_column_that_an_old_file_lacks_has_its_default(traces: list[Trace]) -> None:
    """A table that was written before a field was added is read with the field's default."""
    older = to_table(Trace, traces).drop_columns(["tags", "cost_usd"])
    records = build_records(Trace, older.to_pylist())
    assert [(t.trace_id, t.tags, t.cost_usd) for t in records] == [
        (t.trace_id, (), None) for t in traces
    ]


@given(JSON)
def test_equal_values_have_equal_canonical_forms(value: Any) -> None:
    """The canonical form does not depend on the order of keys."""
    reordered = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert encode_canonical(value) == encode_canonical(reordered)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a\0b", "x" * 200, "a b"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    """Only letters, digits and a few marks become a part of a path."""
    with pytest.raises(LakeError):
        require_safe_name(name)


def test_a_home_of_another_schema_is_refused(tmp_path: Path) -> None:
    """A lake that a later version wrote is not opened."""
    replace(tmp_path / "schema.json", encode_canonical({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(LakeError, match="schema version"):
        Lake(tmp_path).open()


def test_a_report_version_is_never_rewritten(tmp_path: Path) -> None:
    """Writing the same version again changes neither its body nor its run record."""
    lake, night = Lake(tmp_path).open(), date(2026, 10, 1)
    body = {"app": "chat", "version": "0123456789abcdef"}
    folder = write_report(lake, night, body, "<p>one", {"run": 1})
    before = (folder / "report.json").read_bytes(), (folder / "run.json").read_bytes()
    write_report(lake, night, body, "<p>two", {"run": 2})
    assert ((folder / "report.json").read_bytes(), (folder / "run.json").read_bytes()) == before


def test_the_scratch_files_of_a_killed_run_are_deleted(tmp_path: Path) -> None:
    """At the next start; while the home is in use only those of more than a day ago."""
    lake = Lake(tmp_path).open()
    dead, alive = make_run_folder(lake, "dead"), make_run_folder(lake, "alive")
    now = alive.stat().st_mtime
    os.utime(dead, (now - 100_000, now - 100_000))
    torn, written = (
        choose_temporary_path(tmp_path / "inbox" / "a"),
        choose_temporary_path(tmp_path / "labels" / "b"),
    )
    for path, at in ((torn, now - 100_000), (written, now)):
        path.write_bytes(b"{")
        os.utime(path, (at, at))
    with lake.lock_home():
        delete_leftovers(lake, now)
    assert [alive.exists(), written.exists()] == [True, True]
    assert [dead.exists(), torn.exists()] == [False, False]
    with open_temporary_folder(lake) as used:
        delete_leftovers(lake, now)
        assert [alive.exists(), used.exists()] == [True, True]
    delete_leftovers(lake, now)
    assert [alive.exists(), written.exists()] == [False, True]


@pytest.mark.parametrize("wanted", [[], ["t0"], ["t0", "t2047", "t2048", "t5000"], ["nobody"]])
def test_a_filter_selects_the_records_with_its_values(tmp_path: Path, wanted: list[str]) -> None:
    """From several row groups, in the order of the file; no value selects no record."""
    lake, noon = Lake(tmp_path).open(), datetime(2026, 10, 1, 12, tzinfo=UTC)
    with lake.open_writer("traces", noon.date(), "data") as writer:
        for n in range(5001):
            writer.add(Trace(f"t{n}", noon, "chat", f"answer {n}", tags=("a",)))
    traces = list(lake.stream_night("traces", noon.date(), ("trace_id", wanted)))
    assert [t.trace_id for t in traces] == [name for name in wanted if name != "nobody"]
    assert all(t.output == f"answer {t.trace_id[1:]}" and t.tags == ("a",) for t in traces)


def test_a_home_is_its_owners_alone(tmp_path: Path) -> None:
    """A new home is closed to others, also in a folder that was there; a later change stays."""
    (tmp_path / "there").mkdir(mode=0o755)
    for home in (tmp_path / "new" / "home", tmp_path / "there"):
        Lake(home).open()
        assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o750)
    Lake(home).open()
    assert home.stat().st_mode & 0o777 == 0o750
