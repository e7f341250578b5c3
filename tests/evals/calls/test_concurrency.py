"""Promises of the account gate: the limit is learned, shared, and never exceeded.

Calls take virtual time, except where the time of the gate itself is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.calls import concurrency
from evals.calls.concurrency import AccountGate
from evals.calls.shared_state import SharedState
from evals.models import Limits, ModelError, Reply
from evals.specs import Ceiling, ModelPin
from evals.storage.lake import Lake
from tests.evals.calls import virtual_time
from tests.evals.calls.virtual_time import Provider, VirtualLoop


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedState]:
    """A home's shared file."""
    file = SharedState(Lake(tmp_path))
    yield file
    file.close()


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """The virtual time of a test."""
    with contextlib.closing(VirtualLoop()) as loop:
        yield loop


def pin(**more: Any) -> ModelPin:
    """A pinned model of one account."""
    return ModelPin(name="m", model="m-2026-01-01", base_url="http://127.0.0.1:1/v1", **more)


def reply(limits: Limits | None = None) -> Reply:
    """An answer of ten tokens."""
    return Reply("yes", None, "m-2026-01-01", None, None, 5, 5, limits=limits)


async def send_calls(
    gate: AccountGate, count: int, latency_s: float = 0.0, room: int = 10**6
) -> int:
    """Sends calls to a server that takes `room` at once; returns how many it refused."""
    inside = refused = 0

    async def call(number: int) -> None:
        nonlocal inside, refused
        while True:
            turn = await gate.enter(str(number), 10)
            if inside >= room:
                refused += 1
                await asyncio.sleep(latency_s / 4)
                gate.record_failure(
                    str(number), ModelError("rate-limited", "429", retryable=True), turn
                )
                await asyncio.sleep(latency_s)
                continue
            inside += 1
            await asyncio.sleep(latency_s)
            inside -= 1
            gate.record_answer(reply(), 10, turn)
            return

    await asyncio.gather(*(call(number) for number in range(count)))
    return refused


def test_the_window_converges_to_the_provider_s_limit(
    shared: SharedState, loop: VirtualLoop
) -> None:
    """With room for 12 the window converges to about 12, and few calls are refused."""
    gate = AccountGate(pin(concurrency=64), shared, clock=loop.time)
    refused = loop.run_until_complete(send_calls(gate, 600, 0.01, room=12))
    assert 6 <= gate.window <= 16
    assert refused < 150


def test_calls_are_spaced_to_the_provider_s_rate(shared: SharedState, loop: VirtualLoop) -> None:
    """Where the rate is too high at any concurrency, calls are spaced and few are refused."""
    gate, bucket, refused = AccountGate(pin(), shared, clock=loop.time), [2.0, loop.time()], 0

    async def call(number: int) -> None:
        nonlocal refused
        while True:
            turn = await gate.enter(str(number), 10)
            now = loop.time()
            bucket[:] = min(2.0, bucket[0] + (now - bucket[1]) * 20), now
            if bucket[0] >= 1:
                bucket[0] -= 1
                await asyncio.sleep(0.005)
                gate.record_answer(reply(), 10, turn)
                return
            refused += 1
            error = ModelError("rate-limited", "429", retryable=True, wait_s=0.05)
            await asyncio.sleep(0.001)
            gate.record_failure(str(number), error, turn)
            await asyncio.sleep(0.05)

    async def send_all() -> None:
        await asyncio.gather(*(call(number) for number in range(100)))

    loop.run_until_complete(send_all())
    assert gate.gap_s > 0
    assert refused < 60


@pytest.mark.parametrize("retry_after_s", [0.0, 1.0])
@pytest.mark.parametrize(("share", "most_s"), [(0.2, 40.0), (0.4, 90.0)])
def test_rate_limits_at_any_load_do_not_slow_the_others(
    shared: SharedState, share: float, most_s: float, retry_after_s: float
) -> None:
    """400 calls of 0.1 s, of which a provider refuses a share at random, take seconds."""
    provider = Provider(lambda provider, now: provider.random.random() < share)
    assert virtual_time.send_calls(shared, provider, 400, 0.1, retry_after_s).seconds < most_s


@pytest.mark.parametrize("retry_after_s", [0.0, 1.0])
@pytest.mark.parametrize(
    ("refuses", "ideal_s"),
    [
        (lambda provider, now: provider.inside >= 3, 400 * 0.105 / 3),
        (lambda provider, now: not provider.draw_token(now, 2.0), 398 / 2),
    ],
    ids=["three at once", "two a second"],
)
def test_a_provider_s_limit_is_reached_and_hardly_exceeded(
    shared: SharedState,
    refuses: Callable[[Provider, float], bool],
    ideal_s: float,
    retry_after_s: float,
) -> None:
    """At a limit of concurrency or of rate the calls take little longer than they must."""
    simulated = virtual_time.send_calls(shared, Provider(refuses), 400, 0.1, retry_after_s)
    assert simulated.seconds < ideal_s * 1.2
    assert simulated.refused < 160


def test_the_next_evaluator_begins_with_the_learned_window(
    shared: SharedState, loop: VirtualLoop
) -> None:
    """The window is stored for later evaluators and runs."""
    gate = AccountGate(pin(concurrency=64), shared, clock=loop.time)
    loop.run_until_complete(send_calls(gate, 300, 0.005, room=12))
    gate.close()
    assert AccountGate(pin(concurrency=64), shared, clock=loop.time).window == pytest.approx(
        gate.window
    )


def test_two_runs_share_an_accounts_window(
    shared: SharedState, loop: VirtualLoop, tmp_path: Path
) -> None:
    """Each process has half the window, and all of it after the other has closed."""
    first = AccountGate(pin(concurrency=32), shared, clock=loop.time)
    second = AccountGate(pin(concurrency=32), SharedState(Lake(tmp_path)), clock=loop.time)
    first.sync()
    assert (first.window, second.window) == (16, 16)
    second.close()
    second.shared.close()
    first.sync()
    assert first.window == 32


@pytest.mark.parametrize("end", ["of the evaluator", "of the run", "not yet"])
def test_a_run_asks_anew_where_the_one_that_met_an_outage_has_ended(
    end: str, shared: SharedState, loop: VirtualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider may be back; for the same run's next evaluator and other runs it is down."""
    monkeypatch.setattr(concurrency, "MET_HERE", set[str]())
    first = AccountGate(pin(), shared, clock=loop.time)
    now = loop.time()
    for number in range(first.circuit.threshold):
        first.circuit.record_failure(str(number), "connection", now)
    later = now + first.circuit.patience_s
    assert first.circuit.seconds_to_wait("probe", later) == 0.0
    assert first.circuit.seconds_to_wait("another", later) is None
    first.sync()
    if end != "not yet":
        first.close()
    if end != "of the evaluator":
        concurrency.MET_HERE.clear()
    second = AccountGate(pin(), shared, clock=loop.time)
    assert second.circuit.seconds_to_wait("q", now) == (0.0 if end == "of the run" else None)


def test_a_ceiling_is_shared_by_all_runs(
    shared: SharedState, loop: VirtualLoop, tmp_path: Path
) -> None:
    """Two runs together send no more than the share of the account's requests."""
    limits = Ceiling(requests_per_minute=1800, share=0.5)
    second = SharedState(Lake(tmp_path))
    gates = [AccountGate(pin(limits=limits), file, clock=loop.time) for file in (shared, second)]

    async def send_both() -> None:
        await asyncio.gather(*(send_calls(gate, 15) for gate in gates))

    began = loop.time()
    loop.run_until_complete(send_both())
    assert loop.time() - began >= 30 / 15 - 0.3
    second.close()


def test_limits_in_a_provider_s_headers_are_respected(
    shared: SharedState, loop: VirtualLoop
) -> None:
    """The next run, too, sends no more than the default share of them."""
    gate = AccountGate(pin(), shared, clock=loop.time)
    gate.apply_limits(Limits(requests_limit=1200, requests_left=1100))
    again = AccountGate(pin(), shared, clock=loop.time)
    began = loop.time()
    loop.run_until_complete(send_calls(again, 12))
    assert loop.time() - began >= 12 / 6 - 0.3


def test_tokens_have_a_ceiling_too(shared: SharedState, loop: VirtualLoop) -> None:
    """A call waits for the tokens it will take."""
    gate = AccountGate(
        pin(limits=Ceiling(tokens_per_minute=6000, share=0.1)), shared, clock=loop.time
    )
    began = loop.time()
    loop.run_until_complete(send_calls(gate, 2))
    assert loop.time() - began >= 20 / 10 - 0.3


def test_the_last_tenth_is_left_to_the_product(shared: SharedState, loop: VirtualLoop) -> None:
    """With less than a tenth of the account's limit left the evaluation waits for the reset."""
    gate = AccountGate(pin(), shared, clock=loop.time)
    gate.apply_limits(Limits(tokens_limit=10**9, tokens_left=10**7, tokens_reset_s=1.0))
    began = loop.time()
    loop.run_until_complete(send_calls(gate, 1))
    assert loop.time() - began >= 0.95


def test_passing_the_gate_costs_little_time(shared: SharedState) -> None:
    """Under a ceiling, with what is shared leased by the second, a call takes well under 0.2 ms."""
    gate = AccountGate(
        pin(limits=Ceiling(requests_per_minute=10**8, tokens_per_minute=10**10)), shared
    )
    asyncio.run(send_calls(gate, 10))
    began = time.process_time()
    asyncio.run(send_calls(gate, 5000))
    assert (time.process_time() - began) / 5000 < 0.0005
