"""Reading with open notes, and the failure modes that come of them.

Judging on a criterion is in `questions`.
"""

from __future__ import annotations

from starlette.routing import Route

from evals.review_app.rendering import MenuEntry

MENU: tuple[MenuEntry, ...] = ()

ROUTES: tuple[Route, ...] = ()
