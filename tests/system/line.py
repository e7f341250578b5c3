"""What the system tests share: a judge to talk to, a small team's catalog and traces, the CLI.

Every command runs in a process of its own, as a user's would (see `tests.warm` for how it starts).
What is promised is in the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from tests import warm
from tests.catalog_files import write_catalog

ROOT = Path(__file__).parents[2]
COLD = (sys.executable, "-m", "orchestration.cli.main")
FIRST = date(2026, 3, 1)
NIGHTS = [FIRST + timedelta(days=n) for n in range(14)]
BAD = NIGHTS[6]
CONCURRENCY = 3
SHARED = "Where is my parcel?"
"""A question every night has: its answer is paid for once."""

POLITE = "You read help-desk answers. Is this one polite?"
HELPFUL = "You read help-desk answers. Is this one of use? Answer Yes or No."


@dataclass(frozen=True)
class Judge:
    """The judge server as a test steers it."""

    url: str

    def call(self, path: str, body: Any = None) -> Any:
        """One request to the server's own pages; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def asked(self, since: int = 0) -> list[dict[str, Any]]:
        """The calls that arrived after the first `since`."""
        return self.call("/asked")[since:]

    def count(self) -> int:
        """Calls that arrived so far."""
        return self.call("/stats")["calls"]


@contextlib.contextmanager
def serving() -> Iterator[Judge]:
    """The judge server in a process of its own."""
    program = Path(__file__).with_name("judge_server.py")
    server = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    with server.stdout:
        try:
            yield Judge(server.stdout.readline().strip())
        finally:
            server.kill()
            server.wait()


@dataclass(frozen=True)
class Line:
    """One team's home, catalog and inbox under one folder."""

    folder: Path

    @property
    def home(self) -> Path:
        """The folder of its data."""
        return self.folder / "home"

    @property
    def inbox(self) -> Path:
        """The folder of its exports."""
        return self.folder / "inbox"

    @property
    def catalog(self) -> Path:
        """The folder of its catalog."""
        return self.folder / "catalog"

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """Returns the arguments of a command of `andon` for this team, and its environment."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ANDON", "COV"))}
        places = ["--home", str(self.home), "--catalog", str(self.catalog), "--json"]
        inbox = ["--inbox", str(self.inbox)] if words[0] == "nightly" else []
        return [*words, *places, *inbox], environment

    def start(self, *words: str, cold: bool = False) -> subprocess.Popen[str]:
        """A command in a process group of its own, not waited for; cold: it imports all itself."""
        command, environment = self.command(*words)
        return subprocess.Popen(
            [*(COLD if cold else warm.andon()), *command],
            cwd=ROOT,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *words: str, cold: bool = False) -> Any:
        """The JSON document of a command that has to succeed."""
        return document(self.start(*words, cold=cold))

    def reports(self) -> dict[str, bytes]:
        """Every version of every report, by `DATE/APP/VERSION`."""
        paths = (self.home / "reports").glob("*/*/*/report.json")
        root = self.home / "reports"
        return {str(path.parent.relative_to(root)): path.read_bytes() for path in paths}

    def report(self, night: date, app: str = "helpdesk") -> dict[str, Any]:
        """The current report of a night."""
        return self.run("report", "show", "--app", app, "--date", night.isoformat())

    def copy(self, folder: Path) -> Line:
        """The same team somewhere else."""
        shutil.copytree(self.folder, folder)
        return Line(folder)

    def edit(self, name: str, **changes: Any) -> None:
        """Changes keys of one of the catalog's files."""
        path = self.catalog / name
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))

    def export(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Puts an export of traces into the inbox."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.inbox / name).write_text(text)


def document(process: subprocess.Popen[str]) -> Any:
    """Returns the JSON a started command prints; fails with its output where it fails."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, f"exit {process.returncode}\n{out}\n{errors}"
    return json.loads(out)


def kill(process: subprocess.Popen[str]) -> bool:
    """Kills a command and all it started (`kill -9`); returns whether it was still running."""
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def team(folder: Path, judge: Judge) -> Line:
    """A help desk with two judges and a card printer with none, and their catalog."""
    pin = {"base_url": f"{judge.url}/v1", "model": "judge-2026-01-01", "concurrency": CONCURRENCY}
    price = {"since": FIRST, "input": 2.0, "output": 8.0}
    signed = {"assertion": "regex", "params": {"pattern": "— the desk$"}}
    files: dict[str, Any] = {
        "catalog.yaml": {"title": "A small team", "since": FIRST},
        "models.yaml": {"judge": {**pin, "prices": [price]}},
        "slices.yaml": [{"slice": "prompt", "by": "prompt_version"}],
        "apps/helpdesk.yaml": {"app": "helpdesk", "suite": "helpdesk"},
        "apps/cards.yaml": {"app": "cards", "suite": "cards"},
        "judges/polite.yaml": {
            "judge": "polite",
            "asks": "Is the answer polite?",
            "model": "judge",
            "system": POLITE,
        },
        "judges/helpful.yaml": {
            "judge": "helpful",
            "asks": "Is the answer of use?",
            "model": "judge",
            "system": HELPFUL,
            "mode": "logprobs",
        },
        "suites/helpdesk.yaml": {
            "suite": "helpdesk",
            "dimensions": [
                {"dimension": name, "question": asks, "check": check}
                for name, asks, check in (
                    ("politeness", "Is the answer polite?", {"judge": "polite"}),
                    ("use", "Is the answer of use?", {"judge": "helpful"}),
                    ("signature", "Is the answer signed?", signed),
                )
            ],
        },
        "suites/cards.yaml": {
            "suite": "cards",
            "dimensions": [
                {
                    "dimension": "short",
                    "question": "Does the wish fit on a card?",
                    "check": {"assertion": "regex", "params": {"pattern": "(?s).{1,40}"}},
                }
            ],
        },
        "guardrails/secrets.yaml": {
            "guardrail": "secrets",
            "question": "Is the answer free of keys?",
            "check": "secrets",
            "action": "block",
        },
    }
    write_catalog(folder / "catalog", files)
    return Line(folder)


def desk(night: date, number: int, asked: str = "", **more: Any) -> dict[str, Any]:
    """One question to the help desk, invented."""
    things = ("kettle", "lamp", "chair", "tent", "clock", "radio", "ladder", "basket")
    thing = things[(night.day + number) % len(things)]
    question = asked or f"Order {night:%m%d}{number}: my {thing} has not come. What now?"
    end = "— the desk" if number % 3 else ""
    answer = f"Sorry to hear that. We look for it at once. {end}".strip()
    return {
        "trace_id": f"desk-{night:%m%d}-{number:03d}",
        "ts": f"{night.isoformat()}T09:{number % 60:02d}:00Z",
        "app": "helpdesk",
        "input": question,
        "output": "It is on its way. — the desk" if asked else answer,
        "model": "desk-model-1",
        "prompt_version": "v1" if night < NIGHTS[7] else "v2",
        "session_id": f"s-{night:%m%d}-{number}",
        **more,
    }


def card(night: date, number: int) -> dict[str, Any]:
    """One wish for a birthday card, invented."""
    wish = "Many happy returns!" if number % 2 else "May all its days be kind, and the cake huge."
    about = {"trace_id": f"card-{night:%m%d}-{number}", "ts": f"{night.isoformat()}T10:00:00Z"}
    return {**about, "app": "cards", "input": f"A wish, number {number}", "output": wish}


def traces(night: date, questions: int = 5) -> list[dict[str, Any]]:
    """One night of both applications; the first question is every night's."""
    own = [desk(night, number) for number in range(1, questions)]
    return [desk(night, 0, SHARED), *own, *(card(night, number) for number in range(3))]


def rotten(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with every other one of the help desk's broken."""
    broken = {row["trace_id"] for row in rows if row["app"] == "helpdesk"}
    chosen = set(sorted(broken)[::2])
    return [{**row, "latency_ms": -5} if row["trace_id"] in chosen else row for row in rows]


def whole(body: dict[str, Any], evaluator: str) -> dict[str, Any]:
    """An evaluator's row over all traces of a report."""
    matching = [r for r in body["results"] if (r["evaluator"], r["slice"]) == (evaluator, "all")]
    assert len(matching) == 1, f"{len(matching)} rows of {evaluator}"
    return matching[0]


def paid_once(calls: Sequence[dict[str, Any]]) -> bool:
    """Whether no body was asked twice."""
    return max(Counter(call["body"] for call in calls).values(), default=0) <= 1
