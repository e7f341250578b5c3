"""Catalog YAML to typed specs; an error names file, line and key.

Reads and checks what a team declares. What the declarations do lives with the evaluators.
"""

from __future__ import annotations

import functools
from datetime import date
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evals.records import Kind, digest

NAME = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$"
Name = str
Reads = Literal["input", "context", "output", "steps", "messages"]


class CatalogError(ValueError):
    """The catalog says something Andon cannot use; the message names file, line and key."""


class Spec(BaseModel):
    """A part of the catalog: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Spec)


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


class Column(Spec):
    """Where a canonical field is found in a row of another shape."""

    path: str = Field(description="a dotted path, such as `meta.request.id`")
    format: str | None = Field(
        default=None, description="timestamps: a strptime format, `epoch` or `epoch_ms`"
    )


class Mapping(Spec):
    """How a plain JSONL row becomes a trace, where the names differ."""

    columns: dict[str, Column | str] = Field(
        default={}, description="canonical field to the row's path, or path and format"
    )
    constants: dict[str, str] = Field(
        default={}, description="canonical field to the value of rows that say nothing of it"
    )


class Gate(Spec):
    """When a night of an application counts as regressed."""

    dimensions: tuple[str, ...] = Field(
        default=(), description="empty: every dimension with a verdict"
    )
    baseline_nights: int = Field(
        default=7, ge=1, le=90, description="the nights before that a night is compared with"
    )
    max_drop: float = Field(default=0.05, gt=0, lt=1, description="the smallest drop that matters")
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="how often chance alone may look like a change"
    )


class Validation(Spec):
    """When a night of an application is refused at the door."""

    max_quarantined: float = Field(
        default=0.2, ge=0, le=1, description="the share of bad rows above which it is refused"
    )
    max_input_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")
    max_output_chars: int = Field(default=200_000, ge=1, description="a longer row is bad")


class App(Spec):
    """One application, in `apps/NAME.yaml`."""

    app: Name = Field(pattern=NAME)
    title: str = Field(default="", description="what pages call it")
    description: str = Field(default="", description="what it does, in a sentence")
    owner: str = Field(default="", description="an e-mail address, or `team:name`")
    suite: Name | None = Field(default=None, description="null: guardrails only")
    validation: Validation = Field(default=Validation(), description="the door")
    gate: Gate = Field(default=Gate(), description="the exit")
    daily_calls: int = Field(default=1000, ge=0, description="the most paid calls a night may make")
    review_queue: int = Field(default=20, ge=0, description="answers a person is asked to read")
    language: str | None = Field(
        default=None, description="the language its answers should be in (ISO)"
    )
    redact: tuple[str, ...] = Field(
        default=("email", "card", "iban", "ssn", "phone"),
        description="kinds of personal data taken out at the door; secrets always are",
    )


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
    sample: float = Field(default=1.0, gt=0, le=1, description="the share of traces it is asked of")
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
    threshold: float = Field(
        default=0.5, ge=0, le=1, description="logprobs: P(yes) that counts as pass"
    )
    temperature: float = Field(default=0.0, description="sent with each call")
    seed: int = Field(default=1, description="sent with each call")
    max_tokens: int = Field(default=300, ge=1, description="the longest answer")
    max_chars: int = Field(
        default=6000, ge=100, description="each field is cut to this many characters"
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


class Slice(Spec):
    """A group of traces: one line of `slices.yaml`."""

    slice: Name = Field(pattern=NAME)
    by: str | None = Field(default=None, description="a SQL expression; each value is a slice")
    where: str | None = Field(default=None, description="a SQL predicate; the traces it holds for")
    keyword: str | None = Field(default=None, description="a word in the input")
    apps: tuple[str, ...] = Field(default=(), description="empty: every application")

    @model_validator(mode="after")
    def one_definition(self) -> Slice:
        """A slice is defined in one way."""
        if sum(x is not None for x in (self.by, self.where, self.keyword)) != 1:
            raise ValueError("a slice has exactly one of `by`, `where` and `keyword`")
        return self


class Catalog(Spec):
    """Everything a team declared, checked as a whole."""

    root: Path
    models: dict[str, ModelPin] = {}
    apps: dict[str, App] = {}
    suites: dict[str, Suite] = {}
    judges: dict[str, Judge] = {}
    guardrails: dict[str, Guardrail] = {}
    slices: tuple[Slice, ...] = ()
    mappings: dict[str, Mapping] = Field(
        default={}, description="by name; of several, the one that finds most of its columns"
    )
    label_files: tuple[Path, ...] = Field(default=(), description="read each night; in the catalog")
    inbox: Path | None = Field(default=None, description="where exports are, without `--inbox`")
    since: date = Field(default=date(2026, 1, 1), description="the first night Dagster shows")
    day_begins: int = Field(
        default=0, ge=0, le=23, description="the hour of UTC at which a night begins"
    )
    demo: bool = Field(default=False, description="pages say that the data are a demo's")
    title: str = Field(default="", description="for whoever reads the file")

    def app(self, name: str) -> App:
        """The declared application, or the defaults for one the catalog does not know."""
        defaults = App(app="unknown").model_copy(update={"app": name, "title": name})
        return self.apps.get(name) or defaults


class Evaluator(Spec):
    """One evaluator resolved for one application: what to run, and the hashes that name it."""

    name: str
    """Judges and guardrails by their own name; a suite's checks as `APP.DIMENSION`."""
    app: str
    dimension: str
    question: str
    kind: Kind
    check: str
    """Which code runs: an assertion's, reference's or guardrail's name; `judge`; `recorded`."""
    reads: tuple[Reads, ...] = ("input", "output")
    where: str | None = None
    sample: float = 1.0
    params: dict[str, Any] = {}
    gold: str | None = None
    labels: str = ""
    """The dimension name that labels of this dimension use."""
    judge: Judge | None = None
    pin: ModelPin | None = None
    guardrail: Guardrail | None = None
    answer_version: str | None = None
    version: str = ""
    parts: dict[str, str] = {}
    """Each part of the version with its hash: the planner says which of them changed."""


def read_yaml(path: Path) -> Any:
    """The parsed file, or a CatalogError that names the line."""
    try:
        return yaml.safe_load(path.read_text("utf-8")) or {}
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise CatalogError(f"{path}{line}: not valid YAML: {problem}") from error


def line_of(path: Path, location: tuple[int | str, ...]) -> int:
    """The 1-based line where a key path stands in a YAML file; its nearest parent's if absent."""
    node = yaml.compose(path.read_text("utf-8"))
    line = 1
    for key in location:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(key)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line


def parse(kind: type[S], path: Path, value: Any, at: tuple[int | str, ...] = ()) -> S:
    """A spec from a YAML value; `at` is where the value stands in the file."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        location = (*at, *first["loc"])
        key = ".".join(str(part) for part in location) or "the file"
        line = line_of(path, location)
        message = first["msg"].removeprefix("Value error, ")
        raise CatalogError(f"{path}:{line}: {key}: {message}") from error


def read_folder(folder: Path, kind: type[S], key: str) -> dict[str, S]:
    """Every `*.yaml` of a folder as specs by name."""
    found: dict[str, S] = {}
    for path in sorted(folder.glob("*.yaml")):
        spec = parse(kind, path, read_yaml(path))
        name = getattr(spec, key)
        if name in found:
            raise CatalogError(f"{path}:1: {key}: {name!r} is declared twice")
        found[name] = spec
    return found


@functools.lru_cache(maxsize=8)
def load_catalog(root: Path) -> Catalog:
    """The whole catalog folder, checked.

    Raises:
        CatalogError: naming the file, line and key that is wrong.
    """
    if not root.is_dir():
        raise CatalogError(f"{root}: no such catalog folder; pass --catalog or set ANDON_CATALOG")
    settings_file, models_file, slices_file = (
        root / name for name in ("catalog.yaml", "models.yaml", "slices.yaml")
    )
    settings = read_shape(settings_file, dict, "keys and values")
    pins = read_shape(models_file, dict, "short names, each with a pin's keys under it")
    slices = read_shape(slices_file, list, "a list, one slice a line")
    for name, value in pins.items():
        if not isinstance(value, dict):
            refuse(models_file, (name,), "expected a pin's keys under it, such as `model`")
    models = {
        name: parse(ModelPin, models_file, {"name": name, **value}, (name,))
        for name, value in pins.items()
    }
    catalog = parse(
        Catalog,
        settings_file,
        {
            **settings,
            "root": root,
            "models": models,
            "apps": read_folder(root / "apps", App, "app"),
            "suites": read_folder(root / "suites", Suite, "suite"),
            "judges": read_folder(root / "judges", Judge, "judge"),
            "guardrails": read_folder(root / "guardrails", Guardrail, "guardrail"),
            "slices": tuple(
                parse(Slice, slices_file, value, (index,)) for index, value in enumerate(slices)
            ),
        },
    )
    check_references(catalog)
    inbox = root / catalog.inbox if catalog.inbox else None
    label_files = tuple(root / path for path in catalog.label_files)
    return catalog.model_copy(update={"inbox": inbox, "label_files": label_files})


def read_shape(path: Path, kind: type[dict[Any, Any]] | type[list[Any]], expected: str) -> Any:
    """What a file that may be absent says, if it has the shape it should."""
    found = (read_yaml(path) if path.exists() else None) or kind()
    if not isinstance(found, kind):
        raise CatalogError(f"{path}:1: the file: expected {expected}")
    return found


def check_references(catalog: Catalog) -> None:
    """Every name one part of the catalog uses is declared by another."""
    for name, app in catalog.apps.items():
        if app.suite and app.suite not in catalog.suites:
            refuse(catalog.root / "apps" / f"{name}.yaml", ("suite",), f"no suite {app.suite!r}")
    for name, judge in catalog.judges.items():
        if judge.model not in catalog.models:
            path = catalog.root / "judges" / f"{name}.yaml"
            refuse(path, ("model",), f"no model {judge.model!r} in models.yaml")
    for name, suite in catalog.suites.items():
        for index, dimension in enumerate(suite.dimensions):
            path, check = catalog.root / "suites" / f"{name}.yaml", dimension.check
            if check and check.judge and check.judge not in catalog.judges:
                refuse(path, ("dimensions", index, "check", "judge"), f"no judge {check.judge!r}")
            gold = check.gold if check else None
            files = [catalog.root / "gold" / f"{gold}.{suffix}" for suffix in ("jsonl", "csv")]
            if gold not in (None, "labels") and not any(file.exists() for file in files):
                refuse(path, ("dimensions", index, "check", "gold"), f"no gold set {gold!r}")


def refuse(path: Path, at: tuple[int | str, ...], message: str) -> NoReturn:
    """Raises a CatalogError at a key, whatever the file is called."""
    line = line_of(path, at) if path.exists() else 1
    raise CatalogError(f"{path}:{line}: {'.'.join(map(str, at))}: {message}")


def fingerprint(root: Path) -> str:
    """A hash of every file of the catalog, so that a change is seen without reading YAML."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return digest(
        [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    )
