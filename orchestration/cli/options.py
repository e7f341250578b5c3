"""What commands share: options, the settings they give, exit codes, and how a command fails.

No command is defined here.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, NamedTuple, NoReturn, ParamSpec, TypeVar

import click

from orchestration.runtime import terminal
from orchestration.settings import Settings, read_settings

if TYPE_CHECKING:
    from evals.specs import Problem
    from evals.storage.lake import Lake

NOTHING_KEPT = 1
DONE, REGRESSED, USAGE, INCONCLUSIVE, INFRASTRUCTURE = 0, 1, 2, 3, 4
GATES = {"pass": DONE, "regressed": REGRESSED, "inconclusive": INCONCLUSIVE}

P = ParamSpec("P")
R = TypeVar("R")


class Day(click.ParamType[date]):
    """A day, as `2026-10-01`."""

    name = "day"
    moment = click.DateTime(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Returns the format, as the help shows it."""
        return self.moment.get_metavar(param, ctx)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Converts a text to a date."""
        return self.moment.convert(value, param, ctx).date()


DAY = Day()


class Place(click.ParamType["Path | str"]):
    """Where exports are: a file or folder that exists, a pattern, or an address (`s3://…`)."""

    name = "place"

    def convert(
        self, value: Path | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Converts a text to a path; returns a pattern or an address unchanged."""
        from evals.sources import locations

        if isinstance(value, Path) or value == "-" or locations.is_remote(value):
            return value
        if locations.is_pattern(value):
            return str(Path(value).absolute())
        if not Path(value).exists():
            self.fail(f"Path {value!r} does not exist.", param, ctx)
        if not (Path(value).is_file() or Path(value).is_dir()):
            hint = "write it to a file, or read it with `andon import -`"
            self.fail(f"Path {value!r} is a pipe, a socket or a device; {hint}.", param, ctx)
        return Path(value)


def list_files(lake: Lake, place: Path | str) -> list[Path]:
    """Lists the files of a place; saves remote objects and piped input in the raw folder first."""
    from evals.ingest import inbox
    from evals.sources import locations

    if place == "-":
        return [locations.save_stdin(lake, sys.stdin.buffer)]
    if isinstance(place, str) and locations.is_remote(place):
        return locations.fetch_objects(lake, place)
    return inbox.list_inbox(place)


class CommandFailed(SystemExit):
    """The end of a command that failed with a sentence, which was printed on stderr."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code)
        self.message = message


def fail(code: int, message: str) -> NoReturn:
    """Prints an error on stderr and ends the command with a documented exit code."""
    terminal.print_error(message)
    raise CommandFailed(code, message)


def home_options(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--home` and `--catalog`, which every command has."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--home", type=path, envvar="ANDON_HOME", help="Data folder [.andon]."),
        click.option(
            "--catalog",
            type=path,
            envvar="ANDON_CATALOG",
            help="Catalog [./catalog, else the demo's].",
        ),
    )
    for option in options:
        command = option(command)
    return command


def settings_options(command: Callable[Concatenate[Settings, P], R]) -> Callable[..., R]:
    """Adds `--home` and `--catalog`; passes the settings they give as the first argument."""

    @home_options
    @functools.wraps(command)
    def run_command(
        home: Path | None, catalog: Path | None, *args: P.args, **options: P.kwargs
    ) -> R:
        return command(read_options(home, catalog), *args, **options)

    return run_command


class NightRange(NamedTuple):
    """The nights that `--from`, `--to` and `--date` name."""

    first: date | None
    last: date | None
    only: date | None

    def select(self, nights: list[date]) -> list[date]:
        """Returns the nights that are in the range.

        Raises:
            UsageError: the range ends before it begins.
        """
        low, high = self.only or self.first or date.min, self.only or self.last or date.max
        if low > high:
            raise click.UsageError(f"--from {low} is after --to {high}")
        return [night for night in nights if low <= night <= high]


def night_options(
    command: Callable[Concatenate[Settings, NightRange, P], R],
) -> Callable[Concatenate[Settings, ...], R]:
    """Adds `--from`, `--to` and `--date`; passes them as one range after the settings."""

    @click.option("--date", "only", type=DAY, help="One night.")
    @click.option("--from", "first", type=DAY, help="First night.")
    @click.option("--to", "last", type=DAY, help="Last night, included.")
    @functools.wraps(command)
    def run_command(
        settings: Settings,
        first: date | None,
        last: date | None,
        only: date | None,
        *args: P.args,
        **options: P.kwargs,
    ) -> R:
        return command(settings, NightRange(first, last, only), *args, **options)

    return run_command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
)


def read_options(
    home: Path | None = None,
    catalog: Path | None = None,
    inbox: Path | str | None = None,
    labels: tuple[Path, ...] = (),
) -> Settings:
    """Reads the settings of a command; sets environment variables for the processes it starts."""
    given = {"ANDON_HOME": home, "ANDON_CATALOG": catalog, "ANDON_INBOX": inbox}
    for name, value in given.items():
        if value is not None:
            os.environ[name] = str(value.absolute() if isinstance(value, Path) else value)
    if labels:
        os.environ["ANDON_LABELS"] = os.pathsep.join(str(path.absolute()) for path in labels)
    settings = read_settings()
    if problem := find_path_problem(str(settings.home)):
        fail(USAGE, f"--home {settings.home}: {problem}; rename the folder, or choose another")
    return settings


MISREAD = re.compile(r"[\[*?\\]|%[0-9A-Fa-f]{2}")
"""What a path may not contain: Dagster and DuckDB take patterns, and Dagster SQLite's addresses."""


def find_path_problem(path: str) -> str | None:
    """Returns why a path cannot be a home's; None where it can."""
    if not is_utf8(path):
        return "its name is not UTF-8, which Parquet needs"
    if found := MISREAD.search(path):
        return (
            f"its path contains `{found[0]}`, which Dagster or DuckDB would read as something else"
        )
    return None


def describe_problem(problem: Problem) -> str:
    """Describes a problem of the catalog in a sentence, with the applications it stops."""
    stopped = ", ".join(problem.apps or ())
    if not stopped:
        return f"{problem.message}; nothing uses it yet"
    return f"{problem.message}; {stopped} {'waits' if len(problem.apps or ()) == 1 else 'wait'}"


def is_utf8(path: str) -> bool:
    """Whether a path's bytes are UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in path)
