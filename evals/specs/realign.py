"""What may be spent on candidates for a judge, and what proposes them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from evals.specs.spec import Name, Spec


class Realign(Spec):
    """How candidates for a judge are made from people's labels."""

    max_calls: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="the most calls that one run may make for the candidates of a judge, within "
        "the day's budget; 0: only candidates that need no call, such as a threshold, are measured",
    )
    model: Name | None = Field(
        default=None,
        description="a pin in `models.yaml` that may write a judge's instructions anew; null: "
        "critiques are added as they are",
    )
    optimizer: Literal["gepa"] | None = Field(
        default=None,
        description="what improves the instructions step by step: `gepa` (extra `andon[gepa]`) "
        "needs `model` and `max_calls`; null: nothing",
    )

    @model_validator(mode="after")
    def check_optimizer(self) -> Self:
        """Refuses an optimizer without a model to write, or without calls to spend."""
        if self.optimizer and not self.model:
            raise ValueError("`optimizer` needs `model`: a pin that writes the instructions")
        if self.optimizer and not self.max_calls:
            raise ValueError("`optimizer` needs `max_calls`: how many calls a run may spend")
        return self
