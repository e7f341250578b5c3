"""Problems of a catalog, and the applications they stop.

They are found in `load` and in `evals.validation.catalog_checks`.
"""

from __future__ import annotations

from evals.specs.spec import CatalogError, Name, Spec


class Problem(Spec):
    """One problem of a catalog."""

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
        """The error that use of the application raises."""
        return CatalogError(*self.messages)
