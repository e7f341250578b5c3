"""How many answers people are asked to read, and what for.

How a night's queue is drawn is decided in `evals.labels.review_queue`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evals.specs.spec import Spec

Reason = Literal[
    "failed", "uncertain", "disagree", "guard", "outlier", "topic", "complaint", "incident"
]
"""Why an answer is worth reading, beside the random floor."""


class ReviewQueue(Spec):
    """The answers of a night that people are asked to read."""

    size: int = Field(default=20, ge=0, description="answers a night; 0: none")
    floor: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="the share drawn at random from all answers; the rest goes to those with a "
        "reason",
    )
    shares: dict[Reason, Annotated[float, Field(ge=0)]] = Field(
        default={},
        description="how much of that rest each reason gets, relative to the others; a reason that "
        "is not named has 1, `failed` 4; 0: none",
    )
    double: float = Field(
        default=0.1, ge=0, le=1, description="the share that two people judge, not one"
    )

    def get_share(self, reason: Reason) -> float:
        """Returns how much of the rest a reason gets, relative to the others."""
        return self.shares.get(reason, 4.0 if reason == "failed" else 1.0)
