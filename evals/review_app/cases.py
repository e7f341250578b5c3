"""Production failures that become cases of the regression set.

The set itself is the catalogx27s.
"""

from __future__ import annotations

from starlette.routing import Route

from evals.review_app.rendering import MenuEntry

MENU: tuple[MenuEntry, ...] = ()

ROUTES: tuple[Route, ...] = ()
