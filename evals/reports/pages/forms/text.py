"""A text of a trace as markup: in the form that suits it, cut to a length, hidden characters shown.

All of it is untrusted; no text becomes a script, a style or an address to load from.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from markupsafe import Markup

from evals.reports.pages.forms.highlighting import highlight
from evals.reports.pages.forms.json_tree import NotJsonError, parse_json, render_tree
from evals.reports.pages.forms.markdown import is_markdown, render_markdown
from evals.reports.pages.forms.tables import read_table, render_table
from evals.reports.pages.texts import CutText, cut_text

FOLD, EXCERPT = 4_000, 1_500
"""Characters of a text that is not folded, and of the beginning of one that is."""
LINES = 60
"""Lines of a text that is not folded."""
NESTED = 3
"""Texts inside texts that are shown in a form of their own."""

LEFT_OUT = Markup(
    '<p class="note">{:,} more characters are in the table <code>traces</code> of the data folder.'
    "</p>"
)
PLAIN = Markup('<pre dir="auto" tabindex="0">\n{}</pre>')
CODE = Markup('<pre dir="auto" tabindex="0" class="code">\n{}</pre>')
FOLDED = Markup(
    '<div class="folded"><div class="excerpt">{}</div>'
    "<details><summary>All {:,} characters</summary>{}</details></div>"
)
WRITTEN = Markup("<details><summary>As it was written</summary>{}</details>")

SQL = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:with\s+(?:recursive\s+)?[\w\"]+\s+as\s*\(|select\b[\s\S]+?\bfrom\b"
    r"|select\s+[\w(*'\"]+|insert\s+into\b|update\s+[\w.\"]+\s+set\b|delete\s+from\b"
    r"|(?:create|drop|alter)\s+(?:or\s+replace\s+)?(?:table|view|index)\b|explain\s+select\b)",
    re.IGNORECASE,
)
PROSE = re.compile(r"[.!?]\s+[A-Z]")
MARKUP = re.compile(
    r"\s*(?:<\?xml|<!doctype|<[a-z][\w:-]*(?:\s[^<>]*)?>)[\s\S]*>\s*", re.IGNORECASE
)
DIFF = re.compile(r"\s*(?:diff --git |--- \S+.*\n\+\+\+ |@@ -\d)")


class Shown(NamedTuple):
    """A text in the form that suits it."""

    markup: Markup
    form: str
    """`json`, `table`, `sql`, `xml`, `diff`, `markdown`, `plain`, or `cut`: JSON that is cut."""


def render_text(text: str, most: int, *, fold: int = FOLD, written: bool = False) -> Markup:
    """Renders a text in the form that suits it.

    Args:
        text: an untrusted text, whole.
        most: characters of it that are shown, at most.
        fold: characters from which a text is folded.
        written: whether to show, folded, how the text was written where its form differs.
    """
    cut = cut_text(text, most)
    shown = render_form(text, most, cut=cut.text)
    is_long = len(cut.text) > fold or cut.text.count("\n") > LINES
    markup = shown.markup
    if is_long and shown.form not in ("json", "table"):
        excerpt = render_form(find_excerpt(cut.text, min(EXCERPT, fold)), most).markup
        markup = FOLDED.format(excerpt, len(text), markup)
    if written and shown.form in ("json", "table", "markdown"):
        markup += WRITTEN.format(CODE.format(cut.text))
    return markup + describe_rest(cut)


def render_form(text: str, most: int, depth: int = 0, cut: str | None = None) -> Shown:
    """Renders a text in the form that suits it, without folding it or saying what is left out."""
    beginning = cut_text(text, most).text if cut is None else cut
    if len(text) > most:
        is_json = beginning.lstrip()[:1] in ("{", "[")
        return Shown(CODE.format(beginning), "cut") if is_json else render_words(beginning)
    try:
        parsed = parse_json(text)
    except NotJsonError:
        return render_words(beginning)
    if depth >= NESTED:
        return Shown(CODE.format(beginning), "json")
    return Shown(render_tree(parsed, partial(render_nested, most=most, depth=depth + 1)), "json")


def render_nested(text: str, most: int, depth: int) -> Markup:
    """Renders a text that is a value of JSON."""
    shown = render_form(text, most, depth)
    if len(text) <= FOLD or shown.form in ("json", "table"):
        return shown.markup
    excerpt = render_form(find_excerpt(text, EXCERPT), most, depth).markup
    return FOLDED.format(excerpt, len(text), shown.markup)


def render_words(shown: str) -> Shown:
    """Renders a text that is no JSON, cut and with hidden characters shown."""
    if language := find_language(shown):
        return Shown(CODE.format(highlight(shown, language)), language)
    if table := read_table(shown):
        return Shown(render_table(table), "table")
    if is_markdown(shown) and (markup := render_markdown(shown)):
        return Shown(markup, "markdown")
    return Shown(PLAIN.format(shown), "plain")


def find_language(text: str) -> str:
    """Finds the language of a text that is code; empty where it is none."""
    if SQL.match(text[:4000]) and not PROSE.search(text[:4000]):
        return "sql"
    if DIFF.match(text):
        return "diff"
    is_markup = text.lstrip()[:1] == "<" and text.rstrip()[-1:] == ">" and len(text) < 100_000
    return "xml" if is_markup and MARKUP.fullmatch(text) else ""


def find_excerpt(text: str, most: int) -> str:
    """Returns the beginning of a text, to the end of a line where one is near."""
    lines = text[:most].split("\n")[: LINES // 2]
    return "\n".join(lines if len(lines) < 2 or len(text) <= most else lines[:-1] or lines)


def describe_rest(cut: CutText) -> Markup:
    """Describes what is left out of a text; nothing where all of it is shown."""
    return LEFT_OUT.format(cut.left_out) if cut.left_out else Markup()
