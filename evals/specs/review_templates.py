"""A team's own template for reading an application's answers, a file in the catalog.

What it is rendered with is `reports.pages.forms.team_template`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from evals.specs.apps import App

LARGEST = 200_000
"""Bytes of a template, at most."""


class ReviewTemplate(NamedTuple):
    """A team's template, or why there is none to use."""

    path: str
    """As the application names it."""
    text: str
    problem: str = ""
    """What is wrong with the file; empty where it could be read."""


def read_review_template(root: Path, app: App | None) -> ReviewTemplate | None:
    """Reads the template of an application; None where it names none.

    Args:
        root: the catalog's folder, which the template must be in.
        app: the application; None for one that the catalog does not have.
    """
    if app is None or app.template is None:
        return None
    folder, file = root.resolve(), (root / app.template).resolve()
    if not file.is_relative_to(folder):
        return ReviewTemplate(app.template, "", "it is outside the catalog's folder; move it there")
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        text = content.decode("utf-8")
    except OSError as error:
        return ReviewTemplate(app.template, "", f"it cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        return ReviewTemplate(app.template, "", "it is not UTF-8; store it as UTF-8")
    if len(content) > LARGEST:
        return ReviewTemplate(app.template, "", f"it has more than {LARGEST:,} bytes; shorten it")
    return ReviewTemplate(app.template, text)
