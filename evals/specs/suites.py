"""Suites of binary checks, judges and guardrails, as a team declares them.

What a check does is in `evals.evaluators`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from evals.records import AnnotatorKind, Json
from evals.specs.call_limits import Sample
from evals.specs.label_rules import LabelRules, Meaning, Pool, refuse_contradiction
from evals.specs.realign import Realign
from evals.specs.spec import NAME, Name, Reads, Spec

EXPECTED_CHECK = "expected one evaluator, such as `assertion: contains`"
LABELS, PREVIOUS = "labels", "previous"
"""Gold that is in no file of `gold/`: the gold values that came with labels, and what the prompt
before answered to the same input."""
BY_PEOPLE = "; where people judge, leave `check` out and write `recorded: true`"


class Check(Spec):
    """One binary evaluator named in a suite: `KIND: NAME`, its params, and its gold."""

    kind: str = Field(pattern=NAME)
    """Its key in the suite, such as `assertion` or `judge`."""
    name: str
    params: dict[str, Any] = Field(default={}, description="what the check takes")
    gold: str | None = Field(
        default=None,
        description="a gold set in `gold/`; `labels`; or `previous`, what the prompt before "
        "answered to the same input",
    )

    @model_validator(mode="before")
    @classmethod
    def read_kind(cls, value: Json) -> Json:
        """Takes the one key that is neither `params` nor `gold` as the kind."""
        if not isinstance(value, dict):
            raise ValueError(f"{EXPECTED_CHECK}; found `{value}`{BY_PEOPLE}")
        if {"kind", "name"} <= value.keys():
            return value
        keys = [key for key in value if key not in ("params", "gold")]
        named = [key for key in keys if value[key] is not None]
        if len(named) != 1:
            names = f"found {', '.join(map(str, keys))}" if keys else "found none"
            raise ValueError(f"{EXPECTED_CHECK}; {names}")
        kind, name = named[0], value[named[0]]
        if type(kind) is not str or type(name) is not str:
            found = f"`{kind}: {json.dumps(name, default=str)}`"
            raise ValueError(f"{EXPECTED_CHECK}, both of them words; found {found}{BY_PEOPLE}")
        rest = {key: value[key] for key in ("params", "gold") if key in value}
        return {"kind": kind, "name": name, **rest}

    def name_of(self, kind: str) -> str | None:
        """Returns its name under a kind's key; None where it is of another kind."""
        return self.name if self.kind == kind else None


class SliceGate(Spec):
    """When a slice of a dimension decides for itself."""

    target: float | None = Field(default=None, ge=0, le=1, description="the rate the team wants")
    max_drop: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="the smallest drop that matters; null: the dimension's",
    )
    min_answers: int | None = Field(
        default=None, ge=1, description="answers that its target needs; null: the dimension's"
    )


class Dimension(Spec):
    """One attribute of quality, evaluated on every trace it covers."""

    dimension: Name = Field(pattern=NAME)
    question: str = Field(description="its question, in a sentence that a newcomer understands")
    check: Check | None = Field(
        default=None, description="what evaluates it; null: recorded verdicts only"
    )
    subject: Literal["trace", "session"] = Field(
        default="trace",
        description="what it evaluates: each trace, or each session as a whole, whose `messages` "
        "are then the conversation, `steps` those of all turns, `input` the first and `output` the "
        "last",
    )
    where: str | None = Field(
        default=None,
        description="a SQL predicate over the trace's columns, or over those of a session's last "
        "turn",
    )
    target: float | None = Field(default=None, ge=0, le=1, description="the rate the team wants")
    max_drop: float | None = Field(
        default=None, gt=0, lt=1, description="the smallest drop that matters; null: the gate's"
    )
    min_answers: int | None = Field(
        default=None, ge=1, description="answers that its target needs; null: the gate's"
    )
    slices: dict[str, SliceGate] = Field(
        default={},
        description="slices that decide beside the whole, by name as the report shows it, each "
        "with a `target` and a `max_drop` of its own",
    )
    sample: Annotated[float, Field(gt=0, le=1)] | Sample | None = Field(
        default=None,
        description="the share of traces it evaluates, or `rate`, `at_most` and `strata`; null: "
        "every trace, of a judge 1,000 a night",
    )
    labels: str | None = Field(default=None, description="the dimension name its labels use")
    mapping: dict[str, Meaning] = Field(
        default={"pass": "pass", "fail": "fail"},
        alias="map",
        description="the labels' words, without case and surrounding spaces, as pass, fail or "
        "skip; another word is an error. A key such as `>= 4` is compared with numbers, and a list "
        "is read tag by tag",
    )
    maps: dict[AnnotatorKind, dict[str, Meaning]] = Field(
        default={},
        description="another map for a kind of annotator (`human`, `adjudicated`, `judge`, `rule`)",
    )
    pool: Pool = Field(
        default="majority",
        description="several annotators of one answer: the majority, or the `worst` of their "
        "verdicts",
    )
    unlabelled: Literal["pass", "fail"] | None = Field(
        default=None,
        description="what it means that no person labelled an answer; null: nothing",
    )
    min_coverage: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the share of the night's answers that must be judged before its rows decide: "
        "of all answers for people's row, of the sampled ones for an evaluator; null: 0.9 for "
        "people, the gate's `min_coverage` for evaluators",
    )
    recorded: bool = Field(
        default=False, description="show recorded judges, rules and adjudications"
    )
    gate: bool = Field(default=True, description="whether it may gate the night")
    version: int = Field(default=1, description="raised to score again where no other key changed")

    @field_validator("mapping")
    @classmethod
    def check_map(cls, value: dict[str, Meaning]) -> dict[str, Meaning]:
        """Refuses a map that contradicts itself."""
        refuse_contradiction(value)
        return value

    @field_validator("maps")
    @classmethod
    def check_maps(
        cls, value: dict[AnnotatorKind, dict[str, Meaning]]
    ) -> dict[AnnotatorKind, dict[str, Meaning]]:
        """Refuses maps that contradict themselves."""
        for mapping in value.values():
            refuse_contradiction(mapping)
        return value

    @model_validator(mode="after")
    def check_subject(self) -> Self:
        """Refuses recorded verdicts on sessions: each is of a single trace."""
        if self.recorded and self.subject != "trace":
            raise ValueError("`recorded` verdicts are of single traces; leave `subject` out")
        return self

    @property
    def label_rules(self) -> LabelRules:
        """How its labels are read."""
        return LabelRules(
            map={**self.mapping},
            maps={kind: {**mapping} for kind, mapping in self.maps.items()},
            pool=self.pool,
            unlabelled=self.unlabelled,
        )

    @property
    def labels_name(self) -> str:
        """The dimension name that its labels use."""
        return self.labels or self.dimension


class DefaultDimension(Dimension):
    """A dimension that an application has without a suite; its own `gate` alone decides."""


class Suite(Spec):
    """The dimensions of one application, in `suites/NAME.yaml`."""

    suite: Name = Field(pattern=NAME)
    dimensions: tuple[Dimension, ...] = Field(description="in the order of the report")

    def list_checks(self, kind: str) -> list[str]:
        """Lists the evaluators of a kind that its dimensions name."""
        checks = (dimension.check for dimension in self.dimensions)
        return [name for check in checks if check and (name := check.name_of(kind))]


class Example(Spec):
    """One labelled example of a judge's frozen pool."""

    input: str = ""
    context: str | None = None
    output: str = ""
    verdict: Literal["pass", "fail"]
    critique: str = ""


class Judge(Spec):
    """A question to a pinned model, in `judges/NAME.yaml`."""

    judge: Name = Field(pattern=NAME)
    asks: str = Field(description="its question, as people read it")
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
        description="how often the same request is sent, with the same seed, to measure the "
        "judge's noise; the verdict is the first answer's; more of them pay for new answers only",
    )
    max_tokens: int = Field(default=300, ge=1, description="the longest answer")
    max_chars: int = Field(
        default=60_000, ge=100, description="the longest field it is shown, in characters"
    )
    too_long: Literal["error", "cut"] = Field(
        default="error",
        description="what happens to a longer one: an error, since a judge must not pass what it "
        "was not shown; or its middle is left out",
    )
    examples: tuple[Example, ...] = Field(default=(), description="its frozen few-shot pool")
    pool: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.jsonl$",
        description="a file in `judges/` with more examples, one a line, such as `tone.jsonl`",
    )
    shown: int | None = Field(
        default=None,
        ge=1,
        le=50,
        description="how many examples a trace is judged with: of each verdict those most similar "
        "to it; null: all of them",
    )
    compares: bool = Field(
        default=False,
        description="whether it compares the answer with another one, the `gold` of its check, in "
        "both orders; `output` is then shown as two answers",
    )
    realign: Realign | None = Field(
        default=None, description="how candidates for it are made; null: as in `catalog.yaml`"
    )
    version: int = Field(default=1, description="raised to score again without new calls")

    @model_validator(mode="after")
    def check_compares(self) -> Self:
        """Refuses what a judge of two answers cannot have."""
        if not self.compares:
            return self
        if "output" not in self.reads:
            raise ValueError("`compares` is about answers; add `output` to `reads`")
        if self.mode != "schema":
            raise ValueError("`compares` needs `mode: schema`: its verdict is A, B or tie")
        if self.repeats > 1:
            raise ValueError("`compares` asks twice, once in each order; leave `repeats` out")
        if self.examples or self.pool:
            raise ValueError("`compares` takes no examples of single answers; leave them out")
        return self


OnError = Literal["allow", "flag", "block"]
"""What happens to an answer that a guardrail could not check."""


class Guardrail(Spec):
    """A policy over an evaluator that needs no gold, in `guardrails/NAME.yaml`."""

    guardrail: Name = Field(pattern=NAME)
    question: str = Field(description="its question, in a sentence that a newcomer understands")
    check: str | Check = Field(
        description="which evaluator: a check by code, or as in a suite, such as `judge: NAME`"
    )
    reads: tuple[Reads, ...] = Field(default=("output",), description="the fields it checks")
    action: Literal["block", "redact", "flag"] = Field(
        default="flag", description="what happens to an answer that trips it"
    )
    severity: Literal["low", "medium", "high"] = Field(
        default="medium", description="shown with its verdicts"
    )
    on_error: OnError | None = Field(
        default=None, description="the action where the check itself fails; null: `flag`"
    )
    latency_ms: float | None = Field(
        default=None,
        gt=0,
        description="the longest a request waits for it, in milliseconds; slower is an error, and "
        "`on_error` decides; null: no limit",
    )
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")
    params: dict[str, Any] = Field(default={}, description="what the check takes")
    version: int = Field(default=1, description="raised to score again where no other key changed")
