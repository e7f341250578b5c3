"""Guardrails at night: a policy applied to the scores of an evaluator.

The same policies in an application's request path are `evals.guard`'s.
"""

from __future__ import annotations

from evals.records import GuardVerdict, Score
from evals.specs import Guardrail


def error_action(spec: Guardrail) -> str:
    """Returns the action of a guardrail whose check failed; `none` where it fails open."""
    action = spec.on_error or str(spec.params.get("on_error", "flag"))
    return "none" if action == "allow" else action


def judge_score(score: Score, spec: Guardrail) -> GuardVerdict | None:
    """Applies a guardrail's policy to a score of the nightly run.

    Returns:
        None where the check was skipped. An error never trips the guardrail: it takes the
        `on_error` action, and its explanation begins with `not checked`.
    """
    if score.status == "skipped":
        return None
    tripped = score.status == "scored" and score.verdict == "fail"
    action, explanation = (spec.action if tripped else "none"), score.explanation
    if score.status == "error":
        action, explanation = error_action(spec), f"not checked: {score.code}"
    return GuardVerdict(
        trace_id=score.trace_id,
        night=score.night,
        app=score.app,
        guardrail=spec.guardrail,
        evaluator_version=score.evaluator_version,
        tripped=tripped,
        action=action,
        severity=spec.severity,
        explanation=explanation,
        subject=score.subject,
        subject_id=score.subject_id,
        origin=score.origin,
    )
