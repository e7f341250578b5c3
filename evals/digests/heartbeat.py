"""The heartbeat: an address requested after each nightly run that succeeded.

Whoever watches it is alarmed when it stays away, which no message of this machine could do.
"""

from __future__ import annotations

from time import sleep

from evals.digests.targets import UnusableTarget, expand_address, silence_libraries
from evals.specs import Catalog

ATTEMPTS = 3
WAIT_S = 1.0
TIMEOUT_S = (5.0, 10.0)


def send_heartbeat(catalog: Catalog) -> str | None:
    """Requests the catalog's heartbeat, if it has one; returns why that failed.

    The address is in no message: it is what lets anybody send a heartbeat.
    """
    heartbeat = catalog.digest.heartbeat
    if heartbeat is None:
        return None
    try:
        url = expand_address(heartbeat.url)
    except UnusableTarget as error:
        return f"heartbeat: {error}"
    reason = ""
    for attempt in range(ATTEMPTS):
        sleep(WAIT_S if attempt else 0)
        reason = request(heartbeat.method, url)
        if not reason:
            return None
    return f"heartbeat: {reason}"


def request(method: str, url: str) -> str:
    """Makes one request; returns why it failed, or an empty text."""
    import requests

    silence_libraries()
    try:
        answer = requests.request(
            method, url, timeout=TIMEOUT_S, allow_redirects=False, stream=True
        )
    except requests.Timeout:
        return "no answer in time"
    except (requests.RequestException, ValueError):
        return "no connection"
    answer.close()
    return "" if answer.ok else f"HTTP {answer.status_code}"
