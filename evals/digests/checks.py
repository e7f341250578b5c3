"""What `andon doctor` checks of the digest: addresses, and messages that may not have arrived.

Sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from evals.digests.targets import UnusableTarget, expand_address, open_target
from evals.specs import Catalog
from evals.storage.documents.digests import list_digest_apps, read_digests
from evals.storage.errors import DamagedFileError
from evals.storage.lake import Lake

RECENT = timedelta(days=14)


def check_targets(catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    """Yields a state, a name and a sentence for each target and the heartbeat."""
    for name, address in catalog.digest.targets.items():
        try:
            open_target(address)
        except UnusableTarget as error:
            yield "fail", f"digest target {name}", str(error)
        else:
            yield "ok", f"digest target {name}", "its address is valid; `andon digest test` sends"
    if heartbeat := catalog.digest.heartbeat:
        try:
            expand_address(heartbeat.url)
        except UnusableTarget as error:
            yield "fail", "heartbeat", str(error)


def list_lost(lake: Lake, now: datetime) -> Iterator[tuple[str, str]]:
    """Yields the target and a sentence for each recent message that may not have arrived."""
    since = (now - RECENT).isoformat()
    for app in list_digest_apps(lake):
        try:
            record = read_digests(lake, app)
        except DamagedFileError as error:
            yield app, str(error)
            continue
        arrived = {
            (message.kind, message.night, one.target)
            for message in record.messages
            for one in message.deliveries
            if one.state == "sent"
        }
        for message in record.messages:
            for one in message.deliveries if message.made >= since else ():
                has_arrived = (message.kind, message.night, one.target) in arrived
                if one.state in ("interrupted", "given up") and not has_arrived:
                    reason = one.reason or "the process ended while it was sending"
                    yield one.target, describe_lost(app, message.night.isoformat(), reason)


def describe_lost(app: str, night: str, reason: str) -> str:
    """Describes a message that may not have arrived, with the command that sends it."""
    return (
        f"the message about {app}, {night} may not have arrived: {reason}; "
        f"`andon digest send --again --app {app} --date {night}` sends it"
    )
