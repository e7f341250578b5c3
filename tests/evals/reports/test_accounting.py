"""Promises of the account in a report: of each file, and of what was redacted.

What validation counts is the validation tests'; here a report is made of its counts.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from evals.ingest import inbox
from evals.reports import json_form, night_data, report
from evals.reports.pages.night import render_night
from evals.reports.row_counts import Accounting, FileCount, Redacted, RuleCount
from evals.reports.sections import accounting
from evals.specs import Catalog
from evals.storage.lake import Lake
from evals.validation import admission
from tests.evals.reports import report_bodies as bodies

NIGHT = date(2026, 10, 1)
NOW = datetime(2026, 10, 3, 9, tzinfo=UTC)
KEY = "github_pat_" + "A1b2C3d4E5" * 4


def row(number: int, **more: Any) -> dict[str, Any]:
    """One ordinary request, invented."""
    return {
        "trace_id": f"t{number}",
        "ts": f"{NIGHT}T12:{number:02d}:00Z",
        "app": "chat",
        "input": f"Question {number}?",
        "output": f"Answer {number}.",
        **more,
    }


def export(folder: Path, name: str, *rows: dict[str, Any] | str) -> None:
    """A file of the inbox; a text is a line as it is."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (one if isinstance(one, str) else json.dumps(one) for one in rows)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose inbox was taken in: files of equal names, lost rows, personal data."""
    exports = tmp_path / "exports"
    export(exports, "eu/day.jsonl", *map(row, range(4)), row(9, latency_ms=-1), "{")
    export(exports, "us/day.jsonl", row(0), row(1, output="Corrected."), row(5))
    mail, key = row(6, output="Write to ada@example.org."), row(7, input=f"{KEY} and a@b.org")
    export(exports, f"{KEY}/day.jsonl", mail, key, row(8, app="qa"))
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    inbox.import_inbox(lake, catalog, exports, now=NOW)
    admission.admit_nights(lake, catalog, lake.list_nights("staged"))
    return tmp_path


def account_in(home: Path, app: str) -> dict[str, Any]:
    """The account in the report of an application's night."""
    lake, catalog = Lake(home / "home").open(), Catalog(root=home)
    account = admission.admit_nights(lake, catalog, [NIGHT])[NIGHT][app]
    return json_form.to_json(accounting.sort_lists(night_data.read_account(lake, account)))


def test_each_file_has_its_path_in_the_inbox_and_counts_that_add_up(home: Path) -> None:
    """Files of one name stay distinct, a secret in a path is not shown, and no row is missing."""
    chat = account_in(home, "chat")
    eu, us, third = sorted(chat["files"], key=lambda f: ("eu", "us").count(f["file"][:2]) == 0)
    assert (eu["file"], us["file"]) == ("eu/day.jsonl", "us/day.jsonl")
    assert third["file"] == "[redacted:github-pat]/day.jsonl"
    assert KEY not in json.dumps(chat)
    counts = ("read", "accepted", "duplicate", "quarantined")
    assert [eu[key] for key in counts] == [5, 3, 1, 1]
    assert eu["unplaced"] == 1
    assert [us[key] for key in counts] == [3, 2, 1, 0]
    for file in chat["files"]:
        assert file["read"] == file["accepted"] + file["duplicate"] + file["quarantined"]
    for key in counts:
        assert chat[key] == sum(file[key] for file in chat["files"])
    (qa,) = account_in(home, "qa")["files"]
    assert (qa["sha"], qa["read"]) == (third["sha"], 1)


def test_redactions_are_counted_by_rule(home: Path) -> None:
    """Traces are counted once each, places as often as one was redacted."""
    redacted = account_in(home, "chat")["redacted"]
    assert redacted["traces"] == 2
    assert {rule["rule"]: (rule["traces"], rule["places"]) for rule in redacted["rules"]} == {
        "email": (2, 2),
        "github-pat": (1, 1),
    }
    assert account_in(home, "qa")["redacted"] == {"traces": 0, "rules": []}


def test_a_trace_cannot_invent_a_rule(tmp_path: Path) -> None:
    """A note a trace brings along is believed only where it is of our making."""
    notes = {"<b>": 3, "email": "many", "card": -1, "iban": True, "ssn": 2}
    export(tmp_path / "in", "a.jsonl", row(1, metadata={"redactions": notes}))
    export(tmp_path / "in", "b.jsonl", row(2, metadata={"redactions": [1]}))
    lake, catalog = Lake(tmp_path / "home").open(), Catalog(root=tmp_path)
    inbox.import_inbox(lake, catalog, tmp_path / "in", now=NOW)
    account = admission.admit_nights(lake, catalog, [NIGHT])[NIGHT]["chat"]
    assert account["redacted"] == {
        "traces": 1,
        "rules": [{"rule": "ssn", "traces": 1, "places": 2}],
    }


def test_the_page_names_the_files_that_lost_most_and_sums_the_others() -> None:
    """Of many files a dozen are named, worst first, and the sums are those of all."""
    files = [
        FileCount(file=f"f{n:02d}", sha=f"{n:016d}", read=10, accepted=10 - n % 3,
                  duplicate=0, quarantined=n % 3, unplaced=7 if n == 30 else 0)
        for n in range(40)
    ]  # fmt: skip
    listing = accounting.list_files(files, 12)
    assert listing.files[0].file == "f30"
    assert {file.quarantined for file in listing.files[1:]} == {2}
    assert (len(listing.files), listing.others) == (12, 28)
    for key in ("read", "accepted", "duplicate", "quarantined"):
        named = sum(getattr(file, key) for file in listing.files)
        assert named + getattr(listing.rest, key) == sum(getattr(file, key) for file in files)


def test_the_account_is_on_the_page_and_valid_by_the_schema() -> None:
    """Markup in a file's name is shown, and the published schema knows each key."""
    total = {"read": 200, "accepted": 200, "duplicate": 0, "quarantined": 0}
    file = FileCount(file="<script>x</script>.jsonl", sha="0" * 16, **total, unplaced=3)
    redacted = Redacted(12, (RuleCount("email", 12, 30),))
    account = Accounting(**total, reasons=(), files=(file,), redacted=redacted)
    body = bodies.night(accounting=json_form.to_json(account))
    schema = report.load_schema()["properties"]["accounting"]
    jsonschema.validate(body["accounting"], {**schema, "$defs": report.load_schema()["$defs"]})
    html = render_night(bodies.typed(body), history=[])
    assert "&lt;script&gt;x&lt;/script&gt;.jsonl" in html
    assert "<script>x" not in html
    assert "3 more rows of it have neither night nor application" in html
    assert "12 of the accepted traces were redacted" in html
