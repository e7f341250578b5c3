"""Promises of the heartbeat: requested as declared, its address in no message."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.digests import heartbeat
from tests.evals.digests.home import make_catalog
from tests.evals.digests.receivers import serve_http


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_it_is_requested_as_declared(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its method, with its variables, and again after a 500."""
    monkeypatch.setattr(heartbeat, "WAIT_S", 0)
    monkeypatch.setenv("CHECK_ID", "f00")
    with serve_http() as web:
        web.statuses["/f00"] = [500]
        declared = {"url": f"http://{web.url}/${{CHECK_ID}}", "method": method}
        catalog = make_catalog(tmp_path, {}, heartbeat=declared)
        assert heartbeat.send_heartbeat(catalog) is None
        assert [(one[0], one[1]) for one in web.requests] == [(method, "/f00")] * 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/${CHECK_ID}", "heartbeat: no connection"),
        ("${CHECK_ID}", "heartbeat: no connection"),
        ("http://127.0.0.1:1/${NOT_SET_ANYWHERE}", "heartbeat: NOT_SET_ANYWHERE not set in the"
         " environment"),
    ],
)  # fmt: skip
def test_a_failure_has_no_address(
    url: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure is a sentence without any part of it."""
    monkeypatch.setattr(heartbeat, "WAIT_S", 0)
    monkeypatch.setenv("CHECK_ID", "s3cr3t")
    catalog = make_catalog(tmp_path, {}, heartbeat={"url": url})
    assert heartbeat.send_heartbeat(catalog) == reason
