"""A catalog folder to typed specs: each application alone, for one that is broken stops no other.

Reads and checks what a team declares. What the declarations do lives with the evaluators.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evals.records import digest
from evals.specs.apps import App
from evals.specs.attacks import Attacks
from evals.specs.catalog import Catalog, Slice
from evals.specs.models import ModelPin
from evals.specs.pins import reasons, refusal
from evals.specs.problems import BrokenApplication, Problem
from evals.specs.sources import Source
from evals.specs.spec import CatalogError, S
from evals.specs.suites import Guardrail, Judge, Suite
from evals.specs.validation import ValidationSuite, shipped
from evals.specs.yaml_files import describe, parse, read_folder, read_named, read_shape, refuse


@functools.lru_cache(maxsize=8)
def load_catalog(root: Path) -> Catalog:
    """The whole catalog folder, checked; what is broken stops the applications that use it.

    Raises:
        CatalogError: there is no catalog, or what is wrong stops every application of it.
    """
    if not root.is_dir():
        raise CatalogError(f"{root}: no such catalog folder; pass --catalog or set ANDON_CATALOG")
    return Reader(root).read()


class Reader:
    """Reads a catalog folder once, and collects what is wrong in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.apps, self.broken_apps = read_folder(root / "apps", App, "app")
        self.suites, self.broken_suites = read_folder(root / "suites", Suite, "suite")
        self.judges, self.broken_judges = read_folder(root / "judges", Judge, "judge")
        self.guardrails = self.read_covering("guardrails", Guardrail, "guardrail", guarded_apps)
        self.validation = self.read_covering(
            "validation", ValidationSuite, "validation", validated_apps
        )
        self.models = self.read_models()

    def read(self) -> Catalog:
        """The catalog, with its problems."""
        for one in self.broken_apps:
            self.report((one.name,), *one.messages)
        for one in self.broken_suites:
            self.report(self.apps_of_suite(one.name), *one.messages)
        for one in self.broken_judges:
            self.report(self.apps_of_judge(one.name), *one.messages)
        self.check_apps()
        self.check_suites()
        self.check_judges()
        self.check_expectations()
        catalog = Catalog(root=self.root)
        with self.reporting(None):
            catalog = self.read_settings()
        return catalog.model_copy(update=self.parts()).with_problems(self.problems)

    def parts(self) -> dict[str, Any]:
        """What the files of a catalog declare beside its own settings."""
        unreadable = {
            one.name: BrokenApplication(app=one.name, messages=(), redact=redacted_kinds(one.raw))
            for one in self.broken_apps
        }
        return {
            "models": self.models,
            "apps": self.apps,
            "broken": unreadable,
            "suites": self.suites,
            "judges": self.judges,
            "guardrails": self.guardrails,
            "validation": self.validation,
            "sources": self.read_sources(),
            "slices": self.read_slices(),
            "attacks": self.read_attacks(),
        }

    def report(self, apps: Iterable[str] | None, *messages: str) -> None:
        """Notes what is wrong, and which applications it stops."""
        whom = None if apps is None else tuple(sorted(set(apps)))
        self.problems += [Problem(message=message, apps=whom) for message in messages]

    @contextlib.contextmanager
    def reporting(self, apps: Iterable[str] | None) -> Iterator[None]:
        """Notes a CatalogError raised within."""
        try:
            yield
        except CatalogError as error:
            self.report(apps, *error.messages)

    def apps_of_suite(self, name: str) -> list[str]:
        """The applications that a suite is asked of."""
        return [app for app, spec in self.apps.items() if spec.suite == name]

    def apps_of_judge(self, *names: str) -> list[str]:
        """The applications that ask one of some judges; without names, any judge."""
        asking = [
            suite.suite
            for suite in self.suites.values()
            for judge in judges_in(suite)
            if not names or judge in names
        ]
        guarded = [
            app
            for spec in self.guardrails.values()
            if not isinstance(spec.check, str)
            and (judge := spec.check.named("judge"))
            and (not names or judge in names)
            for app in spec.apps or self.apps
        ]
        return [*guarded, *(app for suite in asking for app in self.apps_of_suite(suite))]

    def apps_of_model(self, name: str) -> list[str]:
        """The applications whose judges ask a model."""
        names = [judge.judge for judge in self.judges.values() if judge.model == name]
        return self.apps_of_judge(*names) if names else []

    def read_covering(
        self, folder: str, kind: type[S], key: str, covers: Callable[[Any], list[str] | None]
    ) -> dict[str, S]:
        """A folder of files that cover some applications, or all."""
        found, broken = read_folder(self.root / folder, kind, key)
        for one in broken:
            self.report(covers(one.raw), *one.messages)
        return found

    def read_models(self) -> dict[str, ModelPin]:
        """The pins of `models.yaml`, each under its own policy or the catalog's."""
        path = self.root / "models.yaml"
        expected = "a pin's keys, such as `model`"
        self.unread_models: set[str] | None = set()
        try:
            found, broken = read_named(path, ModelPin, expected)
        except CatalogError as error:
            self.unread_models = None
            self.report(self.apps_of_judge(), *error.messages)
            return {}
        for one in broken:
            self.unread_models.add(one.name)
            self.report(self.apps_of_model(one.name), *one.messages)
        return found

    def read_sources(self) -> dict[str, Source]:
        """The sources of `sources.yaml`."""
        found: dict[str, Source] = {}
        with self.reporting(None):
            path = self.root / "sources.yaml"
            found, broken = read_named(path, Source, "a source's keys, such as `kind`")
            for one in broken:
                self.report(pulled_apps(one.raw), *one.messages)
        return found

    def read_slices(self) -> tuple[Slice, ...]:
        """The slices of `slices.yaml`, in its order."""
        path, found = self.root / "slices.yaml", []
        with self.reporting(None):
            for index, value in enumerate(read_shape(path, list, "a list, one slice a line")):
                with self.reporting(guarded_apps(value)):
                    found.append(parse(Slice, path, value, (index,)))
        return tuple(found)

    def read_attacks(self) -> Attacks:
        """The attacks of `attacks.yaml`, which stop those that ask judges."""
        path = self.root / "attacks.yaml"
        with self.reporting(self.apps_of_judge()):
            expected = "keys such as `each`, and a list of `attacks`"
            return parse(Attacks, path, read_shape(path, dict, expected))
        return Attacks()

    def read_settings(self) -> Catalog:
        """The catalog's own settings, paths resolved, pins judged by its policy."""
        path = self.root / "catalog.yaml"
        settings = read_shape(path, dict, "keys and values")
        for key in FILES & set(settings):
            refuse(path, (key,), "expected in a file of its own, not here")
        catalog = parse(Catalog, path, {**settings, "root": self.root})
        self.models = {name: self.under_policy(pin, catalog) for name, pin in self.models.items()}
        inbox = catalog.inbox
        if inbox and "://" not in str(inbox):
            inbox = self.root / inbox
        label_files = tuple(self.root / one for one in catalog.label_files)
        return catalog.model_copy(update={"inbox": inbox, "label_files": label_files})

    def under_policy(self, pin: ModelPin, catalog: Catalog) -> ModelPin:
        """The pin under its own policy or the catalog's; one it refuses is a problem."""
        pin = pin.model_copy(update={"pins": pin.pins or catalog.pins})
        if refused := refusal(pin):
            at = (pin.name, "revision" if pin.revision else "model")
            where = describe(self.root / "models.yaml", at, refused)
            self.report(self.apps_of_model(pin.name), where)
        return pin

    def check_apps(self) -> None:
        """Every suite an application names is declared."""
        known = {*self.suites, *(one.name for one in self.broken_suites)}
        for name, app in self.apps.items():
            if app.suite and app.suite not in known:
                path = self.root / "apps" / f"{name}.yaml"
                self.report((name,), describe(path, ("suite",), f"no suite {app.suite!r}"))

    def check_suites(self) -> None:
        """Every judge and gold set a suite names is there."""
        known = {*self.judges, *(one.name for one in self.broken_judges)}
        for name, suite in self.suites.items():
            path = self.root / "suites" / f"{name}.yaml"
            for index, dimension in enumerate(suite.dimensions):
                check = dimension.check
                judge = check.named("judge") if check else None
                if judge and judge not in known:
                    at = ("dimensions", index, "check", "judge")
                    where = describe(path, at, f"no judge {judge!r}")
                    self.report(self.apps_of_suite(name), where)
                gold = check.gold if check else None
                files = [self.root / "gold" / f"{gold}.{suffix}" for suffix in ("jsonl", "csv")]
                if gold not in (None, "labels") and not any(file.exists() for file in files):
                    where = describe(
                        path, ("dimensions", index, "check", "gold"), f"no gold set {gold!r}"
                    )
                    self.report(self.apps_of_suite(name), where)

    def check_judges(self) -> None:
        """Every judge's model is declared, and can be asked the way the judge asks."""
        for name, judge in self.judges.items():
            path, pin = self.root / "judges" / f"{name}.yaml", self.models.get(judge.model)
            apps = self.apps_of_judge(name)
            if pin is None:
                if self.unread_models is not None and judge.model not in self.unread_models:
                    words = f"no model {judge.model!r} in models.yaml"
                    self.report(apps, describe(path, ("model",), words))
                continue
            if judge.via == "batch" and pin.batches is None:
                words = (
                    f"{judge.model!r} takes no batches; give its pin `batch: {{}}`, or use `live`"
                )
                self.report(apps, describe(path, ("via",), words))
            if judge.mode == "logprobs" and reasons(pin):
                words = (
                    f"{judge.model} thinks before it answers, and has no P(yes) of its first word"
                )
                self.report(apps, describe(path, ("mode",), f"{words}; use `mode: schema`"))

    def check_expectations(self) -> None:
        """A check at ingest that is not shipped declares what it expects, and why."""
        known = {check.check for check in shipped()}
        for name, suite in self.validation.items():
            for index, check in enumerate(suite.expectations):
                if check.check not in known and not (check.expect and check.reason):
                    path = self.root / "validation" / f"{name}.yaml"
                    words = (
                        f"no shipped check {check.check!r}; a new one needs `expect` and `reason`"
                    )
                    at = ("expectations", index, "check")
                    self.report(check.apps or None, describe(path, at, words))
                known.add(check.check)


FILES = {
    "root", "problems", "broken", "models", "apps", "suites", "judges", "guardrails", "validation",
    "sources", "slices", "attacks",
}  # fmt: skip
"""Parts of a catalog that `catalog.yaml` does not hold."""


def judges_in(suite: Suite) -> list[str]:
    """The judges a suite names."""
    checks = (dimension.check for dimension in suite.dimensions)
    return [judge for check in checks if check and (judge := check.named("judge"))]


def guarded_apps(raw: Any) -> list[str] | None:
    """The applications that a broken guardrail or slice names; None: all."""
    apps = raw.get("apps") if isinstance(raw, dict) else None
    named = isinstance(apps, list) and all(isinstance(app, str) for app in apps)
    return (apps or None) if named else None


def validated_apps(raw: Any) -> list[str] | None:
    """The applications that the expectations of a broken file name; None: all."""
    expectations = raw.get("expectations") if isinstance(raw, dict) else None
    if not isinstance(expectations, list) or not expectations:
        return None
    each = [guarded_apps(one) for one in expectations]
    return None if None in each else [app for apps in each for app in apps or ()]


def pulled_apps(raw: Any) -> list[str] | None:
    """The applications whose traces a broken source pulls; None: it may be any."""
    projects = raw.get("projects") if isinstance(raw, dict) else None
    named = list(projects.values()) if isinstance(projects, dict) else []
    named += [raw["app"]] if isinstance(raw, dict) and raw.get("app") else []
    return named if named and all(isinstance(app, str) for app in named) else None


def redacted_kinds(raw: Any) -> tuple[str, ...] | None:
    """The kinds of personal data a broken application redacts, where that can be read."""
    if not isinstance(raw, dict):
        return None
    own = {"redact": raw["redact"]} if "redact" in raw else {}
    try:
        return App.model_validate({"app": "broken", **own}).redact
    except ValidationError:
        return None


def fingerprint(root: Path) -> str:
    """A hash of every file of the catalog, so that a change is seen without reading YAML."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return digest(
        [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    )
