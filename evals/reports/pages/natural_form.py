"""A trace in the form a person reads best: its conversation, its answer, and what that rests on.

The page of a trace and the review page share it; the style is `templates/natural_form.css`.
Evaluators' verdicts are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from markupsafe import Markup

from evals.records import GoldValue, Trace
from evals.reports.pages.environment import load_environment
from evals.reports.pages.forms.conversation import Conversation, build_conversation
from evals.reports.pages.forms.differences import Field, compare_texts, list_fields
from evals.reports.pages.forms.evidence import METHODS, build_evidence, build_steps
from evals.reports.pages.forms.team_template import render_team_form
from evals.reports.pages.forms.text import render_text
from evals.reports.phrases import indent_json
from evals.specs.review_templates import ReviewTemplate

LARGEST = 700_000
"""Bytes of the markup of a trace, at most: of one that needs more, texts are cut."""
TEXT = 120_000
"""Characters of one text before anything is cut."""
SHORTEST = 100
"""Characters of a text that are shown in any case."""


LEAST_COMPARED = 20
"""Characters of a right answer, and of the answer, that are compared word by word."""
GENERAL = frozenset({"", "gold", "answer", "output"})
"""Names of right answers that say no more than that they are."""
BROKEN = Markup(
    '<div class="call bad"><p>The template of this application is broken: <bdi>{}</bdi>.</p>'
    "<p>Its answers are shown in the default form until it is mended.</p></div>"
)
TEAM = Markup(
    '<div class="team">{}</div><details class="default"><summary>In the default form</summary>{}'
    "</details>"
)
SHOWN_EXCHANGES = 50
"""Answers of a session that are shown: the last ones."""


class Exchange(NamedTuple):
    """An answer with what led to it."""

    trace: Trace
    conversation: Conversation
    answer: Markup | None
    did: Markup | None
    """What the application did, of an answer whose evidence is not shown on its own."""
    steps: int


class RightAnswer(NamedTuple):
    """A right answer beside the one that was given."""

    name: str
    fields: Sequence[Field]
    """Empty where they are not compared field by field."""
    markup: Markup | None
    is_compared: bool = False
    """Whether the markup is how both differ, and not the right answer alone."""


class PreviousAnswer(NamedTuple):
    """The answer to the same request under the prompt before."""

    version: str
    day: date
    is_same: bool
    trace_id: str
    markup: Markup


class NaturalForm(NamedTuple):
    """A trace or a session as markup, in two parts between which a page may put its own."""

    conversation: Markup
    evidence: Markup


class Compared(NamedTuple):
    """What an answer is shown beside, and how."""

    gold: Sequence[GoldValue] = ()
    """The right answers."""
    previous: Trace | None = None
    """The answer to the same request under the prompt before."""
    template: ReviewTemplate | None = None
    """A team's own template."""
    words: Sequence[str] = ()
    """What evaluators wrote, whose quotations are marked in passages."""


ALONE = Compared()
"""An answer that is shown beside nothing."""


def render_natural_form(
    subject: Sequence[Trace],
    *,
    gold: Sequence[GoldValue] = (),
    previous: Trace | None = None,
    template: ReviewTemplate | None = None,
    words: Sequence[str] = (),
    largest: int = LARGEST,
) -> Markup:
    """Renders a trace, or the traces of a session, in the form a person reads best.

    Args:
        subject: the traces, the oldest first; at least one.
        gold: the right answers, with which the answer is compared.
        previous: the answer to the same request under the prompt before, as `find_previous` finds.
        template: a team's own template, as `read_review_template` reads.
        words: what evaluators wrote, whose quotations are marked in passages; none before a
            person has decided.
        largest: bytes of the markup, at most.
    """
    compared = Compared(gold, previous, template, words)
    most = TEXT
    while True:
        form = Markup().join(build_natural_form(subject, compared, most=most))
        if len(form.encode("utf-8", "replace")) <= largest or most < SHORTEST:
            return form
        most //= 4


def build_natural_form(
    subject: Sequence[Trace],
    compared: Compared,
    *,
    most: int = TEXT,
    failed: bool = False,
) -> NaturalForm:
    """Builds the natural form with texts of a length, as `render_natural_form`."""
    default = build_default_form(subject, compared, most, failed)
    if compared.template is None:
        return default
    made = render_team_form(compared.template, subject, compared.gold, compared.previous)
    if made.markup is None:
        return NaturalForm(BROKEN.format(made.problem) + default.conversation, default.evidence)
    return NaturalForm(TEAM.format(made.markup, Markup().join(default)), Markup())


def build_default_form(
    subject: Sequence[Trace], compared: Compared, most: int, failed: bool
) -> NaturalForm:
    """Builds the natural form without a team's template."""
    shown = subject[-SHOWN_EXCHANGES:]
    before = [subject[-len(shown) - 1] if len(subject) > len(shown) else None, *shown]
    exchanges = [
        build_exchange(trace, earlier, trace is not shown[-1], most)
        for trace, earlier in zip(shown, before, strict=False)
    ]
    given = build_evidence(shown[-1], compared.words, most)
    conversation = render_part(
        "conversation.html",
        exchanges=exchanges,
        left_out=len(subject) - len(shown),
        failed=failed,
        gold=[compare_gold(value, shown[-1].output, most) for value in compared.gold],
        previous=compare_previous(compared.previous, shown[-1], most),
    )
    return NaturalForm(conversation, render_part("evidence.html", given=given, names=METHODS))


def build_exchange(trace: Trace, earlier: Trace | None, is_earlier: bool, most: int) -> Exchange:
    """Builds an answer with what led to it; of an earlier answer also the steps."""
    steps = build_steps(trace, most) if is_earlier else []
    return Exchange(
        trace,
        build_conversation(trace, earlier, most),
        render_text(trace.output, most, written=True) if trace.output else None,
        render_part("steps.html", steps=steps) if steps else None,
        len(steps),
    )


def compare_gold(gold: GoldValue, answer: str, most: int) -> RightAnswer:
    """Compares an answer with the right one: field by field, word by word, or one by the other."""
    name = "" if gold.dimension in GENERAL else gold.dimension
    value = gold.value
    if fields := list_fields(answer, value) or list_fields(answer, {gold.dimension: value}, True):
        return RightAnswer(name, fields, None)
    if isinstance(value, str) and min(len(value), len(answer)) >= LEAST_COMPARED:
        return RightAnswer(name, (), compare_texts(value, answer, most), True)
    return RightAnswer(name, (), render_text(indent_json(value), most))


def compare_previous(previous: Trace | None, trace: Trace, most: int) -> PreviousAnswer | None:
    """Compares an answer with that of the prompt before."""
    if previous is None:
        return None
    return PreviousAnswer(
        version=previous.prompt_version or previous.prompt_hash or "before",
        day=previous.ts.date(),
        is_same=previous.output == trace.output,
        trace_id=previous.trace_id,
        markup=compare_texts(previous.output, trace.output, most),
    )


def render_part(name: str, **values: object) -> Markup:
    """Renders a template, which escapes every text."""
    return Markup(load_environment().get_template(name).render(**values))  # noqa: S704  escaped
