"""The promise of keys: read from the environment alone, and written nowhere at all."""

import asyncio
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evals import models, specs
from evals.calls import live
from evals.models import ModelError, Request
from evals.specs import ModelPin
from tests.evals.models import model_server as server
from tests.evals.runs.test_runner import NIGHT, Bench, traces

KEY = "sk-planted-4f9a0c7e51b2"
ASKED = Request(({"role": "user", "content": "?"},), 10, 0.0, 1)
ECHO = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY, "param": KEY}}
FAULTS: dict[str, server.Said] = {
    "refused": server.Said(401, ECHO, {"x-echo": KEY}),
    "bad request": server.Said(400, ECHO),
    "down": server.Said(500, KEY.encode()),
    "rubbish": server.Said(200, f"{KEY} is no JSON".encode()),
    "no answer": server.Said(200, {"key": KEY}),
    "elsewhere": server.Said(302, {}, {"Location": f"http://127.0.0.1:9/?key={KEY}"}),
    "reset": server.Said(breaks="reset"),
    "cut": server.Said(200, KEY.encode() * 200, breaks="truncated"),
    "silence": server.Said(after_s=0.6),
}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The key in the environment, and every logger at its most talkative."""
    monkeypatch.setenv("PLANTED_KEY", f"{KEY}\n")
    monkeypatch.setattr(live, "BACKOFF_S", 0.0)
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


def told(error: BaseException) -> str:
    """An exception in every way one is printed: chained, and with every frame's variables."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(found.format()) + repr(error) + repr(vars(error)) + str(error.args)


def frames(error: BaseException) -> str:
    """The variables of every frame an exception remembers, those of what it hides among them."""
    seen, text = [error], ""
    while seen:
        one = seen.pop()
        text += told(one)
        seen += [hidden for hidden in (one.__context__, one.__cause__) if hidden]
    return text


WAYS = [(way, name) for way in ("ask", "ends") for name in sorted(FAULTS)]
WAYS.remove(("ends", "no answer"))  # a list without models is a list


@pytest.mark.parametrize(("way", "name"), WAYS)
def test_no_fault_tells_the_key(name: str, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a provider answers, neither the error nor its frames nor a log holds the key."""
    with server.serving(lambda b, n: FAULTS[name], FAULTS[name]) as running:
        pin = ModelPin(
            name="m", model="m-1", base_url=running.url, api_key_env="PLANTED_KEY", timeout_s=0.3
        )

        async def once() -> str:
            client = models.open_client(pin)
            call: Callable[[], Any] = (
                (lambda: client.ask(ASKED)) if way == "ask" else client.list_expiries
            )
            try:
                await call()
            except ModelError as error:
                return frames(error) + repr(client) + repr(vars(client))
            finally:
                await client.close()
            raise AssertionError("it answered")

        said = asyncio.run(once())
        sent = [asked.headers.get("authorization", "") for asked in running.asked]
    assert f"Bearer {KEY}" in {*sent, *(h.headers.get("Authorization", "") for h in running.asked)}
    assert KEY not in said
    assert KEY not in caplog.text


def test_a_key_of_two_lines_is_refused_unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header would print it in the error; a line break at its end is let go."""
    monkeypatch.setenv("PLANTED_KEY", f"{KEY}\nOTHER=1")
    pin = ModelPin(name="m", model="m-1", base_url="http://a/v1", api_key_env="PLANTED_KEY")
    with pytest.raises(models.Unavailable, match="PLANTED_KEY") as raised:
        models.open_client(pin)
    assert KEY not in frames(raised.value)


def test_nothing_a_run_keeps_holds_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scores, answers, journals, locks and state of a night full of faults: all without it."""

    def script(body: dict[str, Any], seen: int) -> server.Said:
        asked = body["messages"][-1]["content"]
        fault = next((said for name, said in FAULTS.items() if f"> {name}" in asked), None)
        return fault or server.Said(200, server.completion(body, '{"verdict": "pass"}'))

    with server.serving(script) as running:
        bench = Bench(tmp_path, running.url)
        where = f"base_url: '{running.url}', api_key_env: PLANTED_KEY, timeout_s: 0.3"
        (bench.catalog.root / "models.yaml").write_text(f"m: {{model: m-1, {where}}}")
        specs.load_catalog.cache_clear()
        bench.catalog = specs.load_catalog(bench.catalog.root)
        bench.lake.write("traces", NIGHT, traces("good", *sorted(FAULTS)))
        done = bench.score("kind")
    assert done.passed == 1
    assert done.errored == len(FAULTS)
    assert KEY not in caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
    rows = bench.lake.read("scores", [NIGHT]) + bench.lake.read("answers", [NIGHT])
    assert KEY not in repr(rows)
    assert os.environ["PLANTED_KEY"].strip() == KEY
