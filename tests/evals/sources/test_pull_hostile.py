"""Pulling from hostile and failing servers: retries, clear errors, and no key in a message.

Pulls without faults are tested in `test_pull`, odd listings in `test_pull_pages`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from evals.sources import api as http
from evals.sources import pulls
from evals.storage.lake import Lake
from tests.evals.sources.api_server import (
    SECRET,
    Fault,
    World,
    serve,
)
from tests.evals.sources.pull_results import (
    KINDS,
    NOW,
    check_no_keys,
    fill_world,
    list_ids,
    make_catalog,
    make_keyed_catalog,
    pull_without_faults,
    read_landed,
)

HALF_PAGE = json.dumps({"data": [{"id": "half"}]}).encode()
PASSING_FAULTS = {
    "busy, without Retry-After": Fault(429),
    "busy until a moment": Fault(429, {"retry-after": "Fri, 02 Oct 2026 06:00:09 GMT"}),
    "busy for no number": Fault(429, {"retry-after": "nan"}),
    "broken": Fault(500),
    "a proxy's page": Fault(502, {"content-type": "text/html"}, b"<html>bad gateway</html>"),
    "reset before a byte": Fault(sent=0),
    "reset within a page": Fault(body=HALF_PAGE, sent=9),
    "a page that ends early": Fault(body=HALF_PAGE[:-4]),
    "no gzip, though declared so": Fault(headers={"content-encoding": "gzip"}, body=HALF_PAGE),
    "nothing": Fault(body=b""),
}


@KINDS
@pytest.mark.parametrize("what", PASSING_FAULTS)
def test_transient_faults_are_retried(tmp_path: Path, world: World, kind: str, what: str) -> None:
    """With a fault at one call in three, the same rows land as without."""
    expected = pull_without_faults(tmp_path, fill_world(world, kind), kind)
    world.faults += [None, PASSING_FAULTS[what], None] * 30
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, kind), NOW)
    assert failures == []
    assert list_ids(lake.home) == expected


@KINDS
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401), "was refused (401); check "),
        (Fault(403), "was refused (403); check "),
        (Fault(429, {"retry-after": "2400"}), "asks to wait 2400 s"),
        (
            Fault(302, {"location": "https://u:lsv2-canary@elsewhere.example/x"}),
            "elsewhere.example",
        ),
        (Fault(302, {"location": "http://[broken"}), "set `base_url`"),
        (Fault(body=b"<!doctype html><title>Sign in</title>"), "no JSON but a web page"),
        (Fault(body=b'{"data": 7, "cursors": [], "runs": 7, "meta": {"totalPages": 1}}'), "shape"),
        (Fault(body=b"[" * 2**14), "no JSON"),
        (Fault(500, body=f"lsv2-canary phx-canary {SECRET}".encode()), "failed 8 times"),
        (Fault(body=b'"' + b"x" * 2**16 + b'"'), "page_size"),
        (Fault(body=b'"' + b"x" * 60, drip_s=0.01), "page_size"),
    ],
)
def test_lasting_faults_give_one_message_with_a_remedy(
    tmp_path: Path,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    fault: Fault,
    words: str,
) -> None:
    """The message names the source and no key; the next pull lands every row once."""
    expected = pull_without_faults(tmp_path, fill_world(world, kind), kind)
    lake = Lake(tmp_path / "home").open()
    declared = make_keyed_catalog(tmp_path, world, kind)
    with monkeypatch.context() as small:
        small.setattr(http, "MAX_ANSWER_BYTES", 2**15)
        small.setattr(http, "MAX_ANSWER_S", 0.2)
        world.faults += [None, fault] if kind != "phoenix" else [fault]
        world.faults += [fault] * 20
        _, failures = pulls.pull_sources(lake, declared, NOW)
    assert len(failures) == 1
    assert words in failures[0]
    assert failures[0].startswith("ours: ")
    assert "\n" not in failures[0]
    check_no_keys(lake.home, *failures)
    assert read_landed(lake.home) == []
    world.faults.clear()
    _, failures = pulls.pull_sources(lake, declared, NOW + timedelta(hours=1))
    assert failures == []
    assert list_ids(lake.home) == expected


@KINDS
def test_the_key_goes_to_no_other_host(tmp_path: Path, world: World, kind: str) -> None:
    """A redirect is not followed, wherever it leads."""
    fill_world(world, kind)
    with serve(World()) as other:
        world.faults += [Fault(307, {"location": other.url + "/v1/x"})] * 4
        lake = Lake(tmp_path / "home").open()
        pulls.pull_sources(lake, make_keyed_catalog(tmp_path, world, kind), NOW)
        assert other.headers == []


@pytest.mark.parametrize(
    "value", ["sk canary", "sk-canary\nx-injected: 1", "sk-canäry", "sk-canary\x7f"]
)
@KINDS
def test_a_malformed_key_is_reported_by_its_variable(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, kind: str, value: str
) -> None:
    """Spaces around a key are ignored; a malformed key is reported and not shown."""
    monkeypatch.setenv("ODD_KEY", value)
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull_sources(
        lake, make_catalog(tmp_path, world, kind, key_env="ODD_KEY"), NOW
    )
    assert len(failures) == 1
    assert "ODD_KEY" in failures[0]
    assert "can" not in failures[0]
    monkeypatch.setenv("ODD_KEY", " sk-canary\r\n")
    fill_world(world, kind)
    _, failures = pulls.pull_sources(
        lake, make_catalog(tmp_path, world, kind, key_env="ODD_KEY"), NOW
    )
    assert failures == []
