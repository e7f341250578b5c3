"""The protocol of evaluators: what each reads, takes, is versioned by, and does.

The evaluators themselves are in modules of their own; `registry` finds them by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from evals.evaluators.comparisons import Comparison
from evals.evaluators.gold import GoldAndLabels
from evals.records import (
    Answer,
    Failure,
    Json,
    Outcome,
    Skip,
    Subject,
    Trace,
    Verdict,
    encode_canonical,
)
from evals.specs import App, Catalog, Evaluator, Judge, ModelPin, Reads, Sample, TraceField
from evals.specs.spec_errors import list_problems
from evals.specs.yaml_files import At

if TYPE_CHECKING:
    from evals.models import Request

Result = Outcome | Failure | Skip

NO_GOLD = Skip("no-gold")
NO_ANSWER = Skip("no-answer")
"""Why an evaluator that reads the answer skips a request that failed or was not answered."""
POLICY_PARAMS = frozenset({"on_error"})
"""Keys a guardrail's `params` may hold beside its evaluator's own: they belong to its policy."""


class Params(BaseModel):
    """What a suite may set on an evaluator: strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WrongDeclaration(ValueError):
    """A declaration an evaluator cannot work with."""

    def __init__(self, key: At, words: str) -> None:
        super().__init__(f"{'.'.join(map(str, key))}: {words}" if key else words)
        self.key, self.words = key, words


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an application declares of one evaluator."""

    catalog: Catalog
    app: App
    name: str
    """The name under the kind's key: a check's, or a judge's."""
    params: Mapping[str, Json]
    gold: str | None = None
    labels: str = ""
    """The dimension name that labels use."""
    reads: tuple[Reads, ...] | None = None
    """What a guardrail reads; None: the evaluator's own fields."""


class Configuration(NamedTuple):
    """An evaluator as declared: what it reads and takes, and what its version is made of."""

    reads: tuple[TraceField, ...]
    parts: dict[str, str]
    """Each part of the version with its hash."""
    params: dict[str, Json]
    judge: Judge | None = None
    pin: ModelPin | None = None
    answer_version: str | None = None


class Finding(NamedTuple):
    """What an evaluator finds in one subject."""

    result: Result
    annotator: str | None = None
    """The name its score goes under, where it is not the evaluator's."""


Evaluate = Callable[[Trace], Iterable[Finding]]


class EvaluatorType(ABC):
    """One type of evaluator. Subclass `EvaluatorByCode` or `EvaluatorByModel`."""

    name: str
    """The name in the registry; no two types share one."""
    kind: str
    """The key under `check:` in a suite."""
    reads: tuple[TraceField, ...]
    params: type[Any]
    """A subclass of `Params`."""
    subject: Subject = "trace"
    behaviour: int
    """Raised whenever the same subject, params and gold would get another verdict."""

    names_specs: ClassVar[bool] = False
    """Whether its kind's key names a file of the catalog, such as a judge, not the type itself."""
    needs_gold: bool = False
    needs_alignment: bool = False
    """Whether people have to agree with its verdicts before it may gate a night."""
    weak: str = ""
    """Why its verdict is a weak signal, in a few words; empty where it is not."""
    evaluates_unanswered: bool = False
    """Whether it evaluates a trace without an answer too, such as one that judges refusals."""
    is_sampled: ClassVar[bool] = True
    default_sample: ClassVar[Sample] = Sample()
    """The sample where a suite declares none."""

    @abstractmethod
    def describe(self) -> str:
        """Returns when a subject passes, in a sentence."""

    @abstractmethod
    def configure(self, declared: Declaration) -> Configuration:
        """Checks a declaration and resolves it.

        Raises:
            WrongDeclaration: naming the key that is wrong.
        """

    def evaluator_name(self, app: str, dimension: str, declared: str) -> str:
        """Returns the name its scores go under."""
        return f"{app}.{dimension}"

    def content(self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels) -> bytes:
        """Returns what it reads in a subject, gold included, as the bytes that are hashed."""
        return content_of(evaluator, trace, references.gold_for(evaluator, trace))

    def covers_answer(self, evaluator: Evaluator, trace: Trace) -> bool:
        """Whether a trace has what it evaluates: one that reads the answer needs an answer."""
        return self.evaluates_unanswered or "output" not in evaluator.reads or trace.has_answer

    def find_skip(
        self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels
    ) -> Skip | None:
        """Returns why a trace is not evaluated; None where it is."""
        return None if self.covers_answer(evaluator, trace) else NO_ANSWER

    def gives_none(self, evaluator: Evaluator, content: bytes) -> bool:
        """Whether a subject with this content gets no score at all."""
        return False

    def list_peers(self, evaluator: Evaluator) -> tuple[str, ...]:
        """Lists the dimensions of its application whose verdicts it reads."""
        return ()

    def redact(self, text: str, params: Mapping[str, Json]) -> str | None:
        """Removes what makes a text fail; None where that cannot be removed."""
        return None

    def redact_output(
        self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels
    ) -> str | None:
        """Removes what makes a trace's output fail; None where that cannot be removed."""
        return self.redact(trace.output, own_params(evaluator))

    def can_redact(self) -> bool:
        """Whether a guardrail over it may redact."""
        return False


class EvaluatorByCode(EvaluatorType):
    """An evaluator that makes no call."""

    names_others: ClassVar[bool] = False
    """Whether its scores go under the names of those who gave the verdicts."""

    @abstractmethod
    def evaluate(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Returns the function that evaluates one subject after another."""

    def compare(
        self, evaluator: Evaluator, references: GoldAndLabels
    ) -> Callable[[Trace], Comparison | None] | None:
        """Returns the function that counts what is right and wrong, part by part; None: no parts.

        The function returns None for a subject without gold.
        """
        return None

    def evaluate_request(self, evaluator: Evaluator, references: GoldAndLabels) -> Evaluate:
        """Returns the function that evaluates requests while a user waits; as at night."""
        return self.evaluate(evaluator, references)


class EvaluatorByVerdicts(EvaluatorType):
    """An evaluator that concludes from the verdicts of others on the same subject."""

    @abstractmethod
    def conclude(self, evaluator: Evaluator, verdicts: Mapping[str, Verdict | None]) -> Result:
        """Concludes from the verdict of each dimension; None where that gave none."""


class EvaluatorByModel(EvaluatorType):
    """An evaluator that asks a model; the runner makes the calls and stores the answers."""

    def list_contents(
        self, evaluator: Evaluator, trace: Trace, references: GoldAndLabels
    ) -> tuple[bytes, ...]:
        """Returns the contents that it is asked about a subject; most evaluators have one."""
        return (self.content(evaluator, trace, references),)

    def conclude(self, results: Sequence[Result]) -> Result:
        """Concludes from the answers to all contents of a subject."""
        return results[0]

    @abstractmethod
    def request(self, evaluator: Evaluator, trace: Trace, gold: Json) -> Request:
        """Renders a subject as a request."""

    @abstractmethod
    def is_shown_whole(self, evaluator: Evaluator, trace: Trace, gold: Json) -> bool:
        """Whether the request holds the whole subject."""

    @abstractmethod
    def read_answer(self, evaluator: Evaluator, answer: Answer) -> Outcome | Failure:
        """Reads a verdict from an answer."""

    def is_cut_off(self, evaluator: Evaluator, answer: Answer) -> bool:
        """Whether an answer ends in the middle, so that it is asked again once."""
        return False


def content_of(evaluator: Evaluator, trace: Trace, gold: Json) -> bytes:
    """Returns the fields an evaluator reads in a trace, and gold, as bytes."""
    read = {name: getattr(trace, name) for name in evaluator.reads}
    # For plain texts both give the same bytes; `encode_canonical` costs ten times as much.
    if gold is None and all(value is None or type(value) is str for value in read.values()):
        return orjson.dumps([read, None], option=orjson.OPT_SORT_KEYS)
    return encode_canonical([read, gold])


def params_problem(kind: type[Params], params: Mapping[str, Json]) -> WrongDeclaration | None:
    """Returns the first error of a params model, with its key below `params`."""
    try:
        kind.model_validate(dict(params))
    except ValidationError as error:
        first = list_problems(kind, dict(params), error)[0]
        return WrongDeclaration(first.at, first.message)
    return None


def own_params(evaluator: Evaluator) -> dict[str, Json]:
    """Returns an evaluator's params without those of a guardrail's policy."""
    return drop_policy(evaluator.params) if evaluator.guardrail else evaluator.params


def drop_policy(params: Mapping[str, Json]) -> dict[str, Json]:
    """Returns what a guardrail declares for its evaluator, without its policy's params."""
    return {key: value for key, value in params.items() if key not in POLICY_PARAMS}
