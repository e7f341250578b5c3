"""Promises of the breaker: a blip is waited out, and an outage ends the night's calls."""

import pytest

from evals.calls.circuit_breaker import CircuitBreaker


def open_breaker(circuit: CircuitBreaker, now: float = 0.0) -> CircuitBreaker:
    """Opens a circuit breaker by `threshold` failed questions."""
    for number in range(circuit.threshold):
        circuit.record_failure(f"q{number}", "connection", now)
    return circuit


def test_a_few_failures_leave_it_closed() -> None:
    """Repeated failures of one question do not open the breaker."""
    circuit = CircuitBreaker(threshold=3)
    for _ in range(20):
        circuit.record_failure("q", "server-error", 0.0)
    assert circuit.seconds_to_wait("other", 1.0) == 0.0


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    """Only failures without an answer between them open it; a refused request is an answer."""
    circuit = CircuitBreaker(threshold=3)
    for number in range(20):
        circuit.record_failure(f"q{number}", "connection", 0.0)
        if number % 2:
            circuit.record_failure("x", "refused-request", 0.0)
    assert circuit.seconds_to_wait("other", 1.0) == 0.0


def test_an_open_breaker_lets_one_question_probe() -> None:
    """After the pause one question probes while the others wait; its success closes the breaker."""
    circuit = open_breaker(CircuitBreaker())
    assert circuit.seconds_to_wait("a", 0.5) == 0.5
    assert circuit.seconds_to_wait("a", 1.0) == 0.0
    assert circuit.seconds_to_wait("b", 1.0) == 0.05
    circuit.record_success()
    assert circuit.seconds_to_wait("b", 1.0) == 0.0


def test_calls_that_were_under_way_when_it_opened_are_no_probes() -> None:
    """The first probe comes after a second, however many calls fail late."""
    circuit = open_breaker(CircuitBreaker())
    for number in range(100):
        circuit.record_failure(f"late{number}", "connection", 0.5)
    assert circuit.seconds_to_wait("a", 0.9) == pytest.approx(0.1)
    assert circuit.seconds_to_wait("a", 1.0) == 0.0, "the probe"
    circuit.record_failure("late", "connection", 1.1)
    assert circuit.seconds_to_wait("b", 1.2) == pytest.approx(0.05), "still on its way"
    circuit.record_success()
    assert circuit.seconds_to_wait("b", 1.3) == 0.0


def test_a_provider_that_stays_down_is_probed_again_later() -> None:
    """After `patience_s` questions are given up at once; after `rest_s` one probes."""
    circuit = open_breaker(CircuitBreaker(patience_s=10.0, rest_s=30.0))
    now = 0.0
    while (wait := circuit.seconds_to_wait("a", now)) is not None:
        if wait == 0.0:
            circuit.record_failure("a", "connection", now)
        now += 0.5
        assert now < 20.0
    assert 10.0 <= now < 20.0
    assert circuit.seconds_to_wait("b", now + 1.0) is None
    assert circuit.seconds_to_wait("b", circuit.down_until) == 0.0
    circuit.record_success()
    assert circuit.seconds_to_wait("c", now) == 0.0


def test_an_outage_seen_by_another_run_counts_here() -> None:
    """A run adopts an outage that another run detected."""
    circuit = CircuitBreaker()
    circuit.adopt_outage(down_until=100.0, now=50.0)
    assert circuit.seconds_to_wait("a", 60.0) is None
    assert circuit.seconds_to_wait("a", 100.0) == 0.0
