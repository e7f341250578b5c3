"""A circuit breaker for a provider that is down or refuses the account.

Pure: the caller passes the time and the outcome of each call. `concurrency` sets limits and pace.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from evals.models.faults import SETUP_CODES

DOWN_CODES = frozenset(
    {
        "connection", "unknown-host", "bad-certificate", "web-page",
        "timeout", "server-error", "malformed-response",
    }
)  # fmt: skip
"""Error codes that may mean that the provider is down."""
PROVIDER_DOWN = "provider-down"
ACCOUNT_CODES = SETUP_CODES
"""Error codes that concern the account, its model or the pin: all further calls would fail, too."""
MODEL_CODES = ACCOUNT_CODES - {"quota-exhausted", "not-authorised"}
"""Those of one model, or of the way in which it is asked; another one may work."""
FINAL_AT_ONCE = "quota-exhausted"
"""The account code that ends the run's calls at once; the others need `threshold` questions."""
RATE_LIMITED = "rate-limited"
"""Ends the run's calls once nothing else was answered for `refused_s`, or once `threshold`
questions were still rate-limited at their deadlines."""
RUN_ENDING = ACCOUNT_CODES | {RATE_LIMITED}
"""Codes that, once they are the reason for giving up, last to the end of the run."""


@dataclass
class CircuitBreaker:
    """Opens after `threshold` questions failed in a row; one question at a time then probes."""

    threshold: int = 8
    """Number of different questions; retries of one question count once."""
    most_refusals: int | None = None
    """Number of different questions that the account may refuse; None: `threshold`."""
    probe_s: float = 1.0
    """Seconds to the first probe; doubled after each failed probe."""
    patience_s: float = 30.0
    """Seconds a provider may be down before questions are given up."""
    rest_s: float = 30.0
    """Seconds from giving up to the next probe."""
    refused_s: float = 300.0
    """Seconds for which a provider may answer with rate limits alone."""
    refused_since: float | None = None
    """When the first rate limit came since the last answer."""
    failing: set[str] = field(default_factory=set[str])
    opened_at: float | None = None
    probe_at: float = 0.0
    pause_s: float = 0.0
    probing: str | None = None
    down_until: float = 0.0
    refused: set[str] = field(default_factory=set[str])
    reason: str = PROVIDER_DOWN
    """The code of questions that are given up; one of `RUN_ENDING` lasts to the end of the run."""

    def seconds_to_wait(self, key: str, now: float) -> float | None:
        """Returns the seconds a question has to wait; None: give it up, for `reason`."""
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
        """Records an answer of any kind, which shows that the provider works."""
        self.refused.clear()
        self.refused_since = None
        self.reset()

    def reset(self) -> None:
        """Closes the breaker: the provider responds, even if it only limits the rate."""
        self.failing.clear()
        self.opened_at, self.probing, self.pause_s, self.down_until = None, None, 0.0, 0.0

    def record_failure(self, key: str, code: str, now: float) -> None:
        """Records a failed call.

        Codes other than `RATE_LIMITED`, `DOWN_CODES` and `ACCOUNT_CODES` count as answers.
        """
        if code in ACCOUNT_CODES:
            self.record_refusal(key, code)
            return
        if code == RATE_LIMITED:
            self.reset()
            self.refused_since = now if self.refused_since is None else self.refused_since
            if now - self.refused_since >= self.refused_s:
                self.reason = code
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
        """Records a question given up; counts as a refusal if its last error was a rate limit."""
        if code == RATE_LIMITED:
            self.record_refusal(key, code)

    def record_refusal(self, key: str, code: str) -> None:
        """Records that the account was refused; enough refusals end the calls of the run."""
        self.refused.add(key)
        if code == FINAL_AT_ONCE or len(self.refused) >= (self.most_refusals or self.threshold):
            self.reason = code

    def adopt_outage(self, down_until: float, now: float) -> None:
        """Adopts an outage that another run detected, until the next probe."""
        if down_until > now and self.opened_at is None:
            self.opened_at, self.down_until, self.probe_at = now, down_until, down_until
            self.pause_s = self.probe_s
