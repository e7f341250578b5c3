"""Answers that a judge is asked about again, which show whether the judge itself changed.

Which answers those are is decided in `evals.worklist.anchors`.
"""

from __future__ import annotations

from pydantic import Field

from evals.specs.spec import Spec


class Anchors(Spec):
    """How many answers of earlier nights judges are asked about again."""

    changed: int = Field(
        default=200,
        ge=0,
        le=5000,
        description="of a judge with another version, once, on its first night; at most as many as "
        "the night has itself, and as many more that have a label in the test split; 0: none",
    )
    nightly: int = Field(
        default=10,
        ge=0,
        le=500,
        description="of a judge whose version is the same, each night from its eighth on; at most "
        "a tenth of the night's own; none of a model whose weights are pinned by a digest; 0: none",
    )
