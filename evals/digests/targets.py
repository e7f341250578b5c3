"""Targets: an address of the catalog becomes a delivery through Apprise, or a line of a file.

Apprise is imported only here, and only to send or to check. Nothing that it says is shown, since
its messages may contain the address: a failure is described by a status or a few fixed words.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from evals.digests.messages import Text
from evals.digests.plain_text import fit_lines
from evals.specs.digests import VARIABLE

if TYPE_CHECKING:
    from apprise import NotifyBase

MOST_CHARS = 3500
"""Of a message, whatever more its target takes."""
TIMEOUT_S = 20.0
"""For one message to one target; each wait for a socket has four seconds."""
FILE = "file"
STATUS = re.compile(r"error=(\d{3})\b")
CAUSE = "Socket Exception:"
"""Begins what Apprise logs of an error of the network; the text after it may have the address."""
REPLY = re.compile(r"\((\d{3}), b['\"]")
"""A refusal of a mail server, as Python shows it."""
TRANSIENT = frozenset({"HTTP 408", "HTTP 425", "HTTP 429"})
UNREACHABLE, UNANSWERED, REFUSED = "no connection", "no answer in time", "refused by the service"


class UnusableTarget(ValueError):
    """A target cannot be used; the message names what is wrong and not what is in its address."""


class Sent(NamedTuple):
    """How a delivery ended."""

    reason: str = ""
    """Why it failed; empty: it did not."""

    @property
    def is_down(self) -> bool:
        """Whether other messages to this target would fail as well."""
        is_server_error = self.reason.startswith("HTTP 5")
        return is_server_error or self.reason in {UNREACHABLE, UNANSWERED} | TRANSIENT


Send = Callable[[Text, datetime], Sent]
"""Sends a message once."""


def expand_address(address: str, environment: Mapping[str, str] = os.environ) -> str:
    """Replaces the variables of an address.

    Raises:
        UnusableTarget: one of them is not set.
    """
    unset = [name for name in VARIABLE.findall(address) if not environment.get(name, "").strip()]
    if unset:
        raise UnusableTarget(f"{' and '.join(unset)} not set in the environment")
    return VARIABLE.sub(lambda match: environment[match[1]].strip(), address)


def open_target(address: str, environment: Mapping[str, str] = os.environ) -> Send:
    """Opens a target without a connection; returns what sends a message to it once.

    Raises:
        UnusableTarget: its address cannot be used.
    """
    expanded = expand_address(address, environment)
    if get_scheme(expanded) == FILE:
        return functools.partial(append_line, find_file(expanded))
    service = open_service(expanded)
    refuse_written_secret(address, service)
    return functools.partial(notify, service)


def get_scheme(address: str) -> str:
    """Returns the scheme of an address; empty if it has none."""
    return address.partition("://")[0].lower() if "://" in address else ""


def find_file(address: str) -> Path:
    """Returns the path of a file's address.

    Raises:
        UnusableTarget: it is no absolute path in a folder that exists.
    """
    parts = urlsplit(address)
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute() or not path.name or "\0" in parts.path:
        raise UnusableTarget("expected file:///PATH with three slashes and an absolute path")
    if not path.parent.is_dir():
        raise UnusableTarget("the folder of its file does not exist")
    if path.is_dir():
        raise UnusableTarget("its path is a folder; name a file in it")
    return path


def append_line(path: Path, text: Text, now: datetime) -> Sent:
    """Appends a message to a file of JSON lines."""
    line = {
        "time": now.isoformat(timespec="seconds"),
        "title": text.title,
        "message": fit_lines(text.lines, MOST_CHARS),
        "type": text.tone,
    }
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        return Sent(f"the file could not be written: {error.strerror}")
    return Sent()


def silence_libraries() -> None:
    """Keeps log lines with addresses from everybody: of Apprise all, of HTTP those below errors.

    Apprise's own are read by `notify`, down to why a connection failed.
    """
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.ERROR)


def open_service(expanded: str) -> NotifyBase:
    """Opens the service that an address names, without a connection.

    Raises:
        UnusableTarget: Apprise knows no such address.
    """
    silence_libraries()
    import apprise

    asset = apprise.AppriseAsset(
        app_id="Andon",
        app_desc="Andon",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,  # an address with a token goes to no other host
        plugin_paths=[],
        storage_path=None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins import
        service = apprise.Apprise.instantiate(expanded, asset=asset)  # pyright: ignore[reportUnknownMemberType]  # Apprise's types are open
    if service is None:
        version = importlib.metadata.version("apprise")
        raise UnusableTarget(f"no address that Apprise {version} can use; see docs/digest.md")
    return service


def refuse_written_secret(address: str, service: NotifyBase) -> None:
    """Refuses an address with a secret in the catalog's file.

    Raises:
        UnusableTarget: it has no variable, and Apprise hides a part of it.
    """
    shown, whole = service.url(privacy=True), service.url(privacy=False)  # pyright: ignore[reportUnknownMemberType]  # Apprise's types are open
    if not VARIABLE.search(address) and shown != whole:
        raise UnusableTarget("its secret is in the catalog; write ${NAME} and set that variable")


def notify(service: NotifyBase, text: Text, now: datetime) -> Sent:
    """Sends a message through Apprise, cut to what its service takes."""
    import apprise

    del now
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)  # pyright: ignore[reportUnknownMemberType]  # Apprise's types are open
    title = text.title if service.title_maxlen else ""
    spare = 0 if service.title_maxlen else len(text.title) + 2
    body = fit_lines(text.lines, max(min(MOST_CHARS, service.body_maxlen) - spare - 8, 40))
    result = sender.notify(  # pyright: ignore[reportUnknownMemberType]  # Apprise's types are open
        title=title or text.title,
        body=body,
        notify_type=text.tone,
        body_format=apprise.NotifyFormat.TEXT,
        timeout=TIMEOUT_S,
        log_level=logging.DEBUG,
    )
    if result:
        return Sent()
    entries = list(result.logs())
    failed = [one.message for one in entries if one.level != "DEBUG"]
    causes = [one.message for one in entries if one.message.startswith(CAUSE)]
    return Sent(describe_failure(result.timeout_count, failed, causes))


def describe_failure(timeouts: int, failed: Sequence[str], causes: Sequence[str]) -> str:
    """Describes a failure by a status or in fixed words.

    Args:
        timeouts: how many services gave no answer.
        failed: how Apprise describes the failure.
        causes: the errors of the network behind it.
    """
    if found := first_match(STATUS, failed):
        return f"HTTP {found}"
    if found := first_match(REPLY, causes):
        return f"SMTP {found}"
    if timeouts or any("timed out" in line for line in causes):
        return UNANSWERED
    return UNREACHABLE if any("onnection error" in line for line in failed) else REFUSED


def first_match(pattern: re.Pattern[str], lines: Iterable[str]) -> str | None:
    """Returns the first group of the first match in some lines."""
    return next((found[1] for line in lines if (found := pattern.search(line))), None)
