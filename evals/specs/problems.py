"""What is wrong in a catalog, and which applications it stops.

Finding it is `load`'s and `evals.validation.catalog_checks`'.
"""

from __future__ import annotations

from evals.specs.spec import CatalogError, Name, Spec


class Problem(Spec):
    """One thing that is wrong in a catalog."""

    message: str
    """Names file, line and key."""
    apps: tuple[str, ...] | None = ()
    """The applications it stops; None: all of them."""


class BrokenApplication(Spec):
    """An application that the catalog declares in a way Andon cannot use."""

    app: Name
    messages: tuple[str, ...]
    """What is wrong, each naming file, line and key."""
    redact: tuple[str, ...] | None = None
    """The kinds of personal data its own file redacts; None: they cannot be read."""

    @property
    def error(self) -> CatalogError:
        """Raised where somebody needs it whole."""
        return CatalogError(*self.messages)
