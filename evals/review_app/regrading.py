"""Labels of an earlier wording of a question, offered to be judged again.

What a changed rubric means is in `evals.labels`.
"""

from __future__ import annotations

from starlette.routing import Route

from evals.review_app.rendering import MenuEntry

MENU: tuple[MenuEntry, ...] = ()

ROUTES: tuple[Route, ...] = ()
