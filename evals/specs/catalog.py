"""The whole catalog, its slices, and an evaluator resolved for one application.

Reads no file: `load` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from evals.records import Json, Kind, Subject, digest
from evals.specs.anchors import Anchors
from evals.specs.apps import Answered, App
from evals.specs.attacks import Attacks
from evals.specs.call_limits import Budget, Sample
from evals.specs.classifiers import Classifier
from evals.specs.digests import Digest
from evals.specs.mappings import Mapping
from evals.specs.models import ModelPin, Policy
from evals.specs.problems import BrokenApplication, Problem
from evals.specs.realign import Realign
from evals.specs.sources import Source
from evals.specs.spec import NAME, CatalogError, Name, Spec, TraceField
from evals.specs.suites import Check, DefaultDimension, Dimension, Guardrail, Judge, Suite
from evals.specs.validation import (
    Expectation,
    ValidationSuite,
    merge_expectations,
    shipped_expectations,
)
from evals.specs.yaml_files import refuse


class Slice(Spec):
    """A group of traces: one line of `slices.yaml`."""

    slice: Name = Field(pattern=NAME)
    by: str | None = Field(default=None, description="a SQL expression; each value is a slice")
    where: str | None = Field(default=None, description="a SQL predicate; the traces it holds for")
    keyword: str | None = Field(default=None, description="a word in the input")
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")

    @field_validator("slice")
    @classmethod
    def is_not_all(cls, name: str) -> str:
        """Refuses the name of the whole night."""
        if name == "all":
            raise ValueError("`all` names the whole night; choose another name")
        return name

    @model_validator(mode="after")
    def one_definition(self) -> Slice:
        """A slice is defined in one way."""
        if sum(x is not None for x in (self.by, self.where, self.keyword)) != 1:
            raise ValueError("a slice has exactly one of `by`, `where` and `keyword`")
        return self


class Retention(Spec):
    """How long data are kept; figures are kept for ever."""

    raw_days: float = Field(
        default=7, ge=0, description="raw files of the home, and the bytes of refused rows"
    )
    traces_days: float = Field(default=180, ge=1, description="traces, and every text about them")


class TopicSettings(Spec):
    """How topics of requests are made."""

    embedding: Path | None = Field(
        default=None,
        description="a folder with a static embedding model in model2vec's format, relative to the "
        "catalog's; needs the extra `andon[embedding]`. Topics that are made from now on compare "
        "words by its vectors; those there are stay",
    )


ANSWERED = "answered"
"""The dimension that every application has by default."""


def build_answered(target: float | None, gate: bool) -> DefaultDimension:
    """Builds the dimension that counts the requests that were answered."""
    return DefaultDimension(
        dimension=ANSWERED,
        question="Was the request answered, and to its end?",
        check=Check(kind="assertion", name=ANSWERED),
        target=target,
        gate=gate,
    )


class Catalog(Spec):
    """Everything a team declares, checked; a broken part stops the applications that use it."""

    root: Path
    problems: tuple[Problem, ...] = Field(default=(), description="what is wrong")
    broken: dict[str, BrokenApplication] = Field(
        default={}, description="applications that a problem stops; `apps` has the others"
    )
    models: dict[str, ModelPin] = Field(default={})
    pins: Policy = Field(
        default="strict",
        description="model ids that may change: `strict` refuses an alias and names the pin to "
        "use instead, and runs an id that does not show whether it may change, with a stamp on "
        "every report that used it; `record` runs both with that stamp and records which model "
        "answered",
    )
    apps: dict[str, App] = Field(default={})
    suites: dict[str, Suite] = Field(default={})
    judges: dict[str, Judge] = Field(default={})
    classifiers: dict[str, Classifier] = Field(default={})
    guardrails: dict[str, Guardrail] = Field(default={})
    validation: dict[str, ValidationSuite] = Field(default={})
    slices: tuple[Slice, ...] = ()
    sources: dict[str, Source] = Field(default={})
    attacks: Attacks = Attacks()
    mappings: dict[str, Mapping] = Field(
        default={}, description="by name; of several, the one that finds most of its columns"
    )
    label_files: tuple[Path, ...] = Field(default=(), description="read each night; in the catalog")
    inbox: Path | str | None = Field(
        default=None, description="where exports are, without `--inbox`: a folder, or an address"
    )
    retention: Retention = Field(default=Retention(), description="when data are deleted")
    since: date = Field(default=date(2026, 1, 1), description="the first night Dagster shows")
    budget: Budget = Field(
        default=Budget(usd_per_day=10.0, calls_per_day=20_000),
        description="the most a day may spend on all applications together",
    )
    day_begins: int = Field(
        default=0, ge=0, le=23, description="the hour of UTC at which a night begins"
    )
    deadline_h: float = Field(
        default=12,
        ge=0,
        description="hours after a night's end by which its report should be complete; "
        "judges with `via: auto` are called live where a batch might miss it",
    )
    anchors: Anchors = Field(
        default=Anchors(), description="answers that judges are asked about again"
    )
    realign: Realign = Field(
        default=Realign(), description="how candidates for judges are made from people's labels"
    )
    digest: Digest = Field(default=Digest(), description="who receives a message about each night")
    topics: TopicSettings = Field(
        default=TopicSettings(), description="how topics of requests are made"
    )
    demo: bool = Field(default=False, description="pages show that the data are a demo's")
    title: str = Field(default="", description="for whoever reads the file")

    @property
    def embedding_folder(self) -> Path | None:
        """The folder of the embedding model that topics are made with; None without one."""
        folder = self.topics.embedding
        return self.root / folder.expanduser() if folder else None

    def expectations(self, app: str | None = None) -> tuple[Expectation, ...]:
        """Returns the checks of an application at ingest, or all checks; shipped ones first."""
        suites = (suite for _, suite in sorted(self.validation.items()))
        checks = merge_expectations(
            shipped_expectations(), (one for suite in suites for one in suite.expectations), app
        )
        return tuple(check for check in checks if not check.off)

    def app(self, name: str) -> App:
        """Returns the declared application, or defaults for one the catalog does not declare.

        Raises:
            CatalogError: it is broken.
        """
        if name in self.broken:
            raise self.broken[name].error
        defaults = App(app="unknown").model_copy(update={"app": name, "title": name})
        return self.apps.get(name) or defaults

    def require_inbox(self) -> None:
        """Checks that the declared inbox is there; an address or a pattern may match later.

        Raises:
            CatalogError: it is a file or folder that does not exist.
        """
        if isinstance(self.inbox, Path) and not self.inbox.exists():
            path = self.root / "catalog.yaml"
            refuse(path, ("inbox",), f"{self.inbox} does not exist; make it, or name another one")

    def dimensions_of(self, app: App) -> tuple[Dimension, ...]:
        """Returns the dimensions of an application: its suite's, then `answered` by default."""
        suite = self.suites.get(app.suite or "")
        own = suite.dimensions if suite else ()
        if app.answered is False or any(one.dimension == ANSWERED for one in own):
            return own
        settings = app.answered if isinstance(app.answered, Answered) else Answered()
        return (*own, build_answered(settings.target, settings.gate))

    @property
    def only_app(self) -> str | None:
        """The application, where exactly one is declared."""
        declared = [*self.apps, *self.broken]
        return declared[0] if len(declared) == 1 else None

    def with_problems(self, problems: Iterable[Problem]) -> Catalog:
        """Returns the catalog without the applications that further problems stop.

        Raises:
            CatalogError: they stop every application.
        """
        more = tuple(problems)
        if not more:
            return self
        stopped: dict[str, list[str]] = {}
        for problem in more:
            for app in problem.apps or ():
                stopped.setdefault(app, []).append(problem.message)
        broken = dict(self.broken)
        for app, messages in stopped.items():
            before = broken.get(app)
            kinds = self.apps[app].redact if app in self.apps else before and before.redact
            every = (*(before.messages if before else ()), *messages)
            broken[app] = BrokenApplication(app=app, messages=every, redact=kinds)
        apps = {name: app for name, app in self.apps.items() if name not in broken}
        everything = (*self.problems, *more)
        if not apps or any(problem.apps is None for problem in everything):
            raise CatalogError(*dict.fromkeys(problem.message for problem in everything))
        return self.model_copy(update={"apps": apps, "broken": broken, "problems": everything})


NOT_ROUTE = {"name", "prices", "expires", "concurrency", "limits", "batch"}
"""Keys of a pin that decide over no answer."""


class Evaluator(Spec):
    """One evaluator resolved for one application: what to run, and its version hashes."""

    name: str
    """Judges and guardrails by their own name; a suite's checks as `APP.DIMENSION`."""
    app: str
    dimension: str
    question: str
    kind: Kind
    check: str
    """The type's name in the registry, such as `contains`, `pii`, `judge` or `recorded`."""
    subject: Subject = "trace"
    reads: tuple[TraceField, ...] = ("input", "output")
    where: str | None = None
    sample: Sample = Sample()
    stratum: str | None = None
    """The SQL expression whose values are the sample's strata."""
    params: dict[str, Any] = Field(default={})
    gold: str | None = None
    labels: str = ""
    """The dimension name that labels of this dimension use."""
    peers: dict[str, str] = Field(default={}, exclude=True)
    """The score files of the dimensions it depends on; linked where a night is evaluated."""
    peer_draws: dict[str, str] = Field(default={}, exclude=True)
    """Which of them draw their traces together with others: the word of their sample."""
    judge: Judge | None = None
    pin: ModelPin | None = None
    guardrail: Guardrail | None = None
    """The policy over its scores, where it has one."""
    answer_version: str | None = None
    version: str = ""
    parts: dict[str, str] = Field(default={})
    """Each part of the version with its hash: the planner names the part that changed."""

    @property
    def asks_model(self) -> bool:
        """Whether its verdicts come from a model's answers, which are paid and stored."""
        return self.answer_version is not None

    @property
    def compares(self) -> bool:
        """Whether it is a judge that compares two answers, in both orders."""
        return self.judge is not None and self.judge.compares

    @property
    def score_file(self) -> str:
        """The name of the file with its scores of a night."""
        return f"{self.name}@{self.app}@{self.version}"

    @property
    def route(self) -> str:
        """A digest of what a person changes to repair failed calls: settings of the pin, `version`.

        No part of a version: good answers outlast such a change, only failed calls are repeated.
        """
        if self.pin is None:
            return ""
        settings = self.pin.model_dump(mode="json", exclude_defaults=True, exclude=NOT_ROUTE)
        return digest([settings, self.parts.get("version")])

    def sampling(self) -> dict[str, Json]:
        """Returns which traces it evaluates: no part of its version, but locked per night."""
        absent = {name for name in ("flagged", "draw") if getattr(self.sample, name) is None}
        sample = self.sample.model_dump(mode="json", exclude=absent)
        return {"sample": sample, "stratum": self.stratum}

    def with_sampling(self, sampling: dict[str, Json] | None) -> Evaluator:
        """Returns the evaluator with a night's locked sampling; None: with its own."""
        if sampling is None:
            return self
        changes = {**sampling, "sample": Sample.model_validate(sampling["sample"])}
        return self.model_copy(update=changes)
