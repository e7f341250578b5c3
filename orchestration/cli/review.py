"""`andon review`: people read answers and judge them, in a browser.

What the page shows is in `evals.review_app`; `orchestration/web` serves and protects it.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from orchestration.cli.lookups import open_existing
from orchestration.cli.options import USAGE, fail, settings_options
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.web.review import ReviewAddress


@click.command()
@settings_options
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3002, show_default=True, help="The port."
)
@click.option(
    "--annotator", default="", help="Who judges; without it each visitor is asked for a name."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address of this machine to listen on.",
)
@click.option(
    "--proxy",
    metavar="URL",
    help="The address under which a proxy in front of it is opened, as https://review.example.com.",
)
def review(settings: Settings, port: int, annotator: str, host: str, proxy: str | None) -> None:
    """Serves the page on which people judge the answers of the review queue.

    Prints two links with a token each: one for people who judge, one for those who only read.
    ANDON_REVIEW_TOKEN and ANDON_REVIEW_READ_TOKEN set tokens that stay the same.

    \b
    Examples:
      andon review
      andon review --annotator ann --port 8080
      andon review --proxy https://review.example.com
    """
    from orchestration.web import serve
    from orchestration.web.review import TokenError, serve_review

    address = choose_address(host, port, proxy)
    open_existing(settings)
    try:
        served = serve_review(settings, address, annotator)
        lines = (f"judge  {served.link}", f"read   {served.read_link}")
        sys.exit(serve.serve_alone(served.app, host, port, lines, proxy=bool(proxy)))
    except (serve.PortTakenError, TokenError) as error:
        fail(USAGE, str(error))


def choose_address(host: str, port: int, proxy: str | None) -> ReviewAddress:
    """Returns the address under which the page is opened; fails where it cannot be one."""
    from orchestration.web.review import ReviewAddress

    try:
        listening = ip_address(host)
    except ValueError:
        fail(USAGE, f"--host {host}: expected an IP address of this machine, as 127.0.0.1")
    if proxy is None:
        if listening.is_unspecified:
            fail(USAGE, f"--host {host} needs --proxy with the address that people open")
        shown = f"[{host}]" if listening.version == 6 else host
        return ReviewAddress(f"http://{shown}:{port}", port, (shown,))
    parts = urlsplit(proxy)
    has_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or has_more:
        fail(USAGE, f"--proxy {proxy}: expected an address such as https://review.example.com")
    return ReviewAddress(f"{parts.scheme}://{parts.netloc}", port, (parts.hostname,))


COMMANDS = (review,)
