"""Catalog YAML to typed specs; an error names file, line and key.

Reads and checks what a team declares. What the declarations do lives with the evaluators.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from evals.records import digest
from evals.specs.apps import App
from evals.specs.attacks import Attacks
from evals.specs.catalog import Catalog, Slice
from evals.specs.models import ModelPin
from evals.specs.pins import reasons, refusal
from evals.specs.sources import Source
from evals.specs.spec import CatalogError, S
from evals.specs.suites import Guardrail, Judge, Suite
from evals.specs.validation import ValidationSuite, shipped


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
    settings_file, slices_file, attacks_file = (
        root / f"{name}.yaml" for name in ("catalog", "slices", "attacks")
    )
    settings = read_shape(settings_file, dict, "keys and values")
    slices = read_shape(slices_file, list, "a list, one slice a line")
    attacks = read_shape(attacks_file, dict, "keys such as `each`, and a list of `attacks`")
    models = read_named(root / "models.yaml", ModelPin, "a pin's keys, such as `model`")
    catalog = parse(
        Catalog,
        settings_file,
        {
            **settings,
            "root": root,
            "models": models,
            "sources": read_named(root / "sources.yaml", Source, "a source's keys, such as `kind`"),
            "apps": read_folder(root / "apps", App, "app"),
            "suites": read_folder(root / "suites", Suite, "suite"),
            "judges": read_folder(root / "judges", Judge, "judge"),
            "guardrails": read_folder(root / "guardrails", Guardrail, "guardrail"),
            "validation": read_folder(root / "validation", ValidationSuite, "validation"),
            "slices": tuple(
                parse(Slice, slices_file, value, (index,)) for index, value in enumerate(slices)
            ),
            "attacks": parse(Attacks, attacks_file, attacks),
        },
    )
    check_references(catalog)
    check_expectations(catalog)
    models = {name: under_policy(catalog, pin) for name, pin in models.items()}
    inbox = catalog.inbox
    if inbox and "://" not in str(inbox):
        inbox = root / inbox
    label_files = tuple(root / path for path in catalog.label_files)
    resolved = {"models": models, "inbox": inbox, "label_files": label_files}
    return catalog.model_copy(update=resolved)


def under_policy(catalog: Catalog, pin: ModelPin) -> ModelPin:
    """The pin under its own policy or the catalog's.

    Raises:
        CatalogError: when the policy refuses its id; it names the pin to use instead.
    """
    pin = pin.model_copy(update={"pins": pin.pins or catalog.pins})
    refused = refusal(pin)
    if refused:
        key = "revision" if pin.revision else "model"
        refuse(catalog.root / "models.yaml", (pin.name, key), refused)
    return pin


def read_named(path: Path, kind: type[S], expected: str) -> dict[str, S]:
    """A file of specs by short name: the name is the key."""
    found = read_shape(path, dict, f"short names, each with {expected} under it")
    for name, value in found.items():
        if not isinstance(value, dict):
            refuse(path, (name,), f"expected {expected} under it")
    return {name: parse(kind, path, {"name": name, **it}, (name,)) for name, it in found.items()}


def read_shape(path: Path, kind: type[dict[Any, Any]] | type[list[Any]], expected: str) -> Any:
    """Reads an optional file and checks its shape."""
    found = (read_yaml(path) if path.exists() else None) or kind()
    if not isinstance(found, kind):
        raise CatalogError(f"{path}:1: the file: expected {expected}")
    return found


def check_references(catalog: Catalog) -> None:
    """Every name one part of the catalog uses is declared by another."""
    for name, app in catalog.apps.items():
        if app.suite and app.suite not in catalog.suites:
            refuse(catalog.root / "apps" / f"{name}.yaml", ("suite",), f"no suite {app.suite!r}")
    check_judges(catalog)
    for name, suite in catalog.suites.items():
        for index, dimension in enumerate(suite.dimensions):
            path, check = catalog.root / "suites" / f"{name}.yaml", dimension.check
            judge = check.named("judge") if check else None
            if judge and judge not in catalog.judges:
                refuse(path, ("dimensions", index, "check", "judge"), f"no judge {judge!r}")
            gold = check.gold if check else None
            files = [catalog.root / "gold" / f"{gold}.{suffix}" for suffix in ("jsonl", "csv")]
            if gold not in (None, "labels") and not any(file.exists() for file in files):
                refuse(path, ("dimensions", index, "check", "gold"), f"no gold set {gold!r}")


def check_judges(catalog: Catalog) -> None:
    """Every judge's model is declared, and can be asked the way the judge asks."""
    for name, judge in catalog.judges.items():
        path = catalog.root / "judges" / f"{name}.yaml"
        if judge.model not in catalog.models:
            refuse(path, ("model",), f"no model {judge.model!r} in models.yaml")
        if judge.via == "batch" and catalog.models[judge.model].batches is None:
            told = f"{judge.model!r} takes no batches; give its pin `batch: {{}}`, or use `live`"
            refuse(path, ("via",), told)
        if judge.mode == "logprobs" and reasons(catalog.models[judge.model]):
            words = f"{judge.model} thinks before it answers, and has no P(yes) of its first word"
            refuse(path, ("mode",), f"{words}; use `mode: schema`")


def check_expectations(catalog: Catalog) -> None:
    """A check at the door that is not shipped says what it expects, and why."""
    known = {check.check for check in shipped()}
    for name, suite in catalog.validation.items():
        for index, check in enumerate(suite.expectations):
            if check.check not in known and not (check.expect and check.reason):
                path = catalog.root / "validation" / f"{name}.yaml"
                words = f"no shipped check {check.check!r}; a new one needs `expect` and `reason`"
                refuse(path, ("expectations", index, "check"), words)
            known.add(check.check)


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
