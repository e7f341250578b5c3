"""A breaker between the runner and a provider that is down, or that serves this account no more.

Pure: told what happened and when, it says whether to ask. `concurrency` sets limits and pace.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DOWN_CODES = frozenset({"connection", "timeout", "server-error", "malformed-response"})
"""Codes that may mean that nobody is there."""
PROVIDER_DOWN = "provider-down"
OTHER_MODEL = "other-model"
"""No question's but the model's: it is paid for, and asking on would only pay more."""
ACCOUNT_CODES = frozenset({"quota-exhausted", "not-authorised", OTHER_MODEL})
"""Codes that are no question's but the account's or its model's: what one is told, all will be."""
FINAL_AT_ONCE = "quota-exhausted"
"""Heard once, it closes the account for the run; the others need `threshold` questions."""
RATE_LIMITED = "rate-limited"
"""`Not now`: no failure, unless it is all that some questions hear until their deadlines."""
RUN_ENDING = ACCOUNT_CODES | {RATE_LIMITED}
"""Codes that, once they are not one question's, hold to the end of a run."""


@dataclass
class CircuitBreaker:
    """Opens after so many questions failed with none answered between; then one probes."""

    threshold: int = 8
    """Different questions: one that is tried again and again says nothing of the others."""
    probe_s: float = 1.0
    """Seconds to the first probe; each further one waits twice as long."""
    patience_s: float = 30.0
    """Seconds a provider may be down before questions are given up."""
    rest_s: float = 30.0
    """Seconds after giving up until it is tried again."""
    failing: set[str] = field(default_factory=set[str])
    opened_at: float | None = None
    probe_at: float = 0.0
    pause_s: float = 0.0
    probing: str | None = None
    down_until: float = 0.0
    refused: set[str] = field(default_factory=set[str])
    reason: str = PROVIDER_DOWN
    """The code of a question that is given up; one of `RUN_ENDING` holds to the end of the run."""

    def seconds_to_wait(self, key: str, now: float) -> float | None:
        """Seconds a question has to wait; 0: ask; None: give it up, and `reason` has the code."""
        if self.reason in RUN_ENDING:
            return None
        if self.opened_at is None:
            return 0.0
        if self.probing == key or (now >= self.probe_at and self.probing is None):
            self.probing = key
            return 0.0
        if now < self.down_until:
            return None
        if now - self.opened_at >= self.patience_s:
            self.probe_at = self.down_until = now + self.rest_s
            return None
        return max(self.probe_at - now, 0.05)

    def record_success(self) -> None:
        """An answer, of whatever kind: somebody is there."""
        self.refused.clear()
        self.reset()

    def reset(self) -> None:
        """Somebody is there, be it to say `not now`."""
        self.failing.clear()
        self.opened_at, self.probing, self.pause_s, self.down_until = None, None, 0.0, 0.0

    def record_failure(self, key: str, code: str, now: float) -> None:
        """A call that failed; codes other than `DOWN_CODES` and `ACCOUNT_CODES` are answers."""
        if code in ACCOUNT_CODES:
            self.record_refusal(key, code)
            return
        if code == RATE_LIMITED:
            self.reset()
            return
        if code not in DOWN_CODES:
            self.record_success()
            return
        self.failing.add(key)
        if self.opened_at is None and len(self.failing) >= self.threshold:
            self.opened_at, self.probing, self.pause_s = now, None, self.probe_s
            self.probe_at = now + self.pause_s
        elif self.opened_at is not None and self.probing == key:
            self.probing, self.pause_s = None, self.pause_s * 2
            self.probe_at = now + self.pause_s

    def record_give_up(self, key: str, code: str) -> None:
        """A question's time is over; what it heard last counts where that was `not now`."""
        if code == RATE_LIMITED:
            self.record_refusal(key, code)

    def record_refusal(self, key: str, code: str) -> None:
        """The account was refused a question: after some of them, it is refused the rest."""
        self.refused.add(key)
        if code == FINAL_AT_ONCE or len(self.refused) >= self.threshold:
            self.reason = code

    def adopt_outage(self, down_until: float, now: float) -> None:
        """Another run has given the provider up: so does this one, until it is tried again."""
        if down_until > now and self.opened_at is None:
            self.opened_at, self.down_until, self.probe_at = now, down_until, down_until
            self.pause_s = self.probe_s
