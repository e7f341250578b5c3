"""A signal ends every wait for a provider at once, and nothing is paid twice or lost after it."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from evals import models
from evals.calls.stop import Stop, Stopped
from evals.models.embedded import start_server
from evals.sources import pulls
from evals.specs import ModelPin
from evals.storage.lake import Lake
from orchestration.runtime import interrupts
from tests.evals.calls.batch_night import NOON, BatchTeam, is_paid_once, write_batch_catalog
from tests.evals.models.batch_server import serve_batches
from tests.evals.sources.api_server import KEYS, World, serve
from tests.evals.sources.pull_results import NOW, fill_world, make_catalog, read_landed

LATER = NOON + timedelta(hours=1)


pytestmark = pytest.mark.filterwarnings(
    # a call that is interrupted leaves its socket to the garbage collector; the process ends anyway
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes each test a process that no signal has reached."""
    monkeypatch.setattr(interrupts.Interrupts, "first", None)
    monkeypatch.setattr(interrupts.Interrupts, "stop", Stop())
    yield
    gc.collect()  # here, and not during another test


@contextmanager
def end_by_signal(number: signal.Signals, wait: Callable[[float], object]) -> Iterator[None]:
    """Signals this process once the wait has begun; the block has to end by it."""

    def send() -> None:
        wait(60)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    with interrupts.handle_signals():
        thread.start()
        try:
            yield
        except Stopped:
            assert interrupts.get_exit_code() == 128 + number
        else:
            pytest.fail("the signal ended nothing")
        finally:
            thread.join()


@contextmanager
def serve_silence() -> Iterator[tuple[str, Callable[[float], object]]]:
    """Serves connections that are never answered; yields the URL, and what waits for the first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def wait_for_first(limit_s: float) -> None:
            server.settimeout(limit_s)
            accepted.append(server.accept()[0])

        yield f"http://127.0.0.1:{server.getsockname()[1]}", wait_for_first
        for connection in accepted:
            connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "point",
    ["before POST /files", "after POST /batches", "before GET /batches/ID",
     "before GET /files/ID/content", "before DELETE /files/ID"],
)  # fmt: skip
def test_a_batch_stopped_at_any_step_is_paid_once(
    tmp_path: Path, point: str, number: signal.Signals
) -> None:
    """The next run takes it up where it was, and every answer is kept."""
    with serve_batches() as server:
        write_batch_catalog(tmp_path / "catalog", server.url)
        team = BatchTeam(tmp_path)
        team.write_night("good", "bad", "good too")
        is_sent = "POST" not in point
        if is_sent:
            team.score()
            server.state.finish()
        server.state.stall = point
        with end_by_signal(number, server.state.stalled.wait):
            team.collect(LATER) if is_sent else team.score()
        server.state.stall = ""
        if not is_sent:
            team.score()
            team.collect(LATER)
            server.state.finish()
        team.collect(LATER + timedelta(minutes=5))
        team.score()
        assert team.read_verdicts() == {"t0": "pass", "t1": "fail", "t2": "pass"}
        assert is_paid_once(server)
        assert len(server.state.batches) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_pull_goes_on_where_it_was(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that were pulled are not asked for again, and each row lands once."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    world, stalled, ended = fill_world(World(), "langfuse"), threading.Event(), threading.Event()

    def stall_at_second_page(path: str, answer: object) -> object:
        if world.requests[-1].startswith("/api/public/traces?page=2") and not ended.is_set():
            stalled.set()
            ended.wait(60)
        return answer

    world.transform = stall_at_second_page
    with serve(world):
        lake, catalog = Lake(tmp_path / "home").open(), make_catalog(tmp_path, world)
        with end_by_signal(number, stalled.wait):
            pulls.pull_sources(lake, catalog, NOW)
        ended.set()
        assert read_landed(lake.home) == []
        before = len(world.requests)
        _, failures = pulls.pull_sources(lake, catalog, NOW)
        assert failures == []
        assert (
            len({row["id"] for row in read_landed(lake.home)}) == len(read_landed(lake.home)) == 9
        )
        pages = [path for path in world.requests[before:] if path.startswith("/api/public/traces?")]
        assert "page=2" in pages[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_model_list_that_does_not_come_ends_on_a_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    """`doctor --online` waits for no provider after a signal."""
    with serve_silence() as (url, wait), end_by_signal(number, wait):
        pin = ModelPin(name="m", model="m-1", base_url=url, timeout_s=60)
        models.refresh_model_lists(Lake(tmp_path).open(), [pin], date(2026, 10, 1))


def test_an_embedded_model_that_does_not_start_ends_on_a_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wait for its server is no error to try again after."""
    with serve_silence() as (url, wait):
        server = type("Server", (), {"listening_address": url})
        monkeypatch.setattr("evals.models.embedded.load_server", lambda path, alias: server)
        with end_by_signal(signal.SIGINT, wait):
            start_server(Path("weights.gguf"), "m")
