"""How a model accepts batch jobs, as its pin in `models.yaml` declares it.

Batch jobs are submitted and collected in `evals.calls`.
"""

from __future__ import annotations

from pydantic import Field

from evals.specs.spec import Spec


class BatchLimits(Spec):
    """A provider's batch API for one model: half the price, answers within a day."""

    window_h: int = Field(default=24, ge=1, description="hours within which a batch is answered")
    smallest: int = Field(
        default=100, ge=1, description="`via: auto`: fewer requests than this are sent live"
    )
    max_requests: int = Field(default=50_000, ge=1, description="the most requests of one file")
    max_mb: float = Field(default=200, gt=0, description="the most megabytes of one file")
    enqueued_tokens: int | None = Field(
        default=None, ge=1, description="tokens that may wait at the provider; null: no limit known"
    )
