"""A team's own template of an answer: rendered in a sandbox, its markup reduced to what is safe.

Neither a mistake in the template nor a trace's text runs a script, loads anything or styles a page.
"""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from evals.records import GoldValue, Json, Trace
from evals.reports.pages.forms.differences import compare_texts
from evals.reports.pages.forms.markdown import RELATION
from evals.reports.pages.forms.text import render_text
from evals.reports.phrases import show_hidden
from evals.specs.review_templates import ReviewTemplate

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

LARGEST = 400_000
"""Characters of what a template makes, at most."""
TEXT = 60_000
"""Characters of one text that the filters render."""
TAGS = frozenset(
    {
        "a", "abbr", "article", "b", "bdi", "blockquote", "br", "caption", "code", "dd", "del",
        "details", "div", "dl", "dt", "em", "figcaption", "figure", "h2", "h3", "h4", "hr", "i",
        "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "section", "small", "span",
        "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
        "ul", "u",
    }
)  # fmt: skip
"""Elements that a template may use; of any other only the text stays."""
ATTRIBUTES: Mapping[str, set[str]] = {
    "*": {"class", "dir", "lang", "title"},
    "a": {"href"},
    "details": {"open"},
    "div": {"tabindex"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "td": {"colspan", "data-label", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
CLASSES = frozenset(
    {
        "alarm", "asked", "cells", "code", "difference", "excerpt", "figure", "final", "folded",
        "h1", "h2", "h3", "h4", "h5", "h6", "heading", "hl-c", "hl-d", "hl-f", "hl-i", "hl-k",
        "hl-n", "hl-s", "json", "lead", "mono", "note", "other", "overlap", "pair", "prose",
        "quoted", "tight", "turn",
    }
)  # fmt: skip
"""Classes that a template may use, each of the style that all pages share."""


class TeamForm(NamedTuple):
    """What a team's template makes of an answer."""

    markup: Markup | None
    """None where the template is broken."""
    problem: str
    """What is wrong with it, with file and line; empty where nothing is."""


def render_team_form(
    template: ReviewTemplate,
    subject: Sequence[Trace],
    gold: Sequence[GoldValue] = (),
    previous: Trace | None = None,
) -> TeamForm:
    """Renders a team's template of some traces.

    Args:
        template: the team's.
        subject: the traces, the oldest first; a session has several.
        gold: the right answers.
        previous: the answer to the same request under the prompt before.
    """
    if template.problem:
        return TeamForm(None, f"{template.path}: {template.problem}")
    values = build_values(subject, gold, previous)
    try:
        made = join_bounded(load_sandbox().from_string(template.text).generate(**values))
    except Exception as error:  # a template may raise anything
        return TeamForm(None, describe_mistake(template.path, error))
    return TeamForm(reduce_markup(made), "")


def find_mistake(template: ReviewTemplate) -> str | None:
    """Finds what is wrong with a template before any answer is shown with it; None: nothing."""
    if template.problem:
        return f"{template.path}: {template.problem}"
    try:
        load_sandbox().from_string(template.text)
    except Exception as error:  # the compiler raises more than its own errors
        return describe_mistake(template.path, error)
    return None


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


def build_values(
    subject: Sequence[Trace], gold: Sequence[GoldValue], previous: Trace | None
) -> dict[str, object]:
    """Builds what a template is given: plain values, those of the last trace and of every turn."""
    return {
        **describe_trace(subject[-1]),
        "turns": [describe_trace(trace) for trace in subject],
        "gold": {value.dimension: value.value for value in gold},
        "previous": describe_trace(previous) if previous else None,
    }


def describe_trace(trace: Trace) -> dict[str, object]:
    """Returns the values of a trace that a template is given."""
    return {
        "input": trace.input,
        "output": trace.output,
        "data": parse_output(trace.output),
        "context": trace.context or "",
        "messages": list(trace.messages),
        "steps": list(trace.steps),
        "metadata": dict(trace.metadata),
        "tags": list(trace.tags),
        "model": trace.model or "",
        "prompt_version": trace.prompt_version or "",
        "status": trace.status,
    }


def parse_output(output: str) -> Json:
    """Returns the JSON of an answer; None where it is none."""
    try:
        return json.loads(output)
    except (ValueError, RecursionError):
        return None


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


def reduce_markup(html: str) -> Markup:
    """Reduces markup to elements, attributes and classes that a template may use."""
    import nh3

    safe = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        attribute_filter=filter_attribute,
        url_schemes={"http", "https"},
        link_rel=RELATION,
        clean_content_tags={"script", "style", "template", "noscript"},
    )
    return Markup(safe)  # noqa: S704  reduced to safe markup


def filter_attribute(tag: str, name: str, value: str) -> str | None:
    """Returns what an attribute may have; None removes it."""
    del tag
    if name == "class":
        return " ".join(word for word in value.split() if word in CLASSES) or None
    if name == "tabindex":
        return "0"
    return value
