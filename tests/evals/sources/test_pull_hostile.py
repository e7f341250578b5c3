"""Pulling from a hostile provider, and from one without luck: calls that fail, and no key told.

What a pull comes to when all is well is in `test_pull`, what odd listings do in `test_pull_pages`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from evals.sources import api as http
from evals.sources import pulls
from evals.storage.lake import Lake
from tests.evals.sources.systems import (
    SECRET,
    Fault,
    World,
    serving,
)
from tests.evals.sources.team import (
    KINDS,
    NOW,
    catalog,
    filled,
    keyless,
    landed,
    names_of,
    source,
    unbroken,
)

HALF = json.dumps({"data": [{"id": "half"}]}).encode()
PASSING = {
    "busy, not saying how long": Fault(429),
    "busy until a moment": Fault(429, {"retry-after": "Fri, 02 Oct 2026 06:00:09 GMT"}),
    "busy for no number": Fault(429, {"retry-after": "nan"}),
    "broken": Fault(500),
    "a proxy's page": Fault(502, {"content-type": "text/html"}, b"<html>bad gateway</html>"),
    "reset before a byte": Fault(sent=0),
    "reset within a page": Fault(body=HALF, sent=9),
    "a page that ends early": Fault(body=HALF[:-4]),
    "no gzip, though it says so": Fault(headers={"content-encoding": "gzip"}, body=HALF),
    "nothing": Fault(body=b""),
}


@KINDS
@pytest.mark.parametrize("what", PASSING)
def test_what_passes_is_asked_again(tmp_path: Path, world: World, kind: str, what: str) -> None:
    """Whatever one call in three meets, what lands is what an unbroken pull lands."""
    expected = unbroken(tmp_path, filled(world, kind), kind)
    world.faults += [None, PASSING[what], None] * 30
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull(lake, source(tmp_path, world, kind), NOW)
    assert failures == []
    assert names_of(lake.home) == expected


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
def test_what_does_not_pass_is_one_sentence_that_says_what_to_do(
    tmp_path: Path,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    fault: Fault,
    words: str,
) -> None:
    """It names the source, holds no key, and afterwards the pull lands all, once."""
    expected = unbroken(tmp_path, filled(world, kind), kind)
    lake = Lake(tmp_path / "home").open()
    declared = source(tmp_path, world, kind)
    with monkeypatch.context() as small:
        small.setattr(http, "LONGEST_ANSWER", 2**15)
        small.setattr(http, "LONGEST_ANSWER_S", 0.2)
        world.faults += [None, fault] if kind != "phoenix" else [fault]
        world.faults += [fault] * 20
        _, failures = pulls.pull(lake, declared, NOW)
    assert len(failures) == 1
    assert words in failures[0]
    assert failures[0].startswith("ours: ")
    assert "\n" not in failures[0]
    keyless(lake.home, *failures)
    assert landed(lake.home) == []
    world.faults.clear()
    _, failures = pulls.pull(lake, declared, NOW + timedelta(hours=1))
    assert failures == []
    assert names_of(lake.home) == expected


@KINDS
def test_the_key_goes_to_no_other_host(tmp_path: Path, world: World, kind: str) -> None:
    """A redirect is not followed, wherever it leads."""
    filled(world, kind)
    with serving(World()) as other:
        world.faults += [Fault(307, {"location": other.url + "/v1/x"})] * 4
        lake = Lake(tmp_path / "home").open()
        pulls.pull(lake, source(tmp_path, world, kind), NOW)
        assert other.headers == []


@pytest.mark.parametrize(
    "value", ["sk canary", "sk-canary\nx-injected: 1", "sk-canäry", "sk-canary\x7f"]
)
@KINDS
def test_a_key_that_no_header_holds_is_named_by_its_variable(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, kind: str, value: str
) -> None:
    """A key with spaces around it is that key; any other that is none is said, and not shown."""
    monkeypatch.setenv("ODD_KEY", value)
    lake = Lake(tmp_path / "home").open()
    _, failures = pulls.pull(lake, catalog(tmp_path, world, kind, key_env="ODD_KEY"), NOW)
    assert len(failures) == 1
    assert "ODD_KEY" in failures[0]
    assert "can" not in failures[0]
    monkeypatch.setenv("ODD_KEY", " sk-canary\r\n")
    filled(world, kind)
    _, failures = pulls.pull(lake, catalog(tmp_path, world, kind, key_env="ODD_KEY"), NOW)
    assert failures == []
