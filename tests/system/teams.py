"""A team's folders, and `andon` over them as a user types it.

Every command runs in a process of its own (see `tests.warm` for how it starts). One invented
team with its traces is in `helpdesk`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests import warm
from tests.catalog_files import write_catalog

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
"""Data that is no part of the project; tests that need it skip where it is absent."""
COLD = (sys.executable, "-m", "orchestration.cli.main")
"""`andon` in a process that imports everything itself."""
STARTED: list[subprocess.Popen[str]] = []
"""The commands the running test has started."""


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        """Standard output, parsed as one JSON document."""
        return json.loads(self.out)


def build_environment() -> dict[str, str]:
    """Returns this process's environment without its settings of Andon and of coverage."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("ANDON", "COV"))}


def start_command(*command: str | Path, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Starts a command in a process group of its own, killed when its test ends without it."""
    process = subprocess.Popen(
        [*map(str, command)],
        cwd=cwd,
        env=build_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def kill_started() -> None:
    """Kills commands that a failed test left running: their open pipes would fail a later test."""
    while STARTED:
        process = STARTED.pop()
        if process.returncode is None:
            kill_group(process)


def wait_for(process: subprocess.Popen[str]) -> CommandResult:
    """Waits for a started command to end."""
    out, errors = process.communicate(timeout=500)
    return CommandResult(process.returncode, out, errors)


def wait_for_json(process: subprocess.Popen[str]) -> Any:
    """Returns the JSON that a started command prints; asserts that it succeeds."""
    return check_code(wait_for(process), 0).json


def check_code(result: CommandResult, code: int) -> CommandResult:
    """Asserts a command's exit code; returns the command's result."""
    assert result.code == code, f"exit {result.code}\n{result.out}\n{result.errors}"
    return result


def run_command(*command: str | Path, cwd: Path = ROOT) -> CommandResult:
    """Runs a command in a process of its own, without this one's settings."""
    return wait_for(start_command(*command, cwd=cwd))


def run_andon(*words: str | Path, cwd: Path = ROOT) -> CommandResult:
    """Runs `andon` with these words."""
    return run_command(*warm.build_command(), *words, cwd=cwd)


def kill_group(process: subprocess.Popen[str]) -> bool:
    """Kills a command and all it started (`kill -9`); returns whether it was still running."""
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


@dataclass(frozen=True)
class Team:
    """One team's home, catalog and inbox under one folder."""

    folder: Path
    shared_catalog: Path | None = None
    """A catalog elsewhere, where it is not the team's own."""

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
        return self.shared_catalog or self.folder / "catalog"

    def build_arguments(self, *words: str | Path) -> list[str]:
        """Returns the words of a command with the team's home and catalog."""
        return [*map(str, words), "--home", str(self.home), "--catalog", str(self.catalog)]

    def start(self, *words: str | Path, cold: bool = False) -> subprocess.Popen[str]:
        """Starts a command over the team's folders; `cold`: it imports everything itself."""
        return start_command(
            *(COLD if cold else warm.build_command()), *self.build_arguments(*words)
        )

    def start_nightly(self, *words: str | Path, cold: bool = False) -> subprocess.Popen[str]:
        """Starts a nightly over the team's inbox that prints JSON."""
        return self.start("nightly", "--inbox", self.inbox, "--json", *words, cold=cold)

    def run(self, *words: str | Path, code: int = 0, cold: bool = False) -> CommandResult:
        """Runs a command over the team's folders; asserts its exit code."""
        return check_code(wait_for(self.start(*words, cold=cold)), code)

    def run_json(self, *words: str | Path, cold: bool = False) -> Any:
        """Runs a command that has to succeed; returns the JSON it prints."""
        return self.run(*words, "--json", cold=cold).json

    def run_nightly(self, *words: str | Path, inbox: Path | None = None, cold: bool = False) -> Any:
        """Runs a nightly that has to succeed; returns the JSON it prints."""
        return self.run_json("nightly", "--inbox", inbox or self.inbox, *words, cold=cold)

    def copy_to(self, folder: Path) -> Team:
        """Copies the team's folder; returns the team that has the copy."""
        shutil.copytree(self.folder, folder)
        return Team(folder, self.shared_catalog)

    def declare(self, files: Mapping[str, Any]) -> None:
        """Writes files of the catalog as YAML."""
        write_catalog(self.catalog, files)

    def edit(self, name: str, **changes: Any) -> None:
        """Changes keys of one of the catalog's files."""
        self.declare({name: {**self.read(name), **changes}})

    def read(self, name: str) -> Any:
        """Returns a file of the catalog, parsed."""
        return yaml.safe_load((self.catalog / name).read_text())

    def export(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Puts an export of traces into the inbox."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        path = self.inbox / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def list_versions(self, night: date | str, app: str) -> list[Path]:
        """Returns the folders of an application's night, one a version."""
        folder = self.home / "reports" / str(night) / app
        return sorted(path.parent for path in folder.glob("*/report.json"))

    def read_reports(self) -> dict[str, bytes]:
        """Returns the JSON of every version of every report, by `DATE/APP/VERSION`."""
        root = self.home / "reports"
        paths = root.glob("*/*/*/report.json")
        return {str(path.parent.relative_to(root)): path.read_bytes() for path in paths}

    def report(self, night: date | str, app: str) -> dict[str, Any]:
        """Returns the current report of an application's night."""
        return self.run_json("report", "show", "--app", app, "--date", str(night))


def find_row(body: Mapping[str, Any], evaluator: str, cut: str = "all") -> dict[str, Any]:
    """Returns an evaluator's row over one slice of a report."""
    matching = [r for r in body["results"] if (r["evaluator"], r["slice"]) == (evaluator, cut)]
    assert len(matching) == 1, f"{len(matching)} rows of {evaluator} over {cut}"
    return matching[0]


def read_files(folder: Path) -> dict[str, bytes]:
    """Returns the bytes of every file under a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
