"""The review page's templates and its two files for browsers.

Values are prepared by the areas; the board's environment escapes every text.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

from evals.records import digest
from evals.reports.pages.environment import load_environment

FOLDER = Path(__file__).parent
TEMPLATES = FOLDER / "templates"
TYPES = {"review.css": "text/css; charset=utf-8", "review.js": "text/javascript; charset=utf-8"}


class Asset(NamedTuple):
    """A file that pages load, under an address that changes with its content."""

    path: str
    body: str
    media_type: str


class MenuEntry(NamedTuple):
    """A link in the menu of every page."""

    path: str
    title: str


MENU = (
    MenuEntry("/", "Queue"),
    MenuEntry("/agreement", "Agreement"),
    MenuEntry("/reading", "Error analysis"),
    MenuEntry("/cases", "Cases"),
    MenuEntry("/regrade", "Changed questions"),
)


@functools.cache
def load_assets() -> dict[str, Asset]:
    """Loads the style, which begins with the board's, and the script."""
    style = load_environment(TEMPLATES).get_template("review.css").render()
    bodies = {
        "review.css": style,
        "review.js": (FOLDER / "assets" / "review.js").read_text("utf-8"),
    }
    return {
        name: Asset(f"/assets/{digest(body, 12)}/{name}", body, TYPES[name])
        for name, body in bodies.items()
    }


def render_template(template: str, **values: object) -> str:
    """Renders a template with the addresses of the style and the script."""
    assets = load_assets()
    addresses = {"style": assets["review.css"].path, "script": assets["review.js"].path}
    return load_environment(TEMPLATES).get_template(template).render(**addresses, **values)
