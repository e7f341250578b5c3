"""A text of a trace as markup: in the form that suits it, cut to a length, hidden characters shown.

All of it is untrusted; no text becomes a script, a style or an address to load from.
"""

from __future__ import annotations

from markupsafe import Markup

from evals.reports.pages.texts import CutText, cut_text
from evals.reports.phrases import indent_json

LEFT_OUT = Markup(
    '<p class="note">{:,} more characters are in the table <code>traces</code> of the data folder.'
    "</p>"
)
PLAIN = Markup('<pre dir="auto" tabindex="0">\n{}</pre>')
CODE = Markup('<pre dir="auto" tabindex="0" class="code">\n{}</pre>')


def render_text(text: str, most: int) -> Markup:
    """Renders a text in the form that suits it.

    Args:
        text: an untrusted text, whole.
        most: characters of it that are shown, at most.
    """
    cut = cut_text(indent_json(text), most)
    form = CODE if cut.text[:1] in ("{", "[") else PLAIN
    return form.format(cut.text) + describe_rest(cut)


def describe_rest(cut: CutText) -> Markup:
    """Describes what is left out of a text; nothing where all of it is shown."""
    return LEFT_OUT.format(cut.left_out) if cut.left_out else Markup()
