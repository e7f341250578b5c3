"""What commands share: options, the settings they give, exit codes, one way to fail.

No command lives here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orchestration.runtime import terminal
from orchestration.settings import Settings, settings

if TYPE_CHECKING:
    from evals.reports.report import Report
    from evals.specs import Problem

DONE, REGRESSED, USAGE, INCONCLUSIVE, INFRASTRUCTURE = 0, 1, 2, 3, 4
GATES = {"pass": DONE, "regressed": REGRESSED, "inconclusive": INCONCLUSIVE}


DAY = click.DateTime(["%Y-%m-%d"])


class Place(click.ParamType):
    """Where exports are: a file or folder that exists, a pattern, or an address (`s3://…`)."""

    name = "place"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | str:
        """A path, or the words as they are."""
        from evals.sources import locations

        if not isinstance(value, str) or value == "-" or locations.is_remote(value):
            return value
        if locations.is_pattern(value):
            return str(Path(value).absolute())
        if not Path(value).exists():
            self.fail(f"Path {value!r} does not exist.", param, ctx)
        return Path(value)


def fail(code: int, message: str) -> NoReturn:
    """Ends the command with a sentence on stderr and a documented exit code."""
    terminal.complain(message)
    sys.exit(code)


def located(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--home` and `--catalog`, which every command takes."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--home", type=path, envvar="ANDON_HOME", help="Data folder [.andon]."),
        click.option("--catalog", type=path, envvar="ANDON_CATALOG", help="Catalog [the demo's]."),
    )
    for option in options:
        command = option(command)
    return command


def ranged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--from`, `--to` and `--date`."""
    options = (
        click.option("--to", "last", type=DAY, help="Last night, included."),
        click.option("--from", "first", type=DAY, help="First night."),
        click.option("--date", "only", type=DAY, help="One night."),
    )
    for option in options:
        command = option(command)
    return command


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def place(home: Path | None, catalog: Path | None, **more: Any) -> Settings:
    """The settings of the options given, kept in the environment for what runs below."""
    given = {"ANDON_HOME": home, "ANDON_CATALOG": catalog, "ANDON_INBOX": more.get("inbox")}
    for name, value in given.items():
        if value is not None:
            os.environ[name] = str(value.absolute() if isinstance(value, Path) else value)
    labels = more.get("labels") or ()
    if labels:
        os.environ["ANDON_LABELS"] = os.pathsep.join(str(path.absolute()) for path in labels)
    here = settings()
    if not is_utf8(str(here.home)):
        fail(USAGE, f"--home {here.home}: its name is not UTF-8, which Parquet needs; rename it")
    return here


def describe_problem(problem: Problem) -> str:
    """A problem of the catalog in a sentence, with whom it stops."""
    stopped = ", ".join(problem.apps or ())
    if not stopped:
        return f"{problem.message}; nothing uses it yet"
    return f"{problem.message}; {stopped} {'waits' if len(problem.apps or ()) == 1 else 'wait'}"


def is_utf8(path: str) -> bool:
    """Whether a path's bytes are UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


def span(known: list[date], first: Any, last: Any, only: Any) -> list[date]:
    """The known nights within the options given."""
    low = (only or first).date() if only or first else date.min
    high = (only or last).date() if only or last else date.max
    if low > high:
        raise click.UsageError(f"--from {low} is after --to {high}")
    return [night for night in known if low <= night <= high]


def chosen_report(lake: Any, app: str, only: Any) -> Report:
    """The current report of an application's night, by default its last."""
    from evals.reports.archive import current_reports

    reports = [one for one in current_reports(lake) if one.app == app]
    if only:
        reports = [one for one in reports if one.date == only.date()]
    if not reports:
        fail(USAGE, f"no report of {app!r}; `andon report list` shows what there is")
    return reports[-1]
