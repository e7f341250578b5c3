"""Suites of binary checks, judges and guardrails, as a team declares them.

What a check does lives with the evaluators.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evals.specs.call_limits import Sample
from evals.specs.spec import NAME, Name, Reads, Spec


class Check(Spec):
    """One binary evaluator named in a suite."""

    assertion: str | None = Field(
        default=None, description="code that says what an output must be like"
    )
    reference: str | None = Field(default=None, description="a comparison with gold")
    judge: str | None = Field(default=None, description="a judge in `judges/`")
    params: dict[str, Any] = Field(default={}, description="what the check takes")
    gold: str | None = Field(default=None, description="a gold set in `gold/`, or `labels`")

    @model_validator(mode="after")
    def one_way(self) -> Check:
        """A check is one thing."""
        if sum(x is not None for x in (self.assertion, self.reference, self.judge)) != 1:
            raise ValueError("a check has exactly one of `assertion`, `reference` and `judge`")
        return self


class Dimension(Spec):
    """One attribute of quality, asked of every trace it covers."""

    dimension: Name = Field(pattern=NAME)
    question: str = Field(description="what is asked, in a sentence a newcomer knows")
    check: Check | None = Field(default=None, description="who answers; null: recorded ones only")
    where: str | None = Field(default=None, description="a SQL predicate over the trace's columns")
    target: float | None = Field(default=None, ge=0, le=1, description="the rate the team wants")
    sample: Annotated[float, Field(gt=0, le=1)] | Sample | None = Field(
        default=None,
        description="the share of traces it is asked of, or more of it; null: every trace, of a "
        "judge 1,000 a night",
    )
    labels: str | None = Field(default=None, description="the dimension name its labels use")
    mapping: dict[str, Literal["pass", "fail", "skip"]] = Field(
        default={"pass": "pass", "fail": "fail"},
        alias="map",
        description="the labels' words as pass, fail or skip; another word is an error",
    )
    recorded: bool = Field(
        default=False, description="show recorded judges, rules and adjudications"
    )
    gate: bool = Field(default=True, description="whether it may decide the night")
    version: int = Field(default=1, description="raised to score anew what no other key changed")


class Suite(Spec):
    """The dimensions of one application, in `suites/NAME.yaml`."""

    suite: Name = Field(pattern=NAME)
    dimensions: tuple[Dimension, ...] = Field(description="in the order of the report")


class Example(Spec):
    """One labelled example inside a judge's frozen pool."""

    input: str = ""
    context: str | None = None
    output: str = ""
    verdict: Literal["pass", "fail"]
    critique: str = ""


class Judge(Spec):
    """A question to a pinned model, in `judges/NAME.yaml`."""

    judge: Name = Field(pattern=NAME)
    asks: str = Field(description="its question, for people")
    model: Name = Field(description="a pin in `models.yaml`")
    system: str = Field(description="its instructions")
    reads: tuple[Reads, ...] = Field(default=("input", "output"), description="what it is shown")
    mode: Literal["schema", "logprobs"] = Field(
        default="schema", description="critique and verdict as JSON, or P(yes) of one word"
    )
    via: Literal["live", "batch", "auto"] = Field(
        default="live",
        description="one call at a time; in batches at half the price and within a day; or "
        "whichever meets the catalog's `deadline_h`",
    )
    threshold: float = Field(
        default=0.5, ge=0, le=1, description="logprobs: P(yes) that counts as pass"
    )
    temperature: float = Field(default=0.0, description="sent with each call")
    seed: int = Field(default=1, description="sent with each call")
    repeats: int = Field(
        default=1,
        ge=1,
        le=20,
        description="how often the same request is sent, seed and all, to measure the judge's own "
        "noise; the verdict stays the first answer's; raising it pays for the further answers only",
    )
    max_tokens: int = Field(default=300, ge=1, description="the longest answer")
    max_chars: int = Field(
        default=60_000, ge=100, description="the longest field it is shown, in characters"
    )
    too_long: Literal["error", "cut"] = Field(
        default="error",
        description="what becomes of a longer one: an error, for a judge must not pass what it "
        "was not shown; or its middle is cut out",
    )
    examples: tuple[Example, ...] = Field(default=(), description="its frozen few-shot pool")
    version: int = Field(default=1, description="raised to score anew without asking again")


class Guardrail(Spec):
    """A reference-free check with an action, in `guardrails/NAME.yaml`."""

    guardrail: Name = Field(pattern=NAME)
    question: str = Field(description="what is asked, in a sentence a newcomer knows")
    check: Literal["language", "pii", "secrets"] = Field(description="which detector")
    reads: tuple[Reads, ...] = Field(default=("output",), description="what it looks at")
    action: Literal["block", "redact", "flag"] = Field(
        default="flag", description="what an answer that trips it calls for"
    )
    severity: Literal["low", "medium", "high"] = Field(
        default="medium", description="shown with its verdicts"
    )
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")
    params: dict[str, Any] = Field(default={}, description="what the check takes")
    version: int = Field(default=1, description="raised to score anew what no other key changed")
