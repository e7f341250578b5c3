"""Serves the review page: its secrets, the names it is served under, and what protects it.

What it shows is `evals.review_app`'s; `serve` opens the ports.
"""

import functools
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from evals.review_app.app import build_app
from evals.review_app.sessions import SHORTEST_TOKEN, Access
from evals.review_app.site import ReviewSite
from evals.specs import Catalog, load_catalog
from evals.storage.store import FileState, read_file_states
from orchestration.settings import Settings
from orchestration.web.protection import HOSTS, POLICY, protect

HEADERS = {
    POLICY: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",
}
"""Scripts and styles come from this server's own files, and nothing from a text can load or run."""
TOKEN, READ_TOKEN = "ANDON_REVIEW_TOKEN", "ANDON_REVIEW_READ_TOKEN"
FORM = "application/x-www-form-urlencoded"


class TokenError(Exception):
    """Raised where a token that a team chose is too short, or both are the same."""


class ReviewAddress(NamedTuple):
    """Where the review page is served."""

    url: str
    """As people open it, without a slash at its end."""
    port: int
    hosts: tuple[str, ...] = ()
    """Names beside this machine's own."""


class ServedReview(NamedTuple):
    """The review page, ready to be served, and its links."""

    app: ASGIApp
    link: str
    """For annotators."""
    read_link: str
    """For readers."""


def serve_review(settings: Settings, address: ReviewAddress, annotator: str = "") -> ServedReview:
    """Builds the protected review page of a home.

    Raises:
        TokenError: a token in the environment cannot be used.
    """
    access = make_access(address, annotator, os.environ)
    site = ReviewSite(
        settings.open_lake(),
        CatalogReader(settings),
        access,
        functools.partial(datetime.now, UTC),
        functools.partial(secrets.token_urlsafe, 16),
    )
    hosts = [*HOSTS, *address.hosts]
    app = protect(build_app(site), hosts, content_type=FORM, headers=HEADERS)
    links = (f"{address.url}/login?token={token}" for token in (access.token, access.read_token))
    return ServedReview(app, *links)


class CatalogReader:
    """Reads the catalog again where one of its files changed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stamp = self.read_stamp()

    def __call__(self) -> Catalog:
        """Returns the catalog of the present files."""
        stamp = self.read_stamp()
        if stamp != self.stamp:
            load_catalog.cache_clear()
            self.stamp = stamp
        return self.settings.load_catalog()

    def read_stamp(self) -> tuple[FileState, ...]:
        """Returns the versions of the catalog's files."""
        return read_file_states(sorted(self.settings.catalog_root.rglob("*.yaml")))


def make_access(address: ReviewAddress, annotator: str, environment: Mapping[str, str]) -> Access:
    """Makes the secrets of a server: random ones, and the tokens that a team chose.

    Raises:
        TokenError: a chosen token is too short, or both are the same.
    """
    chosen = {name: environment.get(name, "") for name in (TOKEN, READ_TOKEN)}
    for name, token in chosen.items():
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isalnum()):
            raise TokenError(
                f"{name} is no token; expected at least {SHORTEST_TOKEN} letters and digits, as "
                "`openssl rand -hex 20` prints them"
            )
    token, read_token = (value or secrets.token_urlsafe(32) for value in chosen.values())
    if token == read_token:
        raise TokenError(f"{TOKEN} and {READ_TOKEN} are the same; choose two")
    return Access(
        secret=secrets.token_bytes(32),
        token=token,
        read_token=read_token,
        annotator=annotator,
        cookie=f"andon_review_{address.port}",
        is_https=urlsplit(address.url).scheme == "https",
    )
