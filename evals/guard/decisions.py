"""What guardrails decide on one request, and how a decision is written into a trace.

Which checks run is `request_path`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from evals.evaluators.guardrails import error_action
from evals.evaluators.protocol import Result
from evals.records import Failure, Json, Skip
from evals.specs import Guardrail

Action = Literal["none", "flag", "redact", "block"]
ACTIONS: tuple[Action, ...] = ("none", "flag", "redact", "block")
"""From the mildest to the strongest."""
METADATA_KEY = "guard"
"""The key of a trace's metadata that holds a decision."""


class GuardResult(NamedTuple):
    """What one guardrail decided on one request."""

    guardrail: str
    tripped: bool
    action: str
    """`none`, `flag`, `redact` or `block`."""
    severity: str
    explanation: str
    error: str | None = None
    """Why it could not be checked, or did not apply (`skipped: …`); null where it was checked."""
    value: float | None = None
    """The check's graded score, where it has one."""
    ms: float | None = None
    """How long the check took, in milliseconds; null where it did not run or did not finish."""
    version: str = ""
    """The evaluator's version, as in the nightly report."""

    def as_metadata(self) -> dict[str, Json]:
        """Returns the result as a trace's metadata holds it; absent values are left out."""
        given = self._asdict().items()
        return {name: value for name, value in given if value not in (None, "")}


@dataclass(frozen=True)
class Decision:
    """What may leave the application, and why. Iterates over the guardrails' results."""

    trace_id: str
    text: str | None
    """The output, redacted where a guardrail demands it; None: blocked, or not given."""
    results: tuple[GuardResult, ...]
    input: str | None = None
    """The input, redacted where a guardrail over it demands it; None where it was not given."""

    @property
    def action(self) -> Action:
        """The strongest action of its results."""
        taken = {result.action for result in self.results}
        strongest: list[Action] = [action for action in ACTIONS if action in taken]
        return strongest[-1] if strongest else "none"

    @property
    def blocked(self) -> bool:
        """Whether the answer may not leave the application."""
        return self.action == "block"

    @property
    def allowed(self) -> bool:
        """Whether the answer may leave the application, as `text` has it."""
        return not self.blocked

    @property
    def reason(self) -> str:
        """Why it is blocked or redacted, or what was flagged; empty where nothing was."""
        taken = (r for r in self.results if r.action != "none" and r.action == self.action)
        return "; ".join(f"{r.guardrail}: {r.error or r.explanation or 'tripped'}" for r in taken)

    def as_metadata(self) -> dict[str, Json]:
        """Returns what the request's trace has in `metadata.guard`, which the night audits."""
        return {"action": self.action, "results": [r.as_metadata() for r in self.results]}

    def __iter__(self) -> Iterator[GuardResult]:
        """Iterates over the results, in the order of the guardrails' names."""
        return iter(self.results)

    def __len__(self) -> int:
        """Counts the guardrails that had something to check."""
        return len(self.results)

    def __bool__(self) -> bool:
        """Whether it is allowed."""
        return self.allowed


class Blocked(Exception):
    """An answer that guardrails block, where a function has no fallback."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason)
        self.decision = decision


def apply_policy(
    spec: Guardrail, result: Result, *, ms: float | None = None, version: str = ""
) -> GuardResult:
    """Applies a guardrail's policy to a check's result."""
    about = (None, ms, version)
    if isinstance(result, Failure):
        error = f"{result.code}: {result.message}"
        return GuardResult(
            spec.guardrail, False, error_action(spec), spec.severity, "", error, *about
        )
    if isinstance(result, Skip):
        skipped = f"skipped: {result.reason}"
        return GuardResult(spec.guardrail, False, "none", spec.severity, "", skipped, *about)
    return GuardResult(
        spec.guardrail,
        not result.passed,
        "none" if result.passed else spec.action,
        spec.severity,
        result.explanation,
        value=result.value,
        ms=ms,
        version=version,
    )


def merge_results(
    before: Iterable[GuardResult], after: Iterable[GuardResult]
) -> tuple[GuardResult, ...]:
    """Returns one result of each guardrail by name: of two, the later or the stronger one."""
    merged = {result.guardrail: result for result in before}
    for result in after:
        earlier = merged.get(result.guardrail)
        if earlier is None or rank(result) >= rank(earlier):
            merged[result.guardrail] = result
    return tuple(merged[name] for name in sorted(merged))


def rank(result: GuardResult) -> int:
    """Returns how strong a result's action is."""
    return [*ACTIONS].index(cast("Action", result.action))
