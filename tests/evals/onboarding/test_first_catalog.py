"""From an export nobody described to a catalog that the nightly run accepts as it is."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from evals.onboarding.columns import Column, collect_columns
from evals.onboarding.first_catalog import (
    InspectedExport,
    inspect_export,
    name_application,
    plan_applications,
    write_catalog,
)
from evals.onboarding.found_labels import list_labelled
from evals.onboarding.guesses import guess_fields, guess_timestamp
from evals.onboarding.suggestions import suggest
from evals.records import Json, Label, Trace
from evals.specs import load_catalog
from orchestration.cli.init import describe_exports, list_files, list_next_commands

HEADER = ("Nr", "Datum", "Kunde", "Frage", "Antwort")


def row(number: int) -> tuple[object, ...]:
    """One request of a German support bot; every fifth is refused."""
    answer = (
        f"Sie können die Bestellung {number} in Ihrem Konto stornieren."
        if number % 5
        else "Es tut mir leid, aber ich kann dabei nicht helfen."
    )
    day = f"{13 + number % 5}.11.2026 {number % 24:02d}:15"
    return number, day, f"k{number % 7}", f"Wie storniere ich Bestellung {number}?", answer


def write_csv(path: Path, count: int = 40) -> Path:
    """A spreadsheet's export: semicolons, German names and dates, no application."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(HEADER)
        table.writerows(map(row, range(count)))
    return path


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """An export of one JSON object a line."""
    path.write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return path


def traces(*outputs: str, context: str | None = None) -> list[Trace]:
    """Traces with some answers."""
    begun = datetime(2026, 11, 2, 8, tzinfo=UTC)
    return [
        Trace(trace_id=f"t{n}", ts=begun, app="a", output=output, context=context)
        for n, output in enumerate(outputs)
    ]


def guessed(export: InspectedExport) -> dict[str, str]:
    """The column of each field."""
    return {guess.field: guess.path for guess in export.guesses}


def test_an_unknown_spreadsheet_becomes_traces(tmp_path: Path) -> None:
    """Names in another language, dates of its own and an id without a name are understood."""
    export = inspect_export(write_csv(tmp_path / "support bot.csv"))
    assert guessed(export) == {
        "output": "Antwort",
        "input": "Frage",
        "ts": "Datum",
        "user_id": "Kunde",
        "trace_id": "Nr",
    }
    assert (len(export.traces), export.refused) == (40, ())
    assert export.traces[1].ts == datetime(2026, 11, 14, 1, 15, tzinfo=UTC)
    assert {trace.app for trace in export.traces} == {"support-bot"}


def test_the_catalog_that_is_written_loads_without_a_problem(tmp_path: Path) -> None:
    """What init writes is what the nightly run reads."""
    export = inspect_export(write_csv(tmp_path / "support.csv"))
    write_catalog(tmp_path / "catalog", [export], plan_applications([export]))
    catalog = load_catalog(tmp_path / "catalog")
    assert catalog.problems == ()
    assert (list(catalog.apps), catalog.since) == (["support"], date(2026, 11, 13))
    assert set(catalog.guardrails) == {"pii", "secrets", "language"}
    assert catalog.apps["support"].language == "de"


def test_pass_rates_are_measured_on_the_export(tmp_path: Path) -> None:
    """Every fifth answer refuses, so four fifths pass."""
    export = inspect_export(write_csv(tmp_path / "support.csv"))
    (application,) = plan_applications([export])
    rates = {suggestion.name: suggestion.rate for suggestion in application.suggestions}
    assert rates["no-refusal"] == (32, 40, 0)
    reasons = {suggestion.name: suggestion.failure for suggestion in application.suggestions}
    assert reasons["no-refusal"].startswith("refuses: ")
    assert reasons["secrets"] == ""


def write_langfuse(folder: Path, count: int = 30) -> list[Path]:
    """A blob storage export: traces, their observations and scores in three files."""
    when = {"start_time": "2026-11-02T08:00:00.000Z", "end_time": "2026-11-02T08:00:01.000Z"}
    files: dict[str, list[dict[str, object]]] = {"traces": [], "observations": [], "scores": []}
    for n in range(count):
        trace, answer = f"{n:032x}", f"It costs {n} euros [1]."
        documents = [{"id": "kb-1", "text": f"Number {n}: the lamp costs {n} euros.", "score": 0.9}]
        about = {"trace_id": trace, "project_id": "p", **when}
        files["traces"].append(
            {"id": trace, "timestamp": when["start_time"], "name": "rag", "project_id": "p",
             "input": {"question": "How much?"}, "output": {"answer": answer}}
        )  # fmt: skip
        files["observations"] += [
            {**about, "id": f"s{n}", "type": "RETRIEVER", "name": "find", "output": documents},
            {**about, "id": f"g{n}", "type": "GENERATION", "name": "llm", "output": answer,
             "provided_model_name": "m-2026-01-01"},
        ]  # fmt: skip
        files["scores"].append(
            {"id": f"v{n}", "trace_id": trace, "name": "right", "source": "ANNOTATION",
             "data_type": "BOOLEAN", "value": n % 2, "string_value": "True" if n % 2 else "False",
             "author_user_id": "ann", "timestamp": when["end_time"], "project_id": "p"}
        )  # fmt: skip
    for name, rows in files.items():
        (folder / name).mkdir(parents=True)
        write_lines(folder / name / "day.jsonl", rows)
    return list_files([folder])


def test_an_export_in_several_files_is_one_trace_each_with_its_labels(tmp_path: Path) -> None:
    """The passages are in one file and the labels in another; both are used, nothing twice."""
    exports = [inspect_export(path, "shop") for path in write_langfuse(tmp_path / "in")]
    (application,) = plan_applications(exports)
    assert application.traces == 30
    rates = {one.name: (one.rate.passed, one.rate.decided) for one in application.suggestions}
    assert rates["numbers-in-source"] == rates["cites"] == (30, 30)
    (right,) = application.labelled
    assert (right.name, right.people, right.map) == ("right", 30, {"true": "pass", "false": "fail"})
    write_catalog(tmp_path / "catalog", exports, [application])
    catalog = load_catalog(tmp_path / "catalog")
    assert catalog.problems == ()
    dimensions = {one.dimension: one for one in catalog.suites["shop"].dimensions}
    assert dimensions["right"].recorded
    assert dimensions["cites"].check
    assert dimensions["cites"].check.params == {"needed": True}
    (command,) = list_next_commands([tmp_path / "in"], exports, tmp_path / "catalog")
    assert command.endswith(f"--inbox {tmp_path / 'in'}")


def test_labels_under_another_name_are_read_by_their_dimension(tmp_path: Path) -> None:
    """A name with a space gets a valid one, and a suggested check of this name their words."""
    export = inspect_export(write_csv(tmp_path / "support.csv"))
    labels = [Label("1", name, "yes", "ann", "human") for name in ("Is Fine", "no-refusal")]
    exports = [dataclasses.replace(export, labels=tuple(labels))]
    write_catalog(tmp_path / "catalog", exports, plan_applications(exports))
    catalog = load_catalog(tmp_path / "catalog")
    assert catalog.problems == ()
    rules = {one.dimension: one for one in catalog.suites["support"].dimensions}
    assert rules["is-fine"].labels_name == "Is Fine"
    assert rules["no-refusal"].label_rules.map_for("human")["yes"] == "pass"


def test_words_that_nobody_can_tell_are_no_dimension() -> None:
    """A scale or an unknown word is left to the team; judges' labels are only counted."""
    labels = [Label("t1", "tone", "warm", "ann", "human"), Label("t1", "up", 1, "api", "rule")]
    named = [Label("t1", "Answer Quality", "yes", "ann", "human")]
    assert [one.dimension for one in list_labelled(named) if one.is_usable] == ["answer-quality"]
    tone, up = list_labelled(labels)
    assert (tone.people, tone.is_usable) == (1, False)
    assert (up.people, up.others, up.is_usable) == (0, 1, False)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A catalog that exists is left as it is, whole."""
    export = inspect_export(write_csv(tmp_path / "support.csv"))
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "support.yaml").write_text("app: support\n")
    with pytest.raises(FileExistsError, match=r"support\.yaml"):
        write_catalog(tmp_path, [export], plan_applications([export]))
    assert not (tmp_path / "catalog.yaml").exists()


def test_nested_keys_are_found_by_their_last_name(tmp_path: Path) -> None:
    """An export's own envelope does not hide what is in it."""
    rows = (
        {"meta": {"request_id": f"r{n}", "created_at": f"2026-11-02T08:00:{n:02d}Z"},
         "body": {"prompt": f"What is {n}?", "completion": f"It is the number {n}."}}
        for n in range(10)
    )  # fmt: skip
    export = inspect_export(write_lines(tmp_path / "log.jsonl", rows))
    assert guessed(export)["trace_id"] == "meta.request_id"
    assert guessed(export)["output"] == "body.completion"
    assert len(export.traces) == 10


def test_rows_without_a_timestamp_get_the_day_of_the_file(tmp_path: Path) -> None:
    """The user is told, and the command names the night."""
    rows = ({"id": f"r{n}", "question": "Why?", "answer": f"Since {n}."} for n in range(3))
    export = inspect_export(write_lines(tmp_path / "untimed.jsonl", rows))
    assert export.assumed_date == datetime.now(UTC).date()
    assert len(export.traces) == 3


def test_a_file_of_labels_becomes_no_trace(tmp_path: Path) -> None:
    """Nothing is invented where there is no answer."""
    rows = [{"trace_id": "r1", "dimension": "tone", "verdict": True}] * 3
    export = inspect_export(write_lines(tmp_path / "labels.jsonl", rows))
    assert plan_applications([export]) == []


def column(*values: Json) -> Column:
    """A column that every row has a value of."""
    return Column("when", values, len(values))


@pytest.mark.parametrize(
    ("values", "form", "others"),
    [
        (("2026-11-02T08:00:00Z",), None, ()),
        ((1793606400, 1793606401), "epoch", ("epoch_ms",)),
        (("13.11.2026 08:15",), "%d.%m.%Y %H:%M", ()),
        (("02/11/2026 08:15", "14/11/2026 08:15"), "%d/%m/%Y %H:%M", ()),
        (("02/11/2026 08:15", "03/11/2026 08:15"), "%d/%m/%Y %H:%M", ("%m/%d/%Y %H:%M",)),
    ],
)
def test_a_timestamp_that_reads_two_ways_is_named(
    values: tuple[Json, ...], form: str | None, others: tuple[str, ...]
) -> None:
    """One format is written down, and the others are shown for a person to choose."""
    guess = guess_timestamp(column(*values), "name")
    assert guess is not None
    assert (guess.format, guess.other_formats) == (form, others)


def test_truth_values_are_no_ids() -> None:
    """A single row makes every column distinct."""
    columns = collect_columns([{"success": True, "note": "done and dusted, all of it"}])
    assert "trace_id" not in guess_fields(columns)


def names(found: list[Trace]) -> list[str]:
    """The dimensions suggested for some traces."""
    return [one.name for one in suggest(found) if not one.is_guardrail]


def test_what_is_suggested_follows_the_answers() -> None:
    """JSON gets its keys, SQL a query's shape, answers with a source their numbers."""
    assert names(traces('{"price": 1}', '{"price": 2}'))[0] == "has-keys"
    assert names(traces("SELECT a FROM t", "SELECT b FROM t"))[0] == "is-a-query"
    assert names(traces("It costs 3.", context="3 euros"))[-1] == "numbers-in-source"
    assert names(traces("Plain words.")) == ["no-refusal", "not-too-long"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Support Bot.csv", "support-bot"),
        ("2026-11-02.jsonl.gz", "app"),
        ("chat_v2.json", "chat-v"),
    ],
)
def test_a_file_names_its_application(file: str, name: str) -> None:
    """Dates and versions of files are no part of it."""
    assert name_application(Path(file)) == name


def describe(path: Path, text: str, encoding: str = "utf-8") -> tuple[InspectedExport, str]:
    """An export with some text, inspected, and what the command prints of it."""
    path.write_bytes(text.encode(encoding))
    export = inspect_export(path)
    return export, "\n".join(describe_exports([export]))


def test_local_times_decimal_commas_and_an_encoding_are_named(tmp_path: Path) -> None:
    """With how to declare them; a comma in the last rows is found, too."""
    rows = "".join(
        f"{n};20.11.2026 08:{n % 60:02d};Größe {n}?;Für Größe {n} fällt nichts an.;12{n}\n"
        for n in range(60)
    )
    export, shown = describe(
        tmp_path / "table.csv",
        f"id;Zeitpunkt;Frage;Antwort;Dauer ms\n{rows}61;20.11.2026 09:00;Wo?;Hier.;1234,5\n",
        "cp1252",
    )
    assert ("cp1252" in shown, "zone: Europe/Berlin" in shown) == (True, True)
    assert export.mapping is not None
    assert export.mapping["decimal"] == ","
    assert [trace.latency_ms for trace in export.traces][-1] == 1234.5


def test_times_with_a_zone_need_none(tmp_path: Path) -> None:
    """Nor do moments since 1970."""
    for number, time in enumerate(("2026-11-20T08:00:00Z", "1795600000000")):
        text = f"id,created,prompt,completion\n1,{time},a,b\n2,{time},a,b\n"
        assert "zone:" not in describe(tmp_path / f"{number}.csv", text)[1]


def test_rows_that_share_a_trace_and_have_spans_are_grouped(tmp_path: Path) -> None:
    """Each group becomes one trace, and the mapping loads as it is written."""
    spans = "".join(
        f"t{n},t{n}-{part},{parent and f't{n}-{parent}'},{part},2026-11-20T08:00:0{second}Z,"
        f"Question {n}?,Answer {n}.\n"
        for n in range(5)
        for second, (part, parent) in enumerate((("root", ""), ("llm", "root")))
    )
    header = "trace_id,span_id,parent_span_id,span_name,start_time,input,output\n"
    export, shown = describe(tmp_path / "spans.csv", header + spans)
    assert export.mapping is not None
    assert export.mapping["group_by"] == "trace_id"
    assert [trace.output for trace in export.traces] == [f"Answer {n}." for n in range(5)]
    assert "each row is a span" in shown
    write_catalog(tmp_path / "catalog", [export], plan_applications([export]))
    assert load_catalog(tmp_path / "catalog").problems == ()


def test_a_table_without_ids_gets_them_of_its_content(tmp_path: Path) -> None:
    """So that one command makes a board of it; equal rows are one request."""
    text = "prompt,completion\nWhy?,So.\nHow?,Thus.\nWhy?,So.\n"
    export, shown = describe(tmp_path / "two.csv", text)
    assert "`row_id: content`" in shown
    assert len({trace.trace_id for trace in export.traces}) == 2
    again = inspect_export(tmp_path / "two.csv")
    assert [t.trace_id for t in again.traces] == [t.trace_id for t in export.traces]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r1,2026-11-20T08:00:00Z,Why?,So.\nr2,2026-11-20T09:00:00Z,How?,Thus.\n", "no name of a"),
        ("", "it has no rows"),
        ("id,prompt,completion\n", "it has no rows"),
    ],
)
def test_a_table_without_a_header_or_rows_is_refused_with_the_reason(
    tmp_path: Path, text: str, expected: str
) -> None:
    """No catalog is guessed from data as names."""
    export, shown = describe(tmp_path / "table.csv", text)
    assert expected in shown
    assert plan_applications([export]) == []


def test_answers_within_a_column_of_json_are_found(tmp_path: Path) -> None:
    """A column of JSON that is itself named as the answer stays whole."""
    cell = '"{""question"": ""Why?"", ""answer"": ""Since it is so.""}"'
    export, _ = describe(tmp_path / "a.csv", f"id,body\n1,{cell}\n2,{cell}\n")
    assert guessed(export)["output"] == "body.answer"
    assert export.traces[0].output == "Since it is so."
    whole, _ = describe(tmp_path / "b.csv", f"id,response\n1,{cell}\n2,{cell}\n")
    assert guessed(whole)["output"] == "response"


def test_a_line_that_names_the_delimiter_is_no_header(tmp_path: Path) -> None:
    """Spreadsheets write it first."""
    text = "sep=;\r\nid;prompt;completion\r\n1;Why?;So, yes.\r\n"
    export, _ = describe(tmp_path / "table.csv", text)
    assert [trace.output for trace in export.traces] == ["So, yes."]
