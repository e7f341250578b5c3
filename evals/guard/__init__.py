"""The guardrails of an application in its own request path: checks, budgets, decisions, their log.

What a check looks at is `evals.evaluators`'; the night applies the same policies to its scores.
"""

from evals.guard.decisions import Blocked, Decision, GuardResult
from evals.guard.request_path import Guard

__all__ = ["Blocked", "Decision", "Guard", "GuardResult"]
