"""A breaker between the runner and a provider that is down, or that serves this account no more.

Pure: told what happened and when, it says whether to ask. Limits and pace are `manners`'.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DOWN = frozenset({"connection", "timeout", "server-error", "malformed-response"})
"""Codes that may mean that nobody is there."""
GIVEN_UP = "provider-down"
OTHER_MODEL = "other-model"
"""No question's but the model's: it is paid for, and asking on would only pay more."""
SHUT = frozenset({"quota-exhausted", "not-authorised", OTHER_MODEL})
"""Codes that are no question's but the account's or its model's: what one is told, all will be."""
AT_ONCE = "quota-exhausted"
"""Said once it holds for the run; the others may be one question's, and count as `DOWN` does."""
TOO_MANY = "rate-limited"
"""`Not now`: no failure, unless it is all that some questions hear until their deadlines."""
ENDS_RUN = SHUT | {TOO_MANY}
"""Codes that, once they are not one question's, hold to the end of a run."""


@dataclass
class Circuit:
    """Opens after so many questions failed with none answered between; then one probes."""

    threshold: int = 8
    """Different questions: one that is tried again and again says nothing of the others."""
    probe_s: float = 1.0
    """Seconds to the first probe; each further one waits twice as long."""
    patience_s: float = 30.0
    """Seconds a provider may be down before questions are given up."""
    rest_s: float = 30.0
    """Seconds after giving up until it is tried again."""
    failing: set[str] = field(default_factory=set)
    opened_at: float | None = None
    probe_at: float = 0.0
    pause_s: float = 0.0
    probing: str | None = None
    down_until: float = 0.0
    refused: set[str] = field(default_factory=set)
    why: str = GIVEN_UP
    """The code of a question that is given up; one of `ENDS_RUN` holds to the end of the run."""

    def wait_s(self, key: str, now: float) -> float | None:
        """Seconds a question has to wait; 0: ask; None: give it up, and `why` says why."""
        if self.why in ENDS_RUN:
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

    def succeeded(self) -> None:
        """An answer, of whatever kind: somebody is there."""
        self.refused.clear()
        self.close()

    def close(self) -> None:
        """Somebody is there, be it to say `not now`."""
        self.failing.clear()
        self.opened_at, self.probing, self.pause_s, self.down_until = None, None, 0.0, 0.0

    def failed(self, key: str, code: str, now: float) -> None:
        """A call that failed; other codes than `DOWN` and `SHUT` are answers."""
        if code in SHUT:
            self.refuse(key, code)
            return
        if code == TOO_MANY:
            self.close()
            return
        if code not in DOWN:
            self.succeeded()
            return
        self.failing.add(key)
        if self.opened_at is None and len(self.failing) >= self.threshold:
            self.opened_at, self.probing, self.pause_s = now, None, self.probe_s
            self.probe_at = now + self.pause_s
        elif self.opened_at is not None and self.probing == key:
            self.probing, self.pause_s = None, self.pause_s * 2
            self.probe_at = now + self.pause_s

    def gave_up(self, key: str, code: str) -> None:
        """A question's time is over; what it heard last counts where that was `not now`."""
        if code == TOO_MANY:
            self.refuse(key, code)

    def refuse(self, key: str, code: str) -> None:
        """The account was refused a question: after some of them, it is refused the rest."""
        self.refused.add(key)
        if code == AT_ONCE or len(self.refused) >= self.threshold:
            self.why = code

    def hear(self, down_until: float, now: float) -> None:
        """Another run has given the provider up: so does this one, until it is tried again."""
        if down_until > now and self.opened_at is None:
            self.opened_at, self.down_until, self.probe_at = now, down_until, down_until
            self.pause_s = self.probe_s
