"""A process that renders teams' templates, one answer a line of JSON, in a sandbox.

`python -m evals.reports.pages.forms.template_worker` is started by `team_template`, which ends it
where a template takes too long. What a template makes is reduced to safe markup there.
"""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from evals.reports.pages.forms.differences import compare_texts
from evals.reports.pages.forms.text import render_text
from evals.reports.phrases import show_hidden
from evals.worker_process import serve_requests

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

LARGEST = 400_000
"""Characters of what a template makes, at most."""
TEXT = 60_000
"""Characters of one text that the filters render."""
PROCESS_MB = 1024
"""Of address space, most of which is code and reserved."""
LONGEST_S = 60
"""A template that nobody waits for any more ends by itself."""


def answer_request(request: Mapping[str, Any]) -> dict[str, object]:
    """Renders a template, or only reads it where the request has no values.

    Returns:
        What it makes (`made`), or what is wrong with it (`problem`), with file and line.
    """
    try:
        template = load_sandbox().from_string(request["text"])
        values = request["values"]
        return {"made": "" if values is None else join_bounded(template.generate(**values))}
    except MemoryError:
        return {"problem": f"{request['path']}: it takes more memory than it may"}
    except Exception as error:  # a template may raise anything, and the compiler more than its own
        return {"problem": describe_mistake(request["path"], error)}


class TooLongError(ValueError):
    """A template that makes more than a page can have."""


def join_bounded(parts: Any) -> str:
    """Joins the parts of what a template makes.

    Raises:
        TooLongError: it makes too much.
    """
    made: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > LARGEST:
            raise TooLongError(f"it makes more than {LARGEST:,} characters; shorten what it shows")
        made.append(part)
    return "".join(made)


@functools.cache
def load_sandbox() -> SandboxedEnvironment:
    """Loads the environment of teams' templates: escaping, and without files."""
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import SandboxedEnvironment

    class Sandbox(SandboxedEnvironment):
        """A sandbox in which no text can be multiplied."""

        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            """Computes with numbers that are not huge.

            Raises:
                SecurityError: another value is multiplied.
            """
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if not numbers or operator == "**":
                raise SecurityError(f"`{operator}` is for numbers only, and `**` for none")
            return super().call_binop(context, operator, left, right)

    sandbox: Any = Sandbox(
        autoescape=True, undefined=StrictUndefined, finalize=show_hidden, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    filters: dict[str, Callable[..., Markup]] = {"natural": show_natural, "difference": show_change}
    sandbox.filters.update(filters)  # Jinja's own types leave this dictionary open
    for name in ("center", "format", "indent"):
        del sandbox.filters[name]
    return sandbox


def show_natural(value: object) -> Markup:
    """Renders a value in the form that suits it, as the default form does."""
    return render_text(format_value(value), TEXT)


def show_change(after: object, before: object) -> Markup:
    """Renders how a value differs from another."""
    return compare_texts(format_value(before), format_value(after), TEXT)


def format_value(value: object) -> str:
    """Returns a text as it is, also one that a template marked as safe; JSON of anything else."""
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def describe_mistake(path: str, error: Exception) -> str:
    """Describes what is wrong with a template: file, line and the reason."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>"]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    place = f"{path}, line {line}" if line else path
    return f"{place}: {str(error)[:300] or type(error).__name__}"


if __name__ == "__main__":
    serve_requests(answer_request, PROCESS_MB, LONGEST_S)
