"""A trace in the form a person reads best: its conversation, its answer, and what that rests on.

The page of a trace and the review page share it; the style is `templates/natural_form.css`.
Evaluators' verdicts are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from evals.records import GoldValue, Trace
from evals.reports.pages.environment import load_environment
from evals.reports.pages.forms.conversation import Conversation, build_conversation
from evals.reports.pages.forms.evidence import METHODS, Evidence, build_evidence
from evals.reports.pages.forms.text import render_text

LARGEST = 700_000
"""Bytes of the markup of a trace, at most: of one that needs more, texts are cut."""
TEXT = 120_000
"""Characters of one text before anything is cut."""
SHORTEST = 100
"""Characters of a text that are shown in any case."""


class Exchange(NamedTuple):
    """An answer with what led to it."""

    trace: Trace
    conversation: Conversation
    answer: Markup | None
    evidence: Evidence


class NaturalForm(NamedTuple):
    """A trace or a session as markup, in two parts between which a page may put its own."""

    conversation: Markup
    evidence: Markup


def render_natural_form(
    subject: Sequence[Trace],
    *,
    gold: Sequence[GoldValue] = (),
    previous: Trace | None = None,
    template: str | None = None,
    words: Sequence[str] = (),
    largest: int = LARGEST,
) -> Markup:
    """Renders a trace, or the traces of a session, in the form a person reads best.

    Args:
        subject: the traces, the oldest first; at least one.
        gold: the right answers, with which the answer is compared.
        previous: the answer to the same request under the prompt before.
        template: a team's own template.
        words: what evaluators wrote, whose quotations are marked in passages; none before a
            person has decided.
        largest: bytes of the markup, at most.
    """
    most = TEXT
    while True:
        form = Markup().join(build_natural_form(subject, words=words, most=most))
        if len(form.encode("utf-8", "replace")) <= largest or most < SHORTEST:
            return form
        most //= 4


def build_natural_form(
    subject: Sequence[Trace], *, words: Sequence[str] = (), most: int = TEXT, failed: bool = False
) -> NaturalForm:
    """Builds the natural form with texts of a length, as `render_natural_form`."""
    exchanges = [
        Exchange(
            trace,
            build_conversation(trace, earlier, most),
            render_text(trace.output, most) if trace.output else None,
            build_evidence(trace, words, most),
        )
        for trace, earlier in zip(subject, [None, *subject], strict=False)
    ]
    given = exchanges[-1].evidence
    return NaturalForm(
        render_part("conversation.html", exchanges=exchanges, failed=failed),
        render_part("evidence.html", given=given, names=METHODS),
    )


def render_part(name: str, **values: object) -> Markup:
    """Renders a template, which escapes every text."""
    return Markup(load_environment().get_template(name).render(**values))  # noqa: S704  escaped
