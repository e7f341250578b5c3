"""Promises of the languages of requests: carried before detected, and detected once a content."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evals.records import Trace
from evals.storage.lake import Lake
from evals.table_rows import RequestRow
from evals.topics.night_requests import describe_night
from evals.topics.request_languages import Languages, find_languages
from tests.evals.topics.support_requests import make_traces

NIGHT = date(2026, 10, 1)
GERMAN = "Wo bleibt mein Paket? Es sollte am Freitag ankommen."
ENGLISH = "The parcel will arrive on Friday, please wait one more day."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("de", "en")),
        ({"metadata": '{"language": "French"}'}, ("fr", "en")),
        ({"metadata": '{"locale": "pt-BR", "lang": "??"}'}, ("pt", "en")),
        ({"metadata": '{"language": ["fr"], "tier": "a"}'}, ("de", "en")),
        ({"metadata": '{"language": "' + "x" * 99 + '"}'}, ("de", "en")),
        ({"metadata": '["language", "fr"]'}, ("de", "en")),
        ({"metadata": '{"language": '}, ("de", "en")),
        ({"input": "", "output": None}, ("unknown", "unknown")),
        ({"input": "wo?", "output": "\ud800 7 % \x00"}, ("unknown", "unknown")),
        ({"output": "```python\nprint('the answer is in here')\n```"}, ("de", "unknown")),
        ({"output": '{"answer": "' + ENGLISH + '"}'}, ("de", "en")),
        ({"input": "荷物はどこですか。金曜日に届く"}, ("ja", "en")),
    ],
)
def test_a_language_is_carried_detected_or_unknown(
    changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    """What metadata names counts for the input; odd values name nothing and break nothing."""
    row = {"input": GERMAN, "output": ENGLISH, "metadata": None} | changes
    assert find_languages(row, {}) == expected


def test_a_content_is_detected_once(tmp_path: Path) -> None:
    """A night that is described again takes over the languages of contents that are the same."""
    lake = Lake(tmp_path).open()
    traces = [replace(one, content_hash=one.trace_id) for one in make_traces(NIGHT, [GERMAN] * 3)]
    write(lake, traces)
    assert {row.input_language for row in lake.read("requests", [NIGHT])} == {"de"}
    marked = [row._replace(input_language="xx") for row in lake.read("requests", [NIGHT])]
    with lake.open_writer("requests", NIGHT, "data") as writer:
        for row in marked:
            writer.add(row)
    write(lake, [*traces[:2], replace(traces[2], content_hash="new")])
    rows: list[RequestRow] = lake.read("requests", [NIGHT])
    assert sorted(str(row.input_language) for row in rows) == ["de", "xx", "xx"]


def write(lake: Lake, traces: list[Trace]) -> None:
    """Writes the traces of the night, and describes it."""
    lake.write("traces", NIGHT, traces)
    describe_night(lake, NIGHT)


def test_rows_of_older_versions_have_no_language() -> None:
    """A content without both languages is detected."""
    row = {"input": GERMAN, "output": ENGLISH, "content_hash": "a"}
    assert find_languages(row, {"a": Languages("xx", "yy")}) == ("xx", "yy")
    assert find_languages(row | {"content_hash": None}, {"": Languages("xx", "yy")})[0] == "de"
