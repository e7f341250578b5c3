"""Loads a catalog folder to typed specs; a broken application does not stop the others.

Reads and checks what a team declares. What the declarations do is in `evals.evaluators`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from evals.records import Json, digest
from evals.specs.apps import App
from evals.specs.attacks import Attacks
from evals.specs.broken_files import guarded_apps, pulled_apps, redacted_kinds, validated_apps
from evals.specs.catalog import ANSWERED, Catalog, Slice
from evals.specs.classifiers import Classifier, Teacher
from evals.specs.inbox_places import resolve_inbox
from evals.specs.judge_pools import add_pool
from evals.specs.models import ModelPin
from evals.specs.pins import find_refusal, is_reasoning
from evals.specs.problems import BrokenApplication, Problem
from evals.specs.sources import Source
from evals.specs.spec import CatalogError, S
from evals.specs.suites import LABELS, PREVIOUS, Guardrail, Judge, Suite
from evals.specs.validation import ValidationSuite, shipped_expectations
from evals.specs.yaml_files import (
    describe,
    describe_repeat,
    parse,
    read_folder,
    read_list,
    read_mapping,
    read_named,
    refuse,
)

ELSEWHERE = frozenset(
    {
        "root", "problems", "broken", "models", "apps", "suites", "judges", "classifiers",
        "guardrails", "validation", "sources", "slices", "attacks",
    }
)  # fmt: skip
"""Keys of a catalog that `catalog.yaml` does not hold."""


@functools.lru_cache(maxsize=8)
def load_catalog(root: Path) -> Catalog:
    """Loads and checks a catalog folder; a broken part stops the applications that use it.

    Raises:
        CatalogError: there is no catalog, or its problems stop every application.
    """
    if not root.is_dir():
        raise CatalogError(f"{root}: no such catalog folder; pass --catalog or set ANDON_CATALOG")
    return Reader(root).read()


class Reader:
    """Reads a catalog folder once and collects its problems."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.apps, self.broken_apps = read_folder(root / "apps", App, "app")
        self.suites, self.broken_suites = read_folder(root / "suites", Suite, "suite")
        self.judges, self.broken_judges = read_folder(root / "judges", Judge, "judge")
        self.classifiers, self.broken_classifiers = read_folder(
            root / "classifiers", Classifier, "classifier"
        )
        self.guardrails = self.read_covering("guardrails", Guardrail, "guardrail", guarded_apps)
        self.validation = self.read_covering(
            "validation", ValidationSuite, "validation", validated_apps
        )
        self.models = self.read_models()
        self.slices = self.read_slices()

    def read(self) -> Catalog:
        """Returns the catalog, with its problems."""
        for one in self.broken_apps:
            self.report((one.name,), *one.messages)
        for one in self.broken_suites:
            self.report(self.apps_of_suite(one.name), *one.messages)
        for one in self.broken_judges:
            self.report(self.apps_of_judge(one.name), *one.messages)
        for one in self.broken_classifiers:
            self.report(self.apps_of_check("classifier", one.name), *one.messages)
        self.check_file_names()
        self.check_apps()
        self.check_repeats()
        self.check_suites()
        self.read_pools()
        self.check_judges()
        self.check_classifiers()
        self.check_expectations()
        for name, app in self.apps.items():
            self.check_gate(name, app)
            model = app.error_analysis.model
            if model and model not in self.models:
                path = self.root / "apps" / f"{name}.yaml"
                problem = f"no model {model!r} in models.yaml"
                self.report((name,), describe(path, ("error_analysis", "model"), problem))
        catalog = Catalog(root=self.root)
        with self.reporting(None):
            catalog = self.read_settings()
            self.check_digests(catalog)
        return catalog.model_copy(update=self.read_parts()).with_problems(self.problems)

    def read_parts(self) -> dict[str, object]:
        """Returns what the catalog's files declare, as fields of `Catalog`."""
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
            "classifiers": self.classifiers,
            "guardrails": self.guardrails,
            "validation": self.validation,
            "sources": self.read_sources(),
            "slices": self.slices,
            "attacks": self.read_attacks(),
        }

    def report(self, apps: Iterable[str] | None, *messages: str) -> None:
        """Adds problems that stop some applications; None: all."""
        stopped = None if apps is None else tuple(sorted(set(apps)))
        self.problems += [Problem(message=message, apps=stopped) for message in messages]

    @contextlib.contextmanager
    def reporting(self, apps: Iterable[str] | None) -> Generator[None]:
        """Turns a CatalogError raised inside the block into problems."""
        try:
            yield
        except CatalogError as error:
            self.report(apps, *error.messages)

    def apps_of_suite(self, name: str) -> list[str]:
        """Returns the applications that use a suite."""
        return [app for app, spec in self.apps.items() if spec.suite == name]

    def apps_of_judge(self, *names: str) -> list[str]:
        """Returns the applications that use one of some judges; without names, any judge."""
        return self.apps_of_check("judge", *names)

    def apps_of_check(self, kind: str, *names: str) -> list[str]:
        """Returns the applications that use one of some evaluators of a kind; or any of it."""
        suites = [
            suite.suite
            for suite in self.suites.values()
            for used in suite.list_checks(kind)
            if not names or used in names
        ]
        guarded = [
            app
            for spec in self.guardrails.values()
            if not isinstance(spec.check, str)
            and (used := spec.check.name_of(kind))
            and (not names or used in names)
            for app in spec.apps or self.apps
        ]
        return [*guarded, *(app for suite in suites for app in self.apps_of_suite(suite))]

    def apps_of_model(self, name: str) -> list[str]:
        """Returns the applications whose judges use a model."""
        names = [judge.judge for judge in self.judges.values() if judge.model == name]
        return self.apps_of_judge(*names) if names else []

    def read_covering(
        self, folder: str, kind: type[S], key: str, covers: Callable[[Json], list[str] | None]
    ) -> dict[str, S]:
        """Reads a folder of files, each for some applications or for all."""
        specs, broken = read_folder(self.root / folder, kind, key)
        for one in broken:
            self.report(covers(one.raw), *one.messages)
        return specs

    def read_models(self) -> dict[str, ModelPin]:
        """Reads the pins of `models.yaml`."""
        path = self.root / "models.yaml"
        expected = "a pin's keys, such as `model`"
        self.unread_models: set[str] | None = set()
        try:
            models, broken = read_named(path, ModelPin, expected)
        except CatalogError as error:
            self.unread_models = None
            self.report(self.apps_of_judge(), *error.messages)
            return {}
        for one in broken:
            self.unread_models.add(one.name)
            self.report(self.apps_of_model(one.name), *one.messages)
        return models

    def read_sources(self) -> dict[str, Source]:
        """Reads the sources of `sources.yaml`."""
        sources: dict[str, Source] = {}
        with self.reporting(None):
            path = self.root / "sources.yaml"
            sources, broken = read_named(path, Source, "a source's keys, such as `kind`")
            for one in broken:
                self.report(pulled_apps(one.raw), *one.messages)
        return sources

    def read_slices(self) -> tuple[Slice, ...]:
        """Reads the slices of `slices.yaml`, in its order."""
        path, slices = self.root / "slices.yaml", list[Slice]()
        with self.reporting(None):
            for index, value in enumerate(read_list(path, "a list, one slice a line")):
                with self.reporting(guarded_apps(value)):
                    slices.append(parse(Slice, path, value, (index,)))
        return tuple(slices)

    def read_attacks(self) -> Attacks:
        """Reads `attacks.yaml`; a problem in it stops the applications that use judges."""
        path = self.root / "attacks.yaml"
        with self.reporting(self.apps_of_judge()):
            expected = "keys such as `each`, and a list of `attacks`"
            return parse(Attacks, path, read_mapping(path, expected))
        return Attacks()

    def read_settings(self) -> Catalog:
        """Reads the catalog's own settings, resolves paths, and applies its policy to the pins."""
        path = self.root / "catalog.yaml"
        settings = read_mapping(path, "keys and values")
        for key in ELSEWHERE & set(settings):
            refuse(path, (key,), "expected in a file of its own, not here")
        catalog = parse(Catalog, path, {**settings, "root": self.root})
        self.models = {name: self.under_policy(pin, catalog) for name, pin in self.models.items()}
        writer = catalog.realign.model
        if writer and writer not in self.models:
            refuse(path, ("realign", "model"), f"no model {writer!r} in models.yaml")
        inbox = catalog.inbox and resolve_inbox(path, str(catalog.inbox))
        label_files = tuple(self.root / one for one in catalog.label_files)
        return catalog.model_copy(update={"inbox": inbox, "label_files": label_files})

    def under_policy(self, pin: ModelPin, catalog: Catalog) -> ModelPin:
        """Applies the pin's own policy or the catalog's; adds a problem for a refused pin."""
        pin = pin.model_copy(update={"pins": pin.pins or catalog.pins})
        if refused := find_refusal(pin):
            at = (pin.name, "revision" if pin.revision else "model")
            where = describe(self.root / "models.yaml", at, refused)
            self.report(self.apps_of_model(pin.name), where)
        return pin

    def check_file_names(self) -> None:
        """Checks that no file has an ending under which it would not be read."""
        folders = {"apps", "suites", "judges", "classifiers", "guardrails", "validation"}
        for path in sorted(self.root.rglob("*.[yY]*[lL]")):
            if path.suffix == ".yaml" or path.suffix.lower() not in (".yml", ".yaml"):
                continue
            folder = path.parent.relative_to(self.root).as_posix()
            if folder in {".", *folders}:
                problem = f"only files that end in .yaml are read; rename it to {path.stem}.yaml"
                self.report((path.stem,) if folder == "apps" else None, describe(path, (), problem))

    def check_repeats(self) -> None:
        """Checks that no two dimensions of a suite and no two slices of a trace have one name."""
        for name, suite in self.suites.items():
            path, seen = self.root / "suites" / f"{name}.yaml", dict[str, int]()
            for index, dimension in enumerate(suite.dimensions):
                first = seen.setdefault(dimension.dimension, index)
                if first != index:
                    at = [("dimensions", where, "dimension") for where in (first, index)]
                    self.report(self.apps_of_suite(name), describe_repeat(path, *at))
        path, slices = self.root / "slices.yaml", self.slices
        for later, one in enumerate(slices):
            for earlier, other in enumerate(slices[:later]):
                shared = {*(one.apps or self.apps)} & {*(other.apps or self.apps)}
                if one.slice == other.slice and shared:
                    at = [(where, "slice") for where in (earlier, later)]
                    self.report(shared, describe_repeat(path, *at))
                    break

    def check_apps(self) -> None:
        """Checks that every suite an application names is declared."""
        names = {*self.suites, *(one.name for one in self.broken_suites)}
        for name, app in self.apps.items():
            if app.suite and app.suite not in names:
                path = self.root / "apps" / f"{name}.yaml"
                self.report((name,), describe(path, ("suite",), f"no suite {app.suite!r}"))

    def check_gate(self, name: str, app: App) -> None:
        """Checks that every dimension that a gate names is declared: else it would gate nothing."""
        suite = self.suites.get(app.suite or "")
        if suite is None:
            return
        known = {ANSWERED, *(one.dimension for one in suite.dimensions)}
        known |= {*self.guardrails, *(one.stem for one in self.root.glob("guardrails/*.yaml"))}
        for index, dimension in enumerate(app.gate.dimensions):
            if dimension not in known:
                path, at = self.root / "apps" / f"{name}.yaml", ("gate", "dimensions", index)
                problem = f"no dimension {dimension!r} in the suite {app.suite!r}"
                self.report((name,), describe(path, at, problem))

    def check_digests(self, catalog: Catalog) -> None:
        """Checks that every target an application names is declared."""
        for name, app in self.apps.items():
            for index, target in enumerate(app.digest.targets or ()):
                if target not in catalog.digest.targets:
                    path = self.root / "apps" / f"{name}.yaml"
                    problem = f"no target {target!r} in `digest.targets` of catalog.yaml"
                    self.report((name,), describe(path, ("digest", "targets", index), problem))

    def check_suites(self) -> None:
        """Checks that every judge and gold set a suite names exists."""
        names = {*self.judges, *(one.name for one in self.broken_judges)}
        for name, suite in self.suites.items():
            path = self.root / "suites" / f"{name}.yaml"
            for index, dimension in enumerate(suite.dimensions):
                check = dimension.check
                judge = check.name_of("judge") if check else None
                if judge and judge not in names:
                    at = ("dimensions", index, "check", "judge")
                    where = describe(path, at, f"no judge {judge!r}")
                    self.report(self.apps_of_suite(name), where)
                gold = check.gold if check else None
                files = [self.root / "gold" / f"{gold}.{suffix}" for suffix in ("jsonl", "csv")]
                if gold not in (None, LABELS, PREVIOUS) and not any(
                    file.exists() for file in files
                ):
                    where = describe(
                        path, ("dimensions", index, "check", "gold"), f"no gold set {gold!r}"
                    )
                    self.report(self.apps_of_suite(name), where)

    def read_pools(self) -> None:
        """Adds the examples that judges have in files of their own."""
        for name, judge in self.judges.items():
            with self.reporting(self.apps_of_judge(name)):
                self.judges[name] = add_pool(self.root / "judges", judge)

    def check_judges(self) -> None:
        """Checks that every judge's model is declared and supports the judge's mode."""
        for name, judge in self.judges.items():
            path, pin = self.root / "judges" / f"{name}.yaml", self.models.get(judge.model)
            apps = self.apps_of_judge(name)
            if pin is None:
                if self.unread_models is not None and judge.model not in self.unread_models:
                    problem = f"no model {judge.model!r} in models.yaml"
                    self.report(apps, describe(path, ("model",), problem))
                continue
            writer = judge.realign and judge.realign.model
            if writer and writer not in self.models:
                problem = f"no model {writer!r} in models.yaml"
                self.report(apps, describe(path, ("realign", "model"), problem))
            if judge.via == "batch" and pin.batches is None:
                problem = (
                    f"{judge.model!r} takes no batches; give its pin `batch: {{}}`, or use `live`"
                )
                self.report(apps, describe(path, ("via",), problem))
            if judge.mode == "logprobs" and is_reasoning(pin):
                problem = (
                    f"{judge.model} thinks before it answers, and has no P(yes) of its first word"
                )
                self.report(apps, describe(path, ("mode",), f"{problem}; use `mode: schema`"))

    def check_classifiers(self) -> None:
        """Checks that the dimension and the judge that a classifier learns from are declared."""
        dimensions = {
            one.dimension
            for suite in self.suites.values()
            for one in suite.dimensions
            if one.subject == "trace"
        }
        judges = {*self.judges, *(one.name for one in self.broken_judges)}
        for name, spec in self.classifiers.items():
            path, apps = (
                self.root / "classifiers" / f"{name}.yaml",
                self.apps_of_check("classifier", name),
            )
            if spec.dimension not in dimensions and not self.broken_suites:
                problem = f"no suite has a dimension {spec.dimension!r} of traces"
                self.report(apps, describe(path, ("dimension",), problem))
            teacher = spec.learns_from
            if isinstance(teacher, Teacher) and teacher.judge not in judges:
                at = ("learns_from", "judge")
                self.report(apps, describe(path, at, f"no judge {teacher.judge!r}"))

    def check_expectations(self) -> None:
        """Checks that a check at ingest that is not shipped declares `expect` and `reason`."""
        names = {check.check for check in shipped_expectations()}
        for name, suite in self.validation.items():
            for index, check in enumerate(suite.expectations):
                if check.check not in names and not (check.expect and check.reason):
                    path = self.root / "validation" / f"{name}.yaml"
                    problem = (
                        f"no shipped check {check.check!r}; a new one needs `expect` and `reason`"
                    )
                    at = ("expectations", index, "check")
                    self.report(check.apps or None, describe(path, at, problem))
                names.add(check.check)


def fingerprint(root: Path) -> str:
    """Returns a hash of every file's size and time: detects changes without reading YAML."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return digest(
        [(str(p.relative_to(root)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    )
