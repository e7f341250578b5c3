"""A team's own template of an answer: rendered by a process, its markup reduced to what is safe.

Neither a mistake in the template nor a trace's text runs a script, loads anything or styles a page,
and no template keeps a page from being shown. How it is rendered is in `template_worker`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import GoldValue, Json, Trace
from evals.reports.pages.forms.markdown import RELATION
from evals.specs.review_templates import ReviewTemplate
from evals.worker_process import Message, WorkerLimit, WorkerProcess

WORKER = WorkerProcess("evals.reports.pages.forms.template_worker")
LONGEST_S = 5.0
"""The longest that a template may take for one answer."""
TRIES = 2
"""How often a template may take too long before it is used no more, until it is changed."""
TOO_SLOW = "it took too long repeatedly; shorten its loops and what it shows"
SLOW: Counter[str] = Counter()
"""How often each template, by its text, took too long in this process."""
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
    answer = ask_worker(template, build_values(subject, gold, previous))
    if "problem" in answer:
        return TeamForm(None, str(answer["problem"]))
    return TeamForm(reduce_markup(str(answer["made"])), "")


def find_mistake(template: ReviewTemplate) -> str | None:
    """Finds what is wrong with a template before any answer is shown with it; None: nothing."""
    if template.problem:
        return f"{template.path}: {template.problem}"
    problem = ask_worker(template, None).get("problem")
    return None if problem is None else str(problem)


def ask_worker(template: ReviewTemplate, values: Mapping[str, object] | None) -> Message:
    """Has a template rendered, within its time; one that took too long repeatedly is not any more.

    Args:
        template: the team's.
        values: what it is given; None: it is only read.
    """
    if SLOW[template.text] >= TRIES:
        return {"problem": f"{template.path}: {TOO_SLOW}"}
    try:
        request = {"path": template.path, "text": template.text, "values": values}
        return WORKER.ask(request, LONGEST_S)
    except WorkerLimit as error:
        SLOW[template.text] += 1
        return {"problem": f"{template.path}: {error}; shorten its loops and what it shows"}


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
