"""Pinned models and what they cost, as `models.yaml` declares them.

Whether a pin holds and how a model is asked is told in `evals.models`.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from evals.specs.asking import Ceiling
from evals.specs.spec import NAME, Name, Spec


class Price(Spec):
    """What a million tokens cost from a date on."""

    since: date = Field(description="the first night it is in force")
    input: float = Field(ge=0, description="US dollars per million input tokens")
    output: float = Field(ge=0, description="US dollars per million output tokens")


class ModelPin(Spec):
    """One pinned model, in `models.yaml` under its short name."""

    name: Name = Field(pattern=NAME)
    provider: Literal["openai", "embedded"] = Field(
        default="openai", description="who serves it: an OpenAI-compatible API, or this process"
    )
    model: str = Field(description="the pinned id asked for, or the weights' file name")
    base_url: str | None = Field(
        default=None, description="an OpenAI-compatible server; null: OpenAI"
    )
    api_key_env: str = Field(
        default="OPENAI_API_KEY", description="the variable that holds the key"
    )
    package: str | None = Field(
        default=None, description="embedded: the package that ships the weights"
    )
    sha256: str | None = Field(
        default=None, description="embedded: the weights' digest, the pin itself"
    )
    prices: tuple[Price, ...] = Field(default=(), description="what it costs, from a date on")
    expires: date | None = Field(default=None, description="the last day the provider serves it")
    concurrency: int = Field(default=16, ge=1, le=512, description="calls under way at once")
    timeout_s: float = Field(default=60, gt=0, description="seconds a call may take")
    deadline_s: float = Field(
        default=300, gt=0, description="seconds a question may take, with all its retries"
    )
    limits: Ceiling = Field(default=Ceiling(), description="what of its account may be used")

    @model_validator(mode="after")
    def embedded_is_pinned(self) -> ModelPin:
        """Weights are pinned by their digest."""
        if self.provider == "embedded" and not (self.package and self.sha256):
            raise ValueError("an embedded model needs `package` and `sha256`")
        return self

    def price_on(self, night: date) -> Price | None:
        """The price in force that night, or None when the catalog knows none."""
        known = [price for price in self.prices if price.since <= night]
        return max(known, key=lambda price: price.since) if known else None
