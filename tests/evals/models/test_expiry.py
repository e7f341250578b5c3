"""Promises of expiry: a pin's end, from the catalog or the provider, is reported in time."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals import models
from evals.models.expiry import write_model_list
from evals.specs import ModelPin
from evals.storage.lake import Lake
from orchestration.cli.diagnosis import check_pins
from tests.evals.models import model_server as server

TODAY = date(2026, 11, 24)


def pin(days: int | None = None, **keys: Any) -> ModelPin:
    """Builds a pin whose catalog entry expires in so many days."""
    ends = None if days is None else TODAY + timedelta(days=days)
    return ModelPin(**{"name": "m", "model": "m-1", "expires": ends, **keys})


@pytest.mark.parametrize(
    ("days", "state"),
    [(-1, "fail"), (0, "fail"), (29, "fail"), (30, "warn"), (89, "warn"), (90, "ok")],
)
def test_an_end_warns_under_90_days_and_fails_under_30(days: int, state: str) -> None:
    """A pin that ends today or has ended fails too."""
    expiry = models.find_expiry(pin(days), {}, TODAY)
    assert expiry is not None
    assert (expiry.state, expiry.days_left, expiry.source) == (state, days, "catalog")
    assert (TODAY + timedelta(days=days)).isoformat() in expiry.describe()


@pytest.mark.parametrize(
    ("days", "words"),
    [(-3, "ended 3 days ago, on"), (-1, "ended 1 day ago"), (0, "ends today"), (1, "in 1 day, on")],
)
def test_an_end_is_described_in_plain_words(days: int, words: str) -> None:
    """A past date reads "ended", and the last day reads "today"."""
    expiry = models.find_expiry(pin(days), {}, TODAY)
    assert expiry is not None
    assert words in expiry.describe()


def test_a_pin_without_a_date_has_no_expiry() -> None:
    """Without a date in the catalog and at the provider there is no expiry."""
    assert models.find_expiry(pin(), {}, TODAY) is None


def test_a_provider_s_list_is_read_and_stored(tmp_path: Path) -> None:
    """`shutdown_date` of the model list counts unless the catalog has a date."""
    lake = Lake(tmp_path).open()
    listing = [
        {
            "id": "m-1",
            "object": "model",
            "created": 1,
            "owned_by": "o",
            "shutdown_date": "2026-12-11",
        },
        {"id": "m-2", "object": "model", "created": 1, "owned_by": "o", "shutdown_date": None},
    ]
    with server.serve_script(lambda b, n: server.ServerReply(), listing) as running:
        here = pin(base_url=running.url)
        assert models.refresh_model_lists(lake, [here], TODAY) == {}
        (soon,) = models.list_expiring([here, pin(name="n", model="m-2")], lake, TODAY)
        assert (soon.on, soon.days_left, soon.source) == (date(2026, 12, 11), 17, "provider")
        later = here.model_copy(update={"expires": date(2027, 12, 11)})
        assert models.list_expiring([later], lake, TODAY) == []
    assert models.refresh_model_lists(lake, [here], TODAY)["m"] in models.FAULTS
    assert models.list_expiring([here], lake, TODAY) == [soon]


def test_a_model_list_counts_for_its_own_server_alone(tmp_path: Path) -> None:
    """Two servers may call different models by one name."""
    lake = Lake(tmp_path).open()
    write_model_list(lake, pin(base_url="http://a/v1"), {"m-1": TODAY}, TODAY)
    assert models.list_expiring([pin(base_url="http://b/v1")], lake, TODAY) == []


def test_doctor_reports_ends_and_unpinned_ids() -> None:
    """Each model's findings cover its id and its expiry."""
    pins = {
        "m": pin(20, model="claude-opus-4-6", base_url="http://a/v1"),
        "n": pin(None, name="n"),
    }
    catalog: Any = type("C", (), {"models": pins})
    findings = [(f.state, f.about) for f in check_pins(catalog, {}, TODAY)]
    assert findings[0] == ("fail", "model m")
    assert ("warn", "model n") in findings


def test_doctor_fails_weights_that_are_not_the_pinned_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doctor reports them before a night skips its judges."""
    package = tmp_path / "doctored_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "w.gguf").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    right = hashlib.sha256(b"weights").hexdigest()
    for digest, state in ((right, "ok"), ("0" * 64, "fail")):
        weights = {"provider": "embedded", "model": "w.gguf", "package": package.name}
        pins = {"m": pin(**weights, sha256=digest)}
        catalog: Any = type("C", (), {"models": pins})
        assert [f.state for f in check_pins(catalog, {}, TODAY)] == [state]


def test_a_stored_list_has_dates_and_no_key(tmp_path: Path) -> None:
    """The stored document is the day it was read and each model's end."""
    lake = Lake(tmp_path).open()
    write_model_list(lake, pin(), {"m-1": TODAY}, TODAY)
    stored = json.loads((tmp_path / "model_lists.json").read_text())
    assert len(stored.pop("checksum")) == 16
    assert stored == {"openai": {"read": "2026-11-24", "ends": {"m-1": "2026-11-24"}}}


@pytest.fixture
def configure_openai(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModelPin]:
    """Points OpenAI's own client to another address by the environment; returns its pin."""

    def configure(url: str) -> ModelPin:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        return pin()

    return configure


def refresh_daily(lake: Lake, pin: ModelPin, today: date) -> None:
    """Refreshes the pin's model list as a night does."""

    async def refresh() -> None:
        client = models.open_client(pin)
        await models.refresh_model_list_daily(lake, client, today)
        await client.close()

    asyncio.run(refresh())


def test_openai_s_list_is_read_once_a_day(
    tmp_path: Path, configure_openai: Callable[[str], ModelPin]
) -> None:
    """The first night of a day reads it, and the next day's first night reads it again."""
    lake = Lake(tmp_path).open()
    listing = [{"id": "m-1", "object": "model", "created": 1, "owned_by": "o"}]
    listing[0]["shutdown_date"] = "2026-12-11"
    with server.serve_script(lambda b, n: server.ServerReply(), listing) as running:
        served = configure_openai(running.url)
        for _ in range(3):
            refresh_daily(lake, served, TODAY)
        assert [request.path for request in running.requests] == ["/v1/models"]
        (soon,) = models.list_expiring([served], lake, TODAY)
        assert (soon.state, soon.source, soon.on) == ("fail", "provider", date(2026, 12, 11))
        listing[0]["shutdown_date"] = "2027-12-11"
        refresh_daily(lake, served, TODAY + timedelta(days=1))
        assert models.list_expiring([served], lake, TODAY) == []
        assert len(running.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        server.ServerReply(500, b"{}"),
        server.ServerReply(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
        server.ServerReply(200, b"<html>Sign in</html>"),
        server.ServerReply(200, b'["m-1"]'),
        server.ServerReply(200, b'{"data": ["m-1"]}'),
        server.ServerReply(200, b'{"data": [{"id": 7}]}'),
        server.ServerReply(200, b'{"data": null}'),
        server.ServerReply(200, b'{"object": "list"}'),
        server.ServerReply(200, b'{"models": [{"name": "m-1", "model": "m-1"}]}'),
        server.ServerReply(200, b'{"data": []}' + b" " * 2**24),
        server.ServerReply(
            200,
            gzip.compress(b'{"data": []}' + b" " * 2**27, 1, mtime=0),
            {"Content-Encoding": "gzip"},
        ),
    ],
    ids=lambda reply: repr(reply.body[:30]),
)
def test_an_unreadable_list_is_not_tried_twice_a_day_and_the_old_dates_count(
    tmp_path: Path, configure_openai: Callable[[str], ModelPin], reply: server.ServerReply
) -> None:
    """It is requested once a day, and the dates stored before still count."""
    lake = Lake(tmp_path).open()
    served = configure_openai("http://127.0.0.1:1/v1")
    write_model_list(lake, served, {"m-1": TODAY + timedelta(days=50)}, TODAY - timedelta(days=1))
    with server.serve_script(lambda b, n: server.ServerReply(), reply) as running:
        served = configure_openai(running.url)
        for _ in range(3):
            refresh_daily(lake, served, TODAY)
        assert len(running.requests) == 1
        (soon,) = models.list_expiring([served], lake, TODAY)
        assert (soon.state, soon.days_left) == ("warn", 50)
        refresh_daily(lake, served, TODAY + timedelta(days=1))
        assert len(running.requests) == 2


def test_a_model_that_the_list_names_no_more_keeps_its_last_day(tmp_path: Path) -> None:
    """One that is listed without a day has none; a day that is no date counts as none."""
    lake = Lake(tmp_path).open()
    days = dict.fromkeys(("m-1", "m-2", "m-3"), TODAY)
    listing = [{"id": "m-2", "shutdown_date": None}, {"id": "m-3", "shutdown_date": "soon"}]
    with server.serve_script(lambda b, n: server.ServerReply(), listing) as running:
        served = pin(base_url=running.url)
        write_model_list(lake, served, days, TODAY - timedelta(days=1))
        refresh_daily(lake, served, TODAY)
        assert models.read_model_lists(lake)[running.url].ends == {"m-1": TODAY}


def test_a_compatible_server_s_list_is_read(tmp_path: Path) -> None:
    """A gateway's shutdown dates count; without one there is no expiry."""
    lake = Lake(tmp_path).open()
    listing = [{"id": "m-1", "object": "model", "created": 1, "owned_by": "o"}]
    with server.serve_script(lambda b, n: server.ServerReply(), listing) as running:
        served = pin(base_url=running.url)
        refresh_daily(lake, served, TODAY)
        assert models.list_expiring([served], lake, TODAY) == []
        listing[0]["shutdown_date"] = "2026-12-11"
        refresh_daily(lake, served, TODAY + timedelta(days=1))
        (soon,) = models.list_expiring([served], lake, TODAY)
        assert (soon.state, soon.source) == ("fail", "provider")


def test_a_model_served_in_process_has_no_list(tmp_path: Path) -> None:
    """No request is made for it."""
    lake = Lake(tmp_path).open()
    with server.serve_script(lambda b, n: server.ServerReply(), []) as running:
        own = pin(provider="embedded", package="p", sha256="0" * 64)
        assert models.refresh_model_lists(lake, [own], TODAY) == {}
        assert running.requests == []
    assert models.read_model_lists(lake) == {}
