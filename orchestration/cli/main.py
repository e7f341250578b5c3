"""`andon`: the command group and the end of the process.

Imports nothing heavy until a command needs it; each group of commands has its own module.
"""

import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from typing import Any, NoReturn

import click

from orchestration.cli import (
    analysis,
    backfill,
    baselines,
    batches,
    cases,
    classifiers,
    digests,
    evaluators,
    gate,
    import_pull,
    incidents,
    init,
    judges,
    labels,
    migrate,
    modes,
    nightly,
    plans,
    privacy,
    reports,
    review,
    upkeep,
)
from orchestration.cli.disk_errors import describe_disk_error
from orchestration.cli.options import INFRASTRUCTURE, USAGE, fail
from orchestration.runtime import interrupts, terminal
from orchestration.settings import read_settings

CLOSED_PIPE = 128 + signal.SIGPIPE
"""The exit code where whoever read our output, such as `head`, has enough, as in shells."""


@contextlib.contextmanager
def escape_usage() -> Generator[None, None, None]:
    """Escapes hidden characters in click's messages about arguments, such as file names."""
    try:
        yield
    except click.ClickException as error:
        message = terminal.escape_lines(error.format_message())
        error.format_message = lambda: message
        raise


class DamagePrinter(logging.Handler):
    """Prints each sentence about a damaged file of the home."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints one sentence."""
        terminal.print_error(record.getMessage())


def print_damage() -> None:
    """Has sentences about damaged files printed, once in a process."""
    log = logging.getLogger("andon.home")
    if not log.handlers:
        log.addHandler(DamagePrinter())
        log.propagate = False


@contextlib.contextmanager
def end_interrupted() -> Generator[None, None, None]:
    """Ends a command that a signal interrupted, whatever error a library made of that.

    Compiled code that calls Python reports an interruption as an error of its own.
    """
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt) and interrupts.get_first_signal() is None:
            raise
    else:
        return
    fail(interrupts.get_exit_code(), interrupts.describe_interruption())


class Andon(click.Group):
    """The command group: prints errors of the catalog, the home or a source as sentences."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parses the arguments before the command."""
        with escape_usage():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Runs a command; exits 2 for an error the user can fix, 4 for one of the machine."""
        from evals.sources.api import SourceError
        from evals.specs import CatalogError
        from evals.storage.documents.home_contents import OtherContents
        from evals.storage.lake import LakeError

        print_damage()
        try:
            with escape_usage(), end_interrupted():
                return super().invoke(ctx)
        except BrokenPipeError:
            sys.exit(CLOSED_PIPE)
        except CatalogError as error:
            more = len(error.messages) - 1
            rest = f"; `andon doctor` lists {more} more" if more > 0 else ""
            fail(USAGE, f"{error}{rest}")
        except OtherContents as error:
            fail(USAGE, str(error))
        except (LakeError, SourceError) as error:
            fail(INFRASTRUCTURE, str(error))
        except Exception as error:
            words = describe_disk_error(error, str(read_settings().home))
            if words is None and not isinstance(error, OSError):
                raise
            fail(INFRASTRUCTURE, words or str(error))


@click.group(cls=Andon, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="andon")
def main() -> None:
    """The nightly quality board for LLM applications.

    \b
    Examples:
      andon init export.csv             a first catalog from an export
      andon nightly                     import, evaluate and report what is new
      andon report show --app chat      last night of one application
      andon plan --json                 what a changed catalog would cost
      andon ui                          Dagster, the board, lineage
    """


GROUPS = (
    init,
    nightly,
    plans,
    backfill,
    reports,
    review,
    gate,
    cases,
    baselines,
    classifiers,
    incidents,
    digests,
    labels,
    analysis,
    modes,
    upkeep,
    privacy,
    import_pull,
    batches,
    judges,
    evaluators,
    migrate,
)
for command in (command for group in GROUPS for command in group.COMMANDS):
    main.add_command(command)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and ends the process; by default with the process's own arguments.

    Ends as Python does, but without freeing imported modules, which takes over a second.
    """
    terminal.print_in_any_encoding()
    with interrupts.record_arrivals(), interrupts.handle_signals():
        code = run_command(arguments)
        interrupts.end_process_on_signals()
        end_process(code)


def run_command(arguments: Sequence[str] | None) -> int | str:
    """Runs a command; returns its exit code."""
    try:
        main(args=arguments, prog_name="andon")
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        terminal.print_traceback()
    return 1


def end_process(code: int | str) -> NoReturn:
    """Ends the process after its threads, exit hooks and output."""
    threading._shutdown()  # pyright: ignore  # waits for threads, as Python's own exit does
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]  # has no public name
    for stream in filter(None, (sys.stdout, sys.stderr)):  # noqa: TID251  prints nothing
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or CLOSED_PIPE
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    run()
