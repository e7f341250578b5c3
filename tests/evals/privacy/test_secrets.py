"""API keys are read from the environment only and written nowhere."""

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
from tests.evals.runs.test_runner import NIGHT, Bench, build_traces

KEY = "sk-planted-4f9a0c7e51b2"
REQUEST = Request(({"role": "user", "content": "?"},), 10, 0.0, 1)
ECHO = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY, "param": KEY}}
FAULTS: dict[str, server.ServerReply] = {
    "refused": server.ServerReply(401, ECHO, {"x-echo": KEY}),
    "bad request": server.ServerReply(400, ECHO),
    "down": server.ServerReply(500, KEY.encode()),
    "rubbish": server.ServerReply(200, f"{KEY} is no JSON".encode()),
    "no answer": server.ServerReply(200, {"key": KEY}),
    "elsewhere": server.ServerReply(302, {}, {"Location": f"http://127.0.0.1:9/?key={KEY}"}),
    "reset": server.ServerReply(fault="reset"),
    "cut": server.ServerReply(200, KEY.encode() * 200, fault="truncated"),
    "silence": server.ServerReply(delay_s=0.6),
}


@pytest.fixture(autouse=True)
def plant_key(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Sets the key in the environment and every logger to debug."""
    monkeypatch.setenv("PLANTED_KEY", f"{KEY}\n")
    monkeypatch.setattr(live, "BACKOFF_S", 0.0)
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)


def format_error(error: BaseException) -> str:
    """An exception in every form it is printed in: chained, with every frame's variables."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(trace.format()) + repr(error) + repr(vars(error)) + str(error.args)


def format_chain(error: BaseException) -> str:
    """The frames' variables of an exception and of those it was raised from."""
    seen, text = [error], ""
    while seen:
        current = seen.pop()
        text += format_error(current)
        seen += [earlier for earlier in (current.__context__, current.__cause__) if earlier]
    return text


WAYS = [(way, name) for way in ("ask", "ends") for name in sorted(FAULTS)]
WAYS.remove(("ends", "no answer"))  # a list without models is a list


@pytest.mark.parametrize(("way", "name"), WAYS)
def test_no_fault_shows_the_key(name: str, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a provider answers, neither the error nor its frames nor a log has the key."""
    with server.serve_script(lambda b, n: FAULTS[name], FAULTS[name]) as running:
        pin = ModelPin(
            name="m", model="m-1", base_url=running.url, api_key_env="PLANTED_KEY", timeout_s=0.3
        )

        async def call_provider() -> str:
            client = models.open_client(pin)
            call: Callable[[], Any] = (
                (lambda: client.ask(REQUEST)) if way == "ask" else client.list_expiries
            )
            try:
                await call()
            except ModelError as error:
                return format_chain(error) + repr(client) + repr(vars(client))
            finally:
                await client.close()
            raise AssertionError("it answered")

        shown = asyncio.run(call_provider())
        sent = [request.headers.get("authorization", "") for request in running.requests]
    assert f"Bearer {KEY}" in {
        *sent,
        *(h.headers.get("Authorization", "") for h in running.requests),
    }
    assert KEY not in shown
    assert KEY not in caplog.text


def test_a_key_of_two_lines_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header would show it in the error; a line break at its end is accepted."""
    monkeypatch.setenv("PLANTED_KEY", f"{KEY}\nOTHER=1")
    pin = ModelPin(name="m", model="m-1", base_url="http://a/v1", api_key_env="PLANTED_KEY")
    with pytest.raises(models.Unavailable, match="PLANTED_KEY") as raised:
        models.open_client(pin)
    assert KEY not in format_chain(raised.value)


def test_no_file_of_a_run_has_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither scores, answers, journals, locks nor state of a night full of faults has it."""

    def answer(body: dict[str, Any], seen: int) -> server.ServerReply:
        prompt = body["messages"][-1]["content"]
        fault = next((fault for name, fault in FAULTS.items() if f"> {name}" in prompt), None)
        return fault or server.ServerReply(
            200, server.build_completion(body, '{"verdict": "pass"}')
        )

    with server.serve_script(answer) as running:
        bench = Bench(tmp_path, running.url)
        where = f"base_url: '{running.url}', api_key_env: PLANTED_KEY, timeout_s: 0.3"
        (bench.catalog.root / "models.yaml").write_text(f"m: {{model: m-1, {where}}}")
        specs.load_catalog.cache_clear()
        bench.catalog = specs.load_catalog(bench.catalog.root)
        bench.lake.write("traces", NIGHT, build_traces("good", *sorted(FAULTS)))
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
