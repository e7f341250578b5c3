"""One inbox with everything that should not be in it, and one night run over it."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.system.teams import CommandResult, Team, find_row, read_files, run_andon

NIGHT = "2026-05-04"
SCRIPT = "<script>alert('andon')</script>"
CLIMBING = "../../etc/passwd"
LONG = 200 * 2**20
GOOD = 12

pytestmark = pytest.mark.slow


def trace(number: int, app: str = "notes", **more: Any) -> dict[str, Any]:
    """One ordinary request, invented."""
    return {
        "trace_id": f"{app}-{number}",
        "ts": f"{NIGHT}T08:{number:02d}:00Z",
        "app": app,
        "input": f"Note number {number}, please.",
        "output": f"Noted: number {number}.",
        **more,
    }


def line(row: dict[str, Any]) -> bytes:
    """A row as an export has it."""
    return json.dumps(row).encode() + b"\n"


def declare(team: Team) -> None:
    """A catalog of two applications that note things down."""
    noted = {"assertion": "regex", "params": {"pattern": "^Noted"}}
    asked = {"dimension": "noted", "question": "Does it say what it noted?", "check": noted}
    secrets = {"guardrail": "secrets", "question": "Is it free of keys?", "check": "secrets"}
    team.declare(
        {
            "catalog.yaml": {"title": "Notes", "since": "2026-05-01"},
            "apps/notes.yaml": {"app": "notes", "suite": "notes"},
            "apps/lists.yaml": {"app": "lists", "suite": "notes"},
            "suites/notes.yaml": {"suite": "notes", "dimensions": [asked]},
            "guardrails/secrets.yaml": {**secrets, "action": "block"},
        }
    )


def fill(inbox: Path) -> None:
    """Good rows of known and unknown applications, between seven kinds of harm."""
    inbox.mkdir()
    (inbox / "good.jsonl").write_bytes(b"".join(line(trace(n)) for n in range(GOOD)))
    (inbox / "newcomer.jsonl").write_bytes(b"".join(line(trace(n, "unheard-of")) for n in range(5)))
    noise = random.Random(1).randbytes(200_000).replace(b"{", b"#")
    (inbox / "rubbish.bin").write_bytes(noise)
    (inbox / "rubbish.jsonl").write_bytes(b"\xff\xfe\x00{]\n" + line(trace(30)) + b"[1, 2]\nNaN\n")
    whole = gzip.compress(b"".join(line(trace(n, output="x" * 900)) for n in range(40, 44)), 0)
    (inbox / "truncated.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with gzip.open(inbox / "long.jsonl.gz", "wb", compresslevel=1) as file:
        file.write(b'{"trace_id": "long", "output": "')
        for _ in range(LONG // 2**20):
            file.write(b"A" * 2**20)
        file.write(b'"}\n' + line(trace(45)))
    broken = b'{"trace_id": [%d], "app": "lists", "ts": "%s"}\n'
    times = [(n, f"{NIGHT}T09:00:00Z".encode()) for n in range(4)]
    (inbox / "lists.jsonl").write_bytes(b"".join(broken % one for one in times))
    odd = [
        trace(46, input=SCRIPT, output=f"{SCRIPT} for you"),
        trace(47, trace_id=CLIMBING, output="Climbing, not noting."),
        trace(48, app="../evil"),
        {key: value for key, value in trace(49).items() if key != "ts"},
    ]
    (inbox / "odd.jsonl").write_bytes(b"".join(map(line, odd)))


class Night(NamedTuple):
    """A night over the hostile inbox."""

    team: Team
    summary: dict[str, Any]
    refused: list[dict[str, Any]]
    """What `andon quarantine --json` lists."""
    outside: tuple[dict[str, bytes], dict[str, bytes]]
    """The files beside home, before and after."""


def beside(team: Team) -> dict[str, bytes]:
    """Every file of the team's surroundings that is not in its home, by path."""
    files = read_files(team.folder.parent)
    home = str(team.home.relative_to(team.folder.parent))
    return {name: data for name, data in files.items() if not name.startswith(f"{home}/")}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """One nightly run; it ends with exit code 0."""
    team = Team(tmp_path_factory.mktemp("hostile") / "deep" / "team")
    declare(team)
    fill(team.inbox)
    before = beside(team)
    summary = team.run_nightly()
    refused = team.run_json("quarantine")
    return Night(team, summary, refused, (before, beside(team)))


def codes(night: Night, file: str) -> dict[int, str]:
    """The reason codes of a file's refused rows, by line."""
    return {r["source_line"]: r["code"] for r in night.refused if r["source_file"] == file}


def test_each_bad_row_is_in_quarantine_with_its_file_line_and_reason(night: Night) -> None:
    """Every row that cannot be a trace is listed once, where it is and why."""
    assert codes(night, "rubbish.bin") == {0: "unreadable-file"}
    assert codes(night, "rubbish.jsonl") == {1: "not-utf8", 3: "not-an-object", 4: "bad-number"}
    assert codes(night, "truncated.jsonl.gz") == {2: "truncated-gzip"}
    assert codes(night, "long.jsonl.gz") == {1: "line-too-long"}
    assert codes(night, "odd.jsonl") == {3: "bad-app", 4: "no-timestamp"}
    assert set(codes(night, "lists.jsonl").values()) == {"wrong-type"}
    assert all(len(row["reason"].split()) > 5 for row in night.refused)
    assert codes(night, "good.jsonl") == codes(night, "newcomer.jsonl") == {}


def test_the_home_may_be_given_before_the_subcommand(night: Night) -> None:
    """`andon quarantine --home HOME list` lists that home's rows, and no other's."""
    result = run_andon(
        "quarantine", "--home", night.team.home, "--json", "list", cwd=night.team.folder
    )
    assert result.json == night.refused


def test_the_rest_of_the_night_is_reported(night: Night) -> None:
    """Good rows beside bad ones are scored, those of damaged files included."""
    assert night.summary["failures"] == []
    body = night.team.report(NIGHT, "notes")
    good = GOOD + len(["rubbish.jsonl:2", "long.jsonl.gz:2", "odd.jsonl:1", "odd.jsonl:2"])
    torn = codes(night, "truncated.jsonl.gz").popitem()[0] - 1
    assert body["accounting"]["accepted"] == good + torn
    row = find_row(body, "notes.noted")
    assert row["passed"] == GOOD + 2
    assert row["passed"] + row["failed"] == good + torn


def test_a_script_in_a_trace_is_shown_and_never_runs(night: Night) -> None:
    """Pages hold the tag's text escaped, and no script element at all."""
    pages = list((night.team.home / "reports").rglob("*.html"))
    assert len(pages) > 2
    texts = [page.read_text("utf-8").lower() for page in pages]
    assert all("<script" not in text for text in texts)
    assert any("&lt;script&gt;alert" in text for text in texts)


def test_a_path_in_an_id_is_only_a_name(night: Night) -> None:
    """A climbing trace id is scored like any other, and nothing is named after it."""
    body = night.team.report(NIGHT, "notes")
    (example,) = [e for e in body["examples"] if e["trace_id"] == CLIMBING]
    assert example["output"] == "Climbing, not noting."
    assert not list(night.team.home.rglob("*passwd*"))


def test_nothing_is_written_outside_home(night: Night) -> None:
    """The catalog, the inbox and the folders around them are byte for byte as they were."""
    before, after = night.outside
    assert len(before) > 8
    assert after == before


def test_an_unknown_application_gets_the_defaults_with_a_note(night: Night) -> None:
    """Without a suite there are `answered` and the guardrails; the page names what is missing."""
    body = night.team.report(NIGHT, "unheard-of")
    assert body["suite"] is None
    assert {row["kind"] for row in body["results"]} == {"assertion", "guardrail"}
    assert find_row(body, "secrets")["passed"] == 5
    (folder,) = night.team.list_versions(NIGHT, "unheard-of")
    assert "no suite yet" in (folder / "index.html").read_text("utf-8").lower()


def test_an_application_with_only_bad_rows_is_refused_and_reported(night: Night) -> None:
    """Where no row of an application can be read, its night is reported as refused."""
    body = night.team.report(NIGHT, "lists")
    assert body["status"] == "refused"
    counts = body["accounting"]
    assert (counts["read"], counts["accepted"], counts["quarantined"]) == (4, 0, 4)
    assert [NIGHT, "lists"] in night.summary["refused"]


def test_assume_date_accepts_rows_without_a_timestamp(night: Night, tmp_path: Path) -> None:
    """The same file imported with --assume-date loses only the row with a bad name."""
    other = Team(tmp_path, night.team.catalog)
    file = night.team.inbox / "odd.jsonl"
    (row,) = other.run_json("import", file, "--assume-date", "2026-05-06")
    assert (row["read"], row["refused"]) == (4, 1)
    assert row["nights"] == [NIGHT, "2026-05-06"]
    assert [r["code"] for r in other.run_json("quarantine")] == ["bad-app"]


def test_a_file_imported_twice_counts_once(night: Night, tmp_path: Path) -> None:
    """A second import names the file as imported before and changes no byte of home."""
    other = Team(tmp_path, night.team.catalog)
    file = night.team.inbox / "good.jsonl"
    first: CommandResult = other.run("import", file)
    assert "imported before" not in first.out
    before = read_files(other.home)
    again = other.run("import", file)
    assert f"good.jsonl: {GOOD} rows, 0 in quarantine (imported before)" in again.out
    assert before
    assert read_files(other.home) == before
