"""One answer as `andon report show --answer` prints it: its texts, and the verdicts on it.

It is read in `evals.reports.answers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestration.cli.lookups import find_report
from orchestration.cli.options import USAGE, fail
from orchestration.runtime import terminal

if TYPE_CHECKING:
    from datetime import date

    from evals.reports.answers import Answer
    from evals.storage.lake import Lake
    from orchestration.settings import Settings

TEXTS = ("input", "context", "steps", "output")


def show_answer(
    settings: Settings, lake: Lake, app: str, only: date | None, trace_id: str, as_json: bool
) -> None:
    """Prints an answer of a night, by default of the last one; ends the command without one."""
    from evals.reports.answers import read_answer

    night = find_report(settings, lake, app, only).date
    answer = read_answer(lake, night, app, trace_id)
    if answer is None:
        fail(
            USAGE,
            f"no trace {trace_id!r} of {app} on {night}; the report lists ids of failing answers, "
            "and --date names another night",
        )
    if as_json:
        terminal.print_json(describe_as_json(answer))
        return
    terminal.print_lines(describe_answer(answer))


def describe_as_json(answer: Answer) -> dict[str, object]:
    """Returns an answer as JSON."""
    trace = answer.trace
    shown = ("trace_id", "app", "session_id", "model", "prompt_version", "git_commit", "status")
    return {
        "ts": trace.ts.isoformat(),
        **{name: getattr(trace, name) for name in (*shown, *TEXTS, "source_file", "source_line")},
        "verdicts": [one._asdict() for one in answer.verdicts],
    }


def describe_answer(answer: Answer) -> Iterator[str]:
    """Describes an answer in lines: its texts, then what was decided about it and why."""
    trace = answer.trace
    made = [trace.model, trace.prompt_version and f"prompt {trace.prompt_version}"]
    yield ", ".join(filter(None, [trace.trace_id, f"{trace.ts:%Y-%m-%d %H:%M:%S}", *made]))
    for name in TEXTS:
        value = getattr(trace, name)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if value:
            yield f"{name}:"
            yield from (f"  {line}" for line in text.expandtabs(4).splitlines())
    for one in answer.verdicts:
        verdict = f"{one.verdict or one.status}  {one.dimension} ({one.evaluator})"
        yield ": ".join(filter(None, [verdict, one.explanation or one.code]))
