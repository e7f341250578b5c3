"""What is wrong in a catalog beyond its files' shape: checks, params, gold, SQL, expectations.

Heavy to look for, so what was found is kept until a file of the catalog changes. What a file may
hold is `evals.specs`'.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from evals.records import Trace, digest
from evals.specs import Catalog, CatalogError, Expectation, Problem, Suite, describe, fingerprint
from evals.specs.yaml_files import At
from evals.storage.documents.catalog_findings import read_findings, write_findings
from evals.storage.lake import Lake, connection
from evals.storage.tables import to_table


class Predicate(NamedTuple):
    """A SQL expression over traces that a catalog holds."""

    path: Path
    at: At
    """Its key in the file."""
    sql: str
    apps: tuple[str, ...] | None
    """The applications that use it; None: all."""


def check_catalog(lake: Lake, catalog: Catalog, *, anew: bool = False) -> Catalog:
    """The catalog without the applications that what is found stops.

    Args:
        lake: where it is kept what was found.
        catalog: as it was loaded.
        anew: looks also where no file of the catalog has changed.

    Raises:
        CatalogError: it stops every application.
    """
    plugins = metadata.entry_points(group="andon.evaluators")
    installed = sorted((one.value, one.dist.version if one.dist else "") for one in plugins)
    files = [str(catalog.root), fingerprint(catalog.root)]
    looked_at = digest([*files, metadata.version("andon"), installed])
    found = None if anew else read_findings(lake, looked_at)
    if found is None:
        found = list(find_problems(catalog))
        if lake.is_open():  # looking at a catalog makes no home
            write_findings(lake, looked_at, found)
    return catalog.with_problems(found)


def find_problems(catalog: Catalog) -> Iterator[Problem]:
    """Everything that is wrong with what a catalog declares, each for the applications it stops."""
    yield from find_wrong_evaluators(catalog)
    yield from find_wrong_guardrails(catalog)
    yield from find_wrong_gold(catalog)
    yield from find_wrong_attacks(catalog)
    yield from find_wrong_expectations(catalog)
    yield from find_unreadable_sql(catalog)


def problems_of(apps: Collection[str] | None, look: Callable[[], object]) -> Iterator[Problem]:
    """What a look raises, as problems of some applications."""
    try:
        look()
    except CatalogError as error:
        stopped = None if apps is None else tuple(sorted(apps))
        yield from (Problem(message=message, apps=stopped) for message in error.messages)


def apps_of_suite(catalog: Catalog, name: str) -> tuple[str, ...]:
    """The applications a suite is asked of."""
    return tuple(app for app, spec in catalog.apps.items() if spec.suite == name)


def find_wrong_evaluators(catalog: Catalog) -> Iterator[Problem]:
    """Checks that nobody knows, and params they do not take, each dimension by itself."""
    from evals.evaluators import resolution

    for app, spec in catalog.apps.items():
        suite = catalog.suites.get(spec.suite or "")
        for alone in each_dimension(suite) if suite else ():
            suites = {**catalog.suites, alone.suite: alone}
            one = catalog.model_copy(update={"suites": suites, "guardrails": {}})
            yield from problems_of([app], lambda one=one, app=app: resolution.resolve_app(one, app))


def each_dimension(suite: Suite) -> Iterator[Suite]:
    """The suite with the check of one dimension alone, each in turn."""
    unchecked = [
        one.model_copy(update={"check": None, "recorded": False}) for one in suite.dimensions
    ]
    for at, dimension in enumerate(suite.dimensions):
        dimensions = (*unchecked[:at], dimension, *unchecked[at + 1 :])
        yield suite.model_copy(update={"dimensions": dimensions})


def find_wrong_guardrails(catalog: Catalog) -> Iterator[Problem]:
    """Guardrails that cannot work, each by itself."""
    from evals.evaluators import resolution

    bare = {name: app.model_copy(update={"suite": None}) for name, app in catalog.apps.items()}
    for name, spec in catalog.guardrails.items():
        one = catalog.model_copy(update={"apps": bare, "guardrails": {name: spec}})
        covered = [app for app in spec.apps or bare if app not in catalog.broken]
        wrong = [
            problem
            for app in covered
            for problem in problems_of(
                [app], lambda one=one, app=app: resolution.resolve_app(one, app)
            )
        ]
        if spec.apps or len(wrong) < len(covered):
            yield from wrong
        elif wrong:
            yield wrong[0].model_copy(update={"apps": None})


def find_wrong_gold(catalog: Catalog) -> Iterator[Problem]:
    """Gold sets with a line that is none."""
    from evals.evaluators.gold import load_gold_set

    for name, suite in catalog.suites.items():
        apps = apps_of_suite(catalog, name)
        named = {dimension.check.gold for dimension in suite.dimensions if dimension.check}
        for gold in sorted(named - {None, "labels"}, key=str) if apps else ():
            folder = catalog.root / "gold"
            yield from problems_of(
                apps, lambda folder=folder, gold=gold: load_gold_set(folder, gold)
            )


def find_wrong_attacks(catalog: Catalog) -> Iterator[Problem]:
    """Attacks of unknown families, or of names that are taken; they stop whoever asks judges."""
    from evals.evaluators import resolution
    from evals.worklist import canaries

    wrong = list(problems_of((), lambda: canaries.choose_attacks(catalog)))
    for problem in wrong:
        asking = []
        for app in catalog.apps:
            judged = list(problems_of((), lambda app=app: resolution.resolve_app(catalog, app)))
            if not judged and any(e.pin for e in resolution.resolve_app(catalog, app)):
                asking.append(app)
        yield problem.model_copy(update={"apps": tuple(asking)})


def find_wrong_expectations(catalog: Catalog) -> Iterator[Problem]:
    """A team's expectations whose arguments Great Expectations does not take."""
    own = [
        (catalog.root / "validation" / f"{name}.yaml", index, check)
        for name, suite in catalog.validation.items()
        for index, check in enumerate(suite.expectations)
    ]
    for path, index, check in own:
        for app in check.apps or catalog.apps:
            if app in catalog.apps:
                at = ("expectations", index, "arguments")
                yield from wrong_arguments(catalog, app, check.check, path, at)


def wrong_arguments(catalog: Catalog, app: str, name: str, path: Path, at: At) -> Iterator[Problem]:
    """The problem of one expectation for one application, named by its file."""
    from evals.validation import expectations

    merged = {check.check: check for check in catalog.expectations(app)}
    check: Expectation | None = merged.get(name)
    if check is None:
        return
    limits = catalog.app(app).validation.model_dump_json()
    spelled = (expectations.build_cache_key(check),)
    for problem in problems_of([app], lambda: expectations.build_suite(app, limits, spelled)):
        yield problem.model_copy(update={"message": describe(path, at, problem.message)})


def find_unreadable_sql(catalog: Catalog) -> Iterator[Problem]:
    """The SQL of slices, strata and `where` that DuckDB cannot compute over traces."""
    predicates = list(each_predicate(catalog))
    if not predicates:
        return
    with connection() as db:
        db.register("staged", to_table(Trace, []))
        db.execute("create view traces as select *, null::date as date from staged")
        for one in predicates:
            try:
                db.execute(f"select ({one.sql}) from traces")  # noqa: S608  the team's own SQL
            except Exception as error:
                words = f"{one.sql}: {str(error).splitlines()[0]}"
                yield Problem(message=describe(one.path, one.at, words), apps=one.apps)


def each_predicate(catalog: Catalog) -> Iterator[Predicate]:
    """Every SQL expression of a catalog, with who uses it."""
    for index, spec in enumerate(catalog.slices):
        for key, sql in (("by", spec.by), ("where", spec.where)):
            if sql:
                yield Predicate(catalog.root / "slices.yaml", (index, key), sql, spec.apps or None)
    slices = {spec.slice for spec in catalog.slices}
    for name, suite in catalog.suites.items():
        path, apps = catalog.root / "suites" / f"{name}.yaml", apps_of_suite(catalog, name)
        for index, dimension in enumerate(suite.dimensions):
            if dimension.where:
                yield Predicate(path, ("dimensions", index, "where"), dimension.where, apps)
            strata = getattr(dimension.sample, "strata", None)
            if strata is not None and strata.by not in slices:
                at = ("dimensions", index, "sample", "strata", "by")
                yield Predicate(path, at, strata.by, apps)
