"""Times the guard in the request path: checks by code and by classifier on usual answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from evals.evaluators import resolution
from evals.guard import Guard
from evals.specs import App, Catalog, Guardrail

ANSWER = (
    "The parcel 1234 was sent on Monday from the depot in Leipzig and will arrive on Thursday,"
    " said the carrier, unless the roads are closed again. Please have your papers ready. "
) * 8
CHECKS: dict[str, dict[str, Any]] = {
    "pii": {},
    "secrets": {},
    "language": {"params": {"expected": ["en"]}},
    "toxicity": {},
    "prompt_injection": {"reads": ["input", "context"]},
    "copied": {"params": {"source": True, "words": 400}},
    "system_prompt_leak": {"params": {"prompt": "You are the assistant of the shop. " * 9}},
    "topics": {"params": {"topics": {"politics": ["election"]}}},
    "marked_spans": {},
    "supported": {},
}


def time_requests(count: int = 300) -> float:
    """Returns the 95th percentile of a request's milliseconds of CPU with ten guardrails."""
    rules = tuple(
        resolution.build_guardrail(
            Catalog(root=Path("catalog")),
            App(app="a"),
            Guardrail.model_validate({"guardrail": name, "question": "q", "check": name, **spec}),
        )
        for name, spec in CHECKS.items()
    )
    guard = Guard(rules)
    guard.warm_up()
    spent: list[float] = []
    for n in range(count):
        began = time.thread_time()
        guard.check(f"{ANSWER} {n}", input=f"Where is parcel {n}?", context=ANSWER[:800])
        spent.append((time.thread_time() - began) * 1000)
    return sorted(spent)[int(count * 0.95)]
