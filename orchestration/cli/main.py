"""`andon`: what the user types.

Imports nothing heavy until a command needs it; what a command does lives elsewhere.
"""

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import click

from orchestration.cli import (
    batches,
    import_pull,
    judges,
    migrate,
    nightly,
    privacy,
    reports,
    upkeep,
)
from orchestration.cli.options import INFRASTRUCTURE, USAGE, fail
from orchestration.runtime import interrupts, terminal


@contextlib.contextmanager
def readable_usage() -> Iterator[None]:
    """What click says of the words it was given, among them file names, made readable."""
    try:
        yield
    except click.ClickException as error:
        said = terminal.lines(error.format_message())
        error.format_message = lambda: said
        raise


class Andon(click.Group):
    """The command group: a catalog or lake that cannot be used is said in a sentence."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Reads the words before the command."""
        with readable_usage():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; what the user can mend is usage, what the machine must is not."""
        from evals.labels.label_files import LabelsError
        from evals.sources.api import SourceError
        from evals.specs import CatalogError
        from evals.storage.lake import LakeError

        try:
            with readable_usage():
                return super().invoke(ctx)
        except CatalogError as error:
            more = len(error.messages) - 1
            rest = f"; `andon doctor` names {more} more" if more > 0 else ""
            fail(USAGE, f"{error}{rest}")
        except LabelsError as error:
            fail(USAGE, str(error))
        except (LakeError, SourceError, OSError) as error:
            fail(INFRASTRUCTURE, str(error))
        except KeyboardInterrupt:
            fail(interrupts.exit_code(), interrupts.sentence())


@click.group(cls=Andon, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="andon")
def main() -> None:
    """The nightly quality board for LLM applications.

    \b
    Examples:
      andon nightly                     import, evaluate and report what is new
      andon report show --app chat      last night of one application
      andon plan --json                 what a changed catalog would cost
      andon ui                          Dagster, the board, lineage
    """


GROUPS = (nightly, reports, upkeep, privacy, import_pull, batches, judges, migrate)
for command in (command for group in GROUPS for command in group.COMMANDS):
    main.add_command(command)


def run(words: Sequence[str] | None = None) -> NoReturn:
    """Runs a command in this process and ends it, by default one of the process's own words.

    Ends as Python would, but for taking apart what was imported: that took a night over a second.
    """
    code: Any = 1
    terminal.print_in_any_encoding()
    try:
        with interrupts.record_arrivals(), interrupts.received():
            main(args=words, prog_name="andon")
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        terminal.trace()
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]  waits as exiting does
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # noqa: TID251  prints nothing
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
