"""What tests of commands share: a team's folders, and `andon` as a user types it.

Every command runs in a process of its own (see `tests.warm` for how it starts); what is promised
is in the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests import warm

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
"""Data that is no part of the project; tests that need it skip where it is absent."""


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    out: str
    errors: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document it has to be."""
        return json.loads(self.out)


COLD = (sys.executable, "-m", "orchestration.cli.main")


def run(*command: str | Path, cwd: Path = ROOT) -> CommandResult:
    """Runs a command in a process of its own, without this one's settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ANDON", "COV"))}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


def andon(*words: str | Path, cwd: Path = ROOT, cold: bool = False) -> CommandResult:
    """Runs `andon` with these words; cold: it imports all it needs itself."""
    return run(*(COLD if cold else warm.andon()), *words, cwd=cwd)


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

    def andon(self, *words: str | Path, code: int = 0, cold: bool = False) -> CommandResult:
        """Runs a command over the team's folders; asserts its exit code."""
        result = andon(*words, "--home", self.home, "--catalog", self.catalog, cold=cold)
        assert result.code == code, f"exit {result.code}\n{result.out}\n{result.errors}"
        return result

    def nightly(self, *words: str | Path, inbox: Path | None = None) -> Any:
        """Runs a nightly that has to succeed; returns the JSON it prints."""
        return self.andon("nightly", "--inbox", inbox or self.inbox, "--json", *words).json

    def declare(self, files: Mapping[str, Any]) -> None:
        """Writes files of the catalog as YAML."""
        for name, value in files.items():
            path = self.catalog / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(value, sort_keys=False))

    def read(self, name: str) -> Any:
        """Returns a file of the catalog, parsed."""
        return yaml.safe_load((self.catalog / name).read_text())

    def export(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Puts an export of traces into the inbox."""
        self.inbox.mkdir(parents=True, exist_ok=True)
        path = self.inbox / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def folders(self, night: date | str, app: str) -> list[Path]:
        """Returns the folders of an application's night, one a version."""
        return sorted((self.home / "reports" / str(night) / app).glob("*/"))

    def report(self, night: date | str, app: str) -> dict[str, Any]:
        """Returns the current report of an application's night."""
        return self.andon("report", "show", "--app", app, "--date", str(night), "--json").json


def row_of(body: Mapping[str, Any], evaluator: str, cut: str = "all") -> dict[str, Any]:
    """Returns an evaluator's row over one slice of a report."""
    matching = [r for r in body["results"] if (r["evaluator"], r["slice"]) == (evaluator, cut)]
    assert len(matching) == 1, f"{len(matching)} rows of {evaluator} over {cut}"
    return matching[0]


def bytes_under(folder: Path) -> dict[str, bytes]:
    """Returns the bytes of every file under a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
