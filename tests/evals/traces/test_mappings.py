"""What a mapping declares beside names: zones, decimal marks, which rows, which columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evals.specs import Column, Mapping
from evals.traces import reader
from evals.traces.files.containers import inspect_file
from evals.traces.reader import Reading
from evals.traces.rows import mapping
from evals.traces.rows.missing_columns import MissingColumnsError, check_columns
from evals.traces.rows.notes import ReadingNotes

ROW = {"trace_id": "t-1", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": "Hello."}


def write(folder: Path, rows: list[Any], name: str = "day.jsonl") -> Path:
    """A file with one JSON row a line."""
    path = folder / name
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def read(path: Path, **mappings: Mapping) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings=mappings))


def read_notes(path: Path, **mappings: Mapping) -> ReadingNotes:
    """What reading a file by the column notes."""
    reading = Reading(path.name, mapping.make_plans(mappings, None))
    for _ in reader.read_batches(path, reading, inspect_file(path)):
        pass
    return reading.notes


@pytest.mark.parametrize(
    ("local", "utc", "note"),
    [
        ("2026-07-01 12:00:00", "10:00", None),
        ("2026-12-01 12:00:00", "11:00", None),
        ("2026-10-25 01:59:59", "23:59", None),
        ("2026-10-25 02:30:00", "00:30", "ambiguous"),
        ("2026-10-25 03:00:00", "02:00", None),
        ("2026-03-29 02:30:00", "01:30", "skipped"),
        ("2026-03-29 03:00:00", "01:00", None),
        ("2026-07-01T12:00:00+09:00", "03:00", None),
        ("2026-07-01T12:00:00Z", "12:00", None),
    ],
)
def test_local_times_are_read_in_their_zone(
    tmp_path: Path, local: str, utc: str, note: str | None
) -> None:
    """The first of a time shown twice; a skipped one as before the change; a zone of its own."""
    path = write(tmp_path, [{**ROW, "ts": local}])
    (trace,) = read(path, it=Mapping(zone="Europe/Berlin"))
    assert f"{trace.ts:%H:%M}" == utc
    assert trace.metadata == ({"ts_zone": note} if note else {})
    notes = read_notes(path, it=Mapping(zone="Europe/Berlin"))
    assert notes.clock_changes == (note is not None)


def test_a_zone_applies_to_declared_formats_too(tmp_path: Path) -> None:
    """As a German table has its times."""
    columns: Any = {"ts": Column(path="Zeit", format="%d.%m.%Y %H:%M")}
    declared = Mapping(columns=columns, zone="Europe/Berlin")
    row = {key: value for key, value in ROW.items() if key != "ts"}
    (trace,) = read(write(tmp_path, [{**row, "Zeit": "01.07.2026 00:30"}]), it=declared)
    assert trace.ts == datetime(2026, 6, 30, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"zone": "../etc/passwd"}, "no time zone"),
        ({"encoding": "cp9999"}, "no encoding 'cp9999'"),
        ({"encoding": "base64"}, "no encoding"),
        ({"decimal": ";"}, "'.'"),
        ({"columns": {"imput": "x"}}, "did you mean 'input'?"),
        ({"columns": {"span_id": "x"}}, "`group_by`"),
        ({"columns": {"trace_id": "x"}, "group_by": "run"}, "`span_id`"),
        ({"where": {"a": {"not": 1, "or": 2}}}, "or"),
    ],
)
def test_a_wrong_declaration_is_refused(declared: dict[str, Any], words: str) -> None:
    """The error lists the valid names, or the nearest one."""
    with pytest.raises(ValidationError) as refused:
        Mapping.model_validate(declared)
    assert words in str(refused.value)


def test_a_declared_decimal_comma_reads_every_number(tmp_path: Path) -> None:
    """Thousands too, which without it have two readings."""
    rows = [{**ROW, "latency_ms": "1.157", "cost_usd": "1,234", "tokens_in": "12.345"}]
    (trace,) = read(write(tmp_path, rows), it=Mapping(decimal=","))
    assert (trace.latency_ms, trace.cost_usd, trace.tokens_in) == (1157, 1.234, 12345)
    (trace,) = read(write(tmp_path, rows))
    assert (trace.latency_ms, trace.cost_usd, trace.tokens_in) == (1.157, None, None)
    assert trace.metadata["unread"] == {"cost_usd": "1,234", "tokens_in": "12.345"}


@pytest.mark.parametrize("name", ["day.csv", "day.jsonl"])
def test_decimal_commas_are_found(tmp_path: Path, name: str) -> None:
    """Where the first rows have one that is certain, `1.157` is thousands in that file."""
    values = ["2747,2", "1.157", "1,234"]
    rows = [{**ROW, "trace_id": f"t{n}", "latency_ms": v} for n, v in enumerate(values)]
    path = write(tmp_path, rows, name)
    if name == "day.csv":
        lines = [";".join(ROW) + ";latency_ms", *(";".join(row.values()) for row in rows)]
        path.write_text("\n".join(lines))
    assert [trace.latency_ms for trace in read(path)] == [2747.2, 1157, 1.234]


ROWS = [
    {**ROW, "trace_id": "a", "type": "llm", "env": "prod"},
    {**ROW, "trace_id": "b", "type": "tool", "env": "prod"},
    {**ROW, "trace_id": "c", "type": "llm", "env": None},
    {**ROW, "trace_id": "d", "type": 7, "env": "test"},
    {**ROW, "trace_id": "e"},
]


@pytest.mark.parametrize(
    ("where", "read_ids", "left_out"),
    [
        ({"type": "llm"}, "ace", 2),
        ({"type": ["llm", "tool"]}, "abce", 1),
        ({"type": {"not": "llm"}}, "bde", 2),
        ({"type": {"not": ["tool", 7]}}, "ace", 2),
        ({"type": "7"}, "de", 3),
        ({"env": None}, "ce", 3),
        ({"env": {"not": None}}, "abde", 1),
        ({"type": "llm", "env": "prod"}, "ae", 3),
    ],
)
def test_where_chooses_rows(tmp_path: Path, where: Any, read_ids: str, left_out: int) -> None:
    """The others are left out, counted and not refused; rows without the columns are read."""
    declared = Mapping.model_validate({"where": where})
    path = write(tmp_path, ROWS)
    assert "".join(row.trace_id for row in read(path, it=declared)) == read_ids
    assert read_notes(path, it=declared).left_out == left_out


def test_where_tells_two_mappings_apart(tmp_path: Path) -> None:
    """Each row is read by the mapping that includes it."""
    first = Mapping.model_validate({"columns": {"model": "name"}, "where": {"type": "llm"}})
    second = Mapping.model_validate({"columns": {"provider": "name"}, "where": {"type": "tool"}})
    rows = [{**row, "name": "x"} for row in ROWS]
    traces = read(write(tmp_path, rows), first=first, second=second)
    assert [(row.trace_id, row.model, row.provider) for row in traces] == [
        ("a", "x", None),
        ("b", None, "x"),
        ("c", "x", None),
        ("e", None, None),
    ]


def check(path: Path, **mappings: Mapping) -> None:
    """Checks a file's columns after it was read."""
    notes = read_notes(path, **mappings)
    has_traces = any(not hasattr(row, "code") for row in read(path, **mappings))
    plans = mapping.make_plans(mappings, None)
    check_columns(path.name, notes, plans, has_traces=has_traces)


GERMAN = [{"Nr": f"t{n}", "Frage": "Wo?", "Antwort": "Da.", "ts": ROW["ts"]} for n in range(3)]


@pytest.mark.parametrize("deep", [False, True])
def test_a_column_that_no_row_has_is_an_error_with_the_nearest_name(
    tmp_path: Path, deep: bool
) -> None:
    """Also where rows are read one by one, as nested ones are."""
    columns: Any = {"trace_id": "Nr", "input": "Fragen", "output": "Antwort"}
    declared = Mapping(columns=columns, constants={"app": "chat"})
    rows = [{**row, "more": {"Fragenkatalog": 1}} for row in GERMAN] if deep else GERMAN
    if deep:
        columns["input"] = "more.Fragenkatalogs"
    with pytest.raises(MissingColumnsError) as error:
        check(write(tmp_path, rows), it=Mapping(columns=columns, constants={"app": "chat"}))
    nearest = "more.Fragenkatalog" if deep else "Frage"
    assert f"(mappings.it.columns.input); did you mean {nearest!r}?" in str(error.value)
    assert "The file has: Nr, Frage, Antwort, ts" in str(error.value)
    assert declared.constants == {"app": "chat"}


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({"trace_id": "Nr", "user_id": Column(path="Kunde", optional=True)}, GERMAN),
        ({"trace_id": "Nr", "user_id": "Kunde"}, [*GERMAN, {**GERMAN[0], "Kunde": None}]),
        ({"trace_id": "Nr", "user_id": "Kunde"}, [{**GERMAN[0], "user_id": "u"}]),
        ({"input": "Fragen"}, [ROW]),
    ],
    ids=["optional", "in one row", "under its own name", "mapping of other files"],
)
def test_a_column_that_need_not_be_there_is_no_error(
    tmp_path: Path, columns: Any, rows: list[Any]
) -> None:
    """Only a mapping that is applied to a file can refuse its rows."""
    check(write(tmp_path, rows), it=Mapping(columns=columns, constants={"app": "chat"}))


def test_a_file_that_no_mapping_fits_shows_near_names(tmp_path: Path) -> None:
    """Where none of its rows could be read for want of the columns."""
    declared = Mapping(columns={"trace_id": "Nummer", "output": "Antworten", "ts": "Zeit"})
    with pytest.raises(MissingColumnsError, match=r"'Antworten'.*did you mean 'Antwort'"):
        check(write(tmp_path, GERMAN), it=declared)


def test_a_mapping_is_named_only_where_it_is_applied(tmp_path: Path) -> None:
    """One whose columns a file lacks changes nothing in it."""
    declared = Mapping(columns={"input": "Fragen"})
    assert not read_notes(write(tmp_path, [ROW]), it=declared).mapped["it"]
    assert read_notes(write(tmp_path, [{**ROW, "Fragen": "?"}]), it=declared).mapped["it"] == 1
    filling = Mapping(constants={"provider": "acme"})
    assert read_notes(write(tmp_path, [ROW]), it=filling).mapped["it"] == 1
