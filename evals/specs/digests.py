"""Where the digest of each night is sent, as `catalog.yaml` and `apps/NAME.yaml` declare it.

Addresses are stored as they are written; `evals.digests` replaces their variables when it sends.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from evals.specs.spec import NAME, Spec

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A variable of the environment within an address."""


def check_address(address: str) -> str:
    """Checks that an address has a scheme or a variable, and that its variables are well formed."""
    rest = VARIABLE.sub("", address)
    if "$" in rest:
        raise ValueError("expected variables as ${NAME}")
    if "://" not in rest and rest == address:
        raise ValueError("expected an address such as slack://…, or ${NAME}")
    return address


class Heartbeat(Spec):
    """What is requested after each nightly run that succeeded."""

    url: str = Field(description="an address of http or https; `${NAME}` is a variable")
    method: Literal["GET", "POST"] = "GET"

    @field_validator("url")
    @classmethod
    def check_url(cls, url: str) -> str:
        """Checks the address."""
        if not url.startswith(("http://", "https://", "${")):
            raise ValueError("expected http(s)://… or ${NAME}")
        return check_address(url)


class Digest(Spec):
    """Who receives a message about each night of each application."""

    targets: dict[str, str] = Field(
        default={},
        description="by short name, an address as Apprise writes them (`slack://…`, `mailtos://…`, "
        "`workflows://…`, `json://…`), or `file:///PATH`; `${NAME}` is a variable of the "
        "environment, where its secrets belong",
    )
    link: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="where the folder `reports/` is served, for the links in messages",
    )
    heartbeat: Heartbeat | None = Field(
        default=None, description="requested after each nightly run that succeeded"
    )

    @field_validator("targets")
    @classmethod
    def check_targets(cls, targets: dict[str, str]) -> dict[str, str]:
        """Checks names and addresses."""
        for name, address in targets.items():
            if not re.fullmatch(NAME, name):
                raise ValueError(f"{name!r}: expected letters, digits, '.', '_' and '-'")
            check_address(address)
        return targets


class AppDigest(Spec):
    """The digest of one application."""

    targets: tuple[str, ...] | None = Field(
        default=None, description="names of the catalog's `digest.targets`; null: all of them"
    )
    texts: bool = Field(
        default=False,
        description="whether messages quote questions, answers and explanations; without it they "
        "have ids alone",
    )
