"""Promises of expiry: the catalog or the provider says when a pin ends, and it is seen in time."""

import asyncio
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
from orchestration.cli.diagnosis import check_pins as findings
from tests.evals.models import model_server as server

TODAY = date(2026, 11, 24)


def pin(days: int | None = None, **keys: Any) -> ModelPin:
    """A pin that ends in so many days, as the catalog says."""
    ends = None if days is None else TODAY + timedelta(days=days)
    return ModelPin(**{"name": "m", "model": "m-1", "expires": ends, **keys})


@pytest.mark.parametrize(
    ("days", "state"),
    [(-1, "fail"), (0, "fail"), (29, "fail"), (30, "warn"), (89, "warn"), (90, "ok")],
)
def test_an_end_warns_under_90_days_and_fails_under_30(days: int, state: str) -> None:
    """The day itself and what is over fail too."""
    found = models.find_expiry(pin(days), {}, TODAY)
    assert found is not None
    assert (found.state, found.days_left, found.source) == (state, days, "catalog")
    assert (TODAY + timedelta(days=days)).isoformat() in found.describe()


@pytest.mark.parametrize(
    ("days", "words"),
    [(-3, "ended 3 days ago, on"), (-1, "ended 1 day ago"), (0, "ends today"), (1, "in 1 day, on")],
)
def test_an_end_is_told_as_a_person_would(days: int, words: str) -> None:
    """What is over ended; the last day is today."""
    found = models.find_expiry(pin(days), {}, TODAY)
    assert found is not None
    assert words in found.describe()


def test_nobody_having_said_is_no_end() -> None:
    """No date is made up."""
    assert models.find_expiry(pin(), {}, TODAY) is None


def test_a_provider_s_list_is_read_and_remembered(tmp_path: Path) -> None:
    """`shutdown_date` of the model list counts until the catalog says otherwise."""
    lake = Lake(tmp_path).open()
    told = [
        {
            "id": "m-1",
            "object": "model",
            "created": 1,
            "owned_by": "o",
            "shutdown_date": "2026-12-11",
        },
        {"id": "m-2", "object": "model", "created": 1, "owned_by": "o", "shutdown_date": None},
    ]
    with server.serve_script(lambda b, n: server.ServerReply(), told) as running:
        here = pin(base_url=running.url)
        assert models.refresh_model_lists(lake, [here], TODAY) == {}
        (soon,) = models.list_expiring([here, pin(name="n", model="m-2")], lake, TODAY)
        assert (soon.on, soon.days_left, soon.source) == (date(2026, 12, 11), 17, "provider")
        later = here.model_copy(update={"expires": date(2027, 12, 11)})
        assert models.list_expiring([later], lake, TODAY) == []
    assert models.refresh_model_lists(lake, [here], TODAY)["m"] in models.FAULTS
    assert models.list_expiring([here], lake, TODAY) == [soon]


def test_another_server_s_list_says_nothing_of_this_one(tmp_path: Path) -> None:
    """Two servers may call different models by one name."""
    lake = Lake(tmp_path).open()
    write_model_list(lake, pin(base_url="http://a/v1"), {"m-1": TODAY}, TODAY)
    assert models.list_expiring([pin(base_url="http://b/v1")], lake, TODAY) == []


def test_doctor_tells_ends_and_promises() -> None:
    """Each model has its findings: what its id promises, and until when it is served."""
    known = {
        "m": pin(20, model="claude-opus-4-6", base_url="http://a/v1"),
        "n": pin(None, name="n"),
    }
    catalog: Any = type("C", (), {"models": known})
    found = [(f.state, f.about) for f in findings(catalog, {}, TODAY)]
    assert found[0] == ("fail", "model m")
    assert ("warn", "model n") in found


def test_doctor_tells_weights_that_are_not_the_pinned_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a night skips its judges for it."""
    package = tmp_path / "doctored_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "w.gguf").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    right = hashlib.sha256(b"weights").hexdigest()
    for digest, state in ((right, "ok"), ("0" * 64, "fail")):
        weights = {"provider": "embedded", "model": "w.gguf", "package": package.name}
        known = {"m": pin(**weights, sha256=digest)}
        catalog: Any = type("C", (), {"models": known})
        assert [f.state for f in findings(catalog, {}, TODAY)] == [state]


def test_a_list_is_a_small_document(tmp_path: Path) -> None:
    """It holds dates and no key."""
    lake = Lake(tmp_path).open()
    write_model_list(lake, pin(), {"m-1": TODAY}, TODAY)
    kept = json.loads((tmp_path / "model_lists.json").read_text())
    assert kept == {"openai": {"read": "2026-11-24", "ends": {"m-1": "2026-11-24"}}}


@pytest.fixture
def openai_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModelPin]:
    """OpenAI at another address, as its own client takes it from the environment; its pin."""

    def at(url: str) -> ModelPin:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        return pin()

    return at


def fresh(lake: Lake, asked: ModelPin, today: date) -> None:
    """What a night does once its questions are asked."""

    async def done() -> None:
        client = models.open_client(asked)
        await models.refresh_model_list_daily(lake, client, today)
        await client.close()

    asyncio.run(done())


def test_openai_s_list_is_read_once_a_day_beside_the_questions(
    tmp_path: Path, openai_at: Callable[[str], ModelPin]
) -> None:
    """The first night of a day reads it, the next day's reads it anew."""
    lake = Lake(tmp_path).open()
    told = [{"id": "m-1", "object": "model", "created": 1, "owned_by": "o"}]
    told[0]["shutdown_date"] = "2026-12-11"
    with server.serve_script(lambda b, n: server.ServerReply(), told) as running:
        asked = openai_at(running.url)
        for _ in range(3):
            fresh(lake, asked, TODAY)
        assert [one.path for one in running.requests] == ["/v1/models"]
        (soon,) = models.list_expiring([asked], lake, TODAY)
        assert (soon.state, soon.source, soon.on) == ("fail", "provider", date(2026, 12, 11))
        told[0]["shutdown_date"] = "2027-12-11"
        fresh(lake, asked, TODAY + timedelta(days=1))
        assert models.list_expiring([asked], lake, TODAY) == []
        assert len(running.requests) == 2


def test_a_list_that_cannot_be_read_is_left_for_the_day_and_what_it_said_stands(
    tmp_path: Path, openai_at: Callable[[str], ModelPin]
) -> None:
    """No judge waits for it twice, and no end is forgotten."""
    lake = Lake(tmp_path).open()
    asked = openai_at("http://127.0.0.1:1/v1")
    write_model_list(lake, asked, {"m-1": TODAY + timedelta(days=50)}, TODAY - timedelta(days=1))
    with server.serve_script(
        lambda b, n: server.ServerReply(), server.ServerReply(500, b"{}")
    ) as running:
        asked = openai_at(running.url)
        for _ in range(3):
            fresh(lake, asked, TODAY)
        assert len(running.requests) == 1
        (soon,) = models.list_expiring([asked], lake, TODAY)
        assert (soon.state, soon.days_left) == ("warn", 50)
        fresh(lake, asked, TODAY + timedelta(days=1))
        assert len(running.requests) == 2


def test_whoever_speaks_like_openai_is_asked_for_its_list(tmp_path: Path) -> None:
    """A gateway or a region of its own passes the ends on; where none is told, none is known."""
    lake = Lake(tmp_path).open()
    told = [{"id": "m-1", "object": "model", "created": 1, "owned_by": "o"}]
    with server.serve_script(lambda b, n: server.ServerReply(), told) as running:
        asked = pin(base_url=running.url)
        fresh(lake, asked, TODAY)
        assert models.list_expiring([asked], lake, TODAY) == []
        told[0]["shutdown_date"] = "2026-12-11"
        fresh(lake, asked, TODAY + timedelta(days=1))
        (soon,) = models.list_expiring([asked], lake, TODAY)
        assert (soon.state, soon.source) == ("fail", "provider")


def test_a_model_served_in_process_has_no_list(tmp_path: Path) -> None:
    """Nobody is asked."""
    lake = Lake(tmp_path).open()
    with server.serve_script(lambda b, n: server.ServerReply(), []) as running:
        own = pin(provider="embedded", package="p", sha256="0" * 64)
        assert models.refresh_model_lists(lake, [own], TODAY) == {}
        assert running.requests == []
    assert models.read_model_lists(lake) == {}
