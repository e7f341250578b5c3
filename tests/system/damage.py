"""Damages a home's files one after another, and compares what `andon` then prints and reports.

`python -m tests.system.damage [PATTERN]`: a line of JSON for each kind of file and damage, a minute
for a dozen. What has to be true of each is in `test_damage`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.evals.models.batch_server import serve_batches
from tests.system.helpdesk import NIGHTS, build_night, create_team
from tests.system.judges import Judge, serve_judge
from tests.system.teams import CommandResult, Team, wait_for

VARIABLE = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*|\d{4}-\d\d-\d\d")
LEFT_OUT = re.compile(r"locks/|\.aside|last_run\.log|inbox/")


def break_json(data: bytes) -> bytes:
    """Returns valid JSON of another type."""
    return b"17" if data.lstrip()[:1] in (b"{", b"[") else b'{"a": [null]}'


def flip_byte(data: bytes) -> bytes:
    """Returns the bytes with one in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x21]) + data[middle + 1 :] if data else b"!"


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "removed": lambda data: None,
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "flipped": flip_byte,
    "other": break_json,
    "garbage": lambda data: bytes(range(256)) * 3,
}


class Case(NamedTuple):
    """One file of a home and how it is damaged."""

    kind: str
    """Its name, with ids and dates left out."""
    name: str
    damage: str


class Outcome(NamedTuple):
    """What two commands say of a home, and the reports it then has."""

    code: int
    words: str
    list_code: int
    list_words: str
    reports: dict[str, str]
    """The current version by night and application."""


def make_home(folder: Path, judge: Judge, batch_url: str) -> Team:
    """Makes a team with two applications, three nights, labels, and a judge asked by batch."""
    team = create_team(folder, judge)
    pin = team.read("models.yaml")["judge"]
    other: dict[str, Any] = {**pin, "base_url": batch_url, "batch": {}}
    team.edit("models.yaml", slow=other)
    team.edit("judges/polite.yaml", via="batch", model="slow")
    for night in NIGHTS[:3]:
        rows = build_night(night)
        rows.append({**rows[0], "trace_id": f"bad-{night}", "ts": "no time"})
        rows.append({**rows[1], "trace_id": f"neg-{night}", "latency_ms": -5})
        team.export(f"{night}.jsonl", rows)
    labels = folder / "labels.jsonl"
    rows = [
        {"trace_id": f"desk-{night:%m%d}-00{n}", "dimension": "politeness", "verdict": "pass",
         "annotator": "ann", "annotator_kind": "human"}
        for night in NIGHTS[:2] for n in range(3)
    ]  # fmt: skip
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    team.run_nightly("--labels", str(labels))
    return team


def list_kinds(home: Path) -> dict[str, list[str]]:
    """Lists the files of a home by kind."""
    kinds: dict[str, list[str]] = {}
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        name = path.relative_to(home).as_posix()
        if not LEFT_OUT.search(name):
            kinds.setdefault(VARIABLE.sub("*", name), []).append(name)
    return kinds


def damage_file(path: Path, damage: str) -> None:
    """Damages a file, and what SQLite keeps beside it."""
    after = DAMAGES[damage](path.read_bytes())
    path.unlink()
    if after is not None:
        path.write_bytes(after)


def run_outcome(team: Team) -> Outcome:
    """Adds a night, runs it, and lists the reports."""
    new = NIGHTS[3]
    team.export(f"{new}.jsonl", build_night(new))
    night = wait_for(team.start("nightly", "--inbox", team.inbox))
    listed = wait_for(team.start("report", "list", "--json"))
    return Outcome(
        night.code, shorten(night), listed.code, shorten(listed, out=listed.code != 0),
        read_versions(team),
    )  # fmt: skip


def shorten(result: CommandResult, out: bool = True) -> str:
    """Returns what a command printed that is not the board."""
    lines = (result.out * out + result.errors).splitlines()
    kept = [line for line in lines if "damaged" in line or "Error" in line or "Trace" in line]
    return " | ".join([*kept[:4], *result.errors.splitlines()[-3:]])[:1200]


def read_versions(team: Team) -> dict[str, str]:
    """Returns the version that each night's state names, where the report exists."""
    found: dict[str, str] = {}
    for path in sorted((team.home / "nights").glob("*.json")):
        try:
            reports = json.loads(path.read_bytes())["reports"]
        except (ValueError, TypeError, KeyError):
            found[path.stem] = "unreadable"
            continue
        for app, version in reports.items():
            exists = (team.home / f"reports/{path.stem}/{app}/{version}/report.json").exists()
            found[f"{path.stem} {app}"] = version if exists else "missing"
    return found


def list_cases(home: Path, pattern: str) -> Iterator[Case]:
    """Lists the first file of each kind with each damage."""
    for kind, names in list_kinds(home).items():
        if re.search(pattern, kind):
            for damage in DAMAGES:
                yield Case(kind, names[0], damage)


def try_case(team: Team, case: Case, control: Outcome) -> dict[str, Any]:
    """Returns what a damaged copy of a team comes to."""
    folder = Path(tempfile.mkdtemp(prefix="andon-damage-"))
    try:
        copy = team.copy_to(folder / "team")
        path = copy.home / case.name
        damage_file(path, case.damage)
        outcome = run_outcome(copy)
        aside = [p.name for p in copy.home.rglob("*.damaged-*")]
    finally:
        shutil.rmtree(folder)
    differs = {k: (v, outcome.reports.get(k)) for k, v in control.reports.items()
               if outcome.reports.get(k) != v}  # fmt: skip
    state = "mended" if not differs and outcome.code == 0 else "refused" if outcome.code else "DIFF"
    return {
        "kind": case.kind, "damage": case.damage, "state": state, "code": outcome.code,
        "list": outcome.list_code, "differs": differs, "words": outcome.words,
        "list_words": outcome.list_words if outcome.list_code else "", "aside": aside,
    }  # fmt: skip


def main(pattern: str = "") -> None:
    """Runs the sweep."""
    folder = Path(tempfile.mkdtemp(prefix="andon-damage-home-"))
    with serve_judge() as judge, serve_batches() as batches:
        team = make_home(folder, judge, batches.url)
        control = run_outcome(team.copy_to(folder / "control"))
        print(json.dumps({"control": control}), flush=True)  # noqa: T201
        cases = list(list_cases(team.home, pattern))

        def attempt(case: Case) -> dict[str, Any]:
            return try_case(team, case, control)

        with ThreadPoolExecutor(3) as pool:
            for row in pool.map(attempt, cases):
                print(json.dumps(row), flush=True)  # noqa: T201
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
