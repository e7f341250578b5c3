"""Finds a catalog's problems beyond its files' shape: checks, params, gold, SQL, expectations.

The checks are slow, so their findings are stored until a file of the catalog changes. The shape
of a file is checked in `evals.specs`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from evals.records import Trace, digest
from evals.specs import Catalog, CatalogError, Expectation, Problem, describe, fingerprint
from evals.specs.suites import LABELS, PREVIOUS
from evals.specs.yaml_files import At
from evals.storage.documents.catalog_findings import read_findings, write_findings
from evals.storage.lake import Lake
from evals.storage.queries import open_duckdb
from evals.storage.record_tables import to_table
from evals.table_rows import RequestRow


class Predicate(NamedTuple):
    """A SQL expression over traces in a catalog."""

    path: Path
    at: At
    """Its key in the file."""
    sql: str
    apps: tuple[str, ...] | None
    """The applications that use it; None: all."""
    is_slice: bool = False
    """Whether it is a slice's, which may read the columns of requests too."""


def check_catalog(lake: Lake, catalog: Catalog, *, anew: bool = False) -> Catalog:
    """Checks a catalog; returns it without the applications that have a problem.

    Args:
        lake: the home, which stores the findings.
        catalog: as it was loaded.
        anew: whether to check even if no file of the catalog has changed.

    Raises:
        CatalogError: a problem affects every application.
    """
    plugins = metadata.entry_points(group="andon.evaluators")
    installed = sorted(
        (plugin.value, plugin.dist.version if plugin.dist else "") for plugin in plugins
    )
    files = [str(catalog.root), fingerprint(catalog.root)]
    basis = digest([*files, metadata.version("andon"), installed])
    problems = None if anew else read_findings(lake, basis)
    if problems is None:
        problems = list(find_problems(catalog))
        if lake.is_open() and lake.is_writable():  # checking a catalog creates no home
            write_findings(lake, basis, problems)
    return catalog.with_problems(problems)


def find_problems(catalog: Catalog) -> Iterator[Problem]:
    """Yields all problems of a catalog, each with the applications it stops."""
    yield from find_wrong_evaluators(catalog)
    yield from find_wrong_guardrails(catalog)
    yield from find_wrong_gold(catalog)
    yield from find_wrong_attacks(catalog)
    yield from find_wrong_expectations(catalog)
    yield from find_unreadable_sql(catalog)


def collect_problems(
    apps: Collection[str] | None, check: Callable[[], object]
) -> Iterator[Problem]:
    """Yields the errors of a check as problems of some applications."""
    try:
        check()
    except CatalogError as error:
        stopped = None if apps is None else tuple(sorted(apps))
        yield from (Problem(message=message, apps=stopped) for message in error.messages)


def list_suite_apps(catalog: Catalog, name: str) -> tuple[str, ...]:
    """Returns the applications that use a suite."""
    return tuple(app for app, spec in catalog.apps.items() if spec.suite == name)


def find_wrong_evaluators(catalog: Catalog) -> Iterator[Problem]:
    """Yields unknown checks and wrong params, dimension by dimension."""
    from evals.evaluators import resolution

    for app, spec in catalog.apps.items():
        for error in resolution.find_wrong_dimensions(catalog, spec):
            yield from (Problem(message=message, apps=(app,)) for message in error.messages)


def find_wrong_guardrails(catalog: Catalog) -> Iterator[Problem]:
    """Yields the problems of guardrails, one by one."""
    from evals.evaluators import resolution

    bare = {name: app.model_copy(update={"suite": None}) for name, app in catalog.apps.items()}
    for name, spec in catalog.guardrails.items():
        part = catalog.model_copy(update={"apps": bare, "guardrails": {name: spec}})
        covered = [app for app in spec.apps or bare if app not in catalog.broken]
        wrong = [
            problem
            for app in covered
            for problem in collect_problems(
                [app], lambda part=part, app=app: resolution.resolve_app(part, app)
            )
        ]
        if spec.apps or len(wrong) < len(covered):
            yield from wrong
        elif wrong:
            yield wrong[0].model_copy(update={"apps": None})


def find_wrong_gold(catalog: Catalog) -> Iterator[Problem]:
    """Yields invalid lines of gold sets."""
    from evals.evaluators.gold_sets import load_gold_set

    for name, suite in catalog.suites.items():
        apps = list_suite_apps(catalog, name)
        named = {dimension.check.gold for dimension in suite.dimensions if dimension.check}
        for gold in sorted(named - {None, LABELS, PREVIOUS}, key=str) if apps else ():
            folder = catalog.root / "gold"
            yield from collect_problems(
                apps, lambda folder=folder, gold=gold: load_gold_set(folder, gold)
            )


def find_wrong_attacks(catalog: Catalog) -> Iterator[Problem]:
    """Yields attacks with an unknown family or a taken name; they stop applications with judges."""
    from evals.evaluators import resolution
    from evals.worklist import canaries

    wrong = list(collect_problems((), lambda: canaries.choose_attacks(catalog)))
    for problem in wrong:
        judging: list[str] = []
        for app in catalog.apps:
            errors = list(
                collect_problems((), lambda app=app: resolution.resolve_app(catalog, app))
            )
            if not errors and any(e.pin for e in resolution.resolve_app(catalog, app)):
                judging.append(app)
        yield problem.model_copy(update={"apps": tuple(judging)})


def find_wrong_expectations(catalog: Catalog) -> Iterator[Problem]:
    """Yields a team's expectations whose arguments Great Expectations rejects."""
    own = [
        (catalog.root / "validation" / f"{name}.yaml", index, check)
        for name, suite in catalog.validation.items()
        for index, check in enumerate(suite.expectations)
    ]
    for path, index, check in own:
        for app in check.apps or catalog.apps:
            if app in catalog.apps:
                at = ("expectations", index, "arguments")
                yield from find_wrong_arguments(catalog, app, check.check, path, at)


def find_wrong_arguments(
    catalog: Catalog, app: str, name: str, path: Path, at: At
) -> Iterator[Problem]:
    """Yields the problem of one expectation for one application, with its file."""
    from evals.validation import expectations

    merged = {check.check: check for check in catalog.expectations(app)}
    check: Expectation | None = merged.get(name)
    if check is None:
        return
    limits = catalog.app(app).validation.model_dump_json()
    key = (expectations.build_cache_key(check),)
    for problem in collect_problems([app], lambda: expectations.build_suite(app, limits, key)):
        yield problem.model_copy(update={"message": describe(path, at, problem.message)})


def find_unreadable_sql(catalog: Catalog) -> Iterator[Problem]:
    """Yields the SQL of slices, strata and `where` that DuckDB cannot compute over traces."""
    predicates = list(list_predicates(catalog))
    if not predicates:
        return
    with open_duckdb() as db:
        db.register("staged", to_table(Trace, []))
        db.register("requests", to_table(RequestRow, []))
        db.execute("create view traces as select *, null::date as date from staged")
        db.execute("create view stg_traces as select *, null::bigint as turn from traces")
        using = "using (date, app, trace_id)"
        db.execute(f"create view int_traces as from stg_traces join requests {using}")
        for predicate in predicates:
            table = "int_traces" if predicate.is_slice else "traces"
            try:
                db.execute(f"select ({predicate.sql}) from {table}")  # noqa: S608  the team's own SQL
            except Exception as error:
                message = f"{predicate.sql}: {str(error).splitlines()[0]}"
                yield Problem(
                    message=describe(predicate.path, predicate.at, message), apps=predicate.apps
                )


def list_predicates(catalog: Catalog) -> Iterator[Predicate]:
    """Yields every SQL expression of a catalog with the applications that use it."""
    path = catalog.root / "slices.yaml"
    for index, spec in enumerate(catalog.slices):
        for key, sql in (("by", spec.by), ("where", spec.where)):
            if sql:
                yield Predicate(path, (index, key), sql, spec.apps or None, is_slice=True)
    slices = {spec.slice: spec.by for spec in catalog.slices}
    for name, suite in catalog.suites.items():
        path, apps = catalog.root / "suites" / f"{name}.yaml", list_suite_apps(catalog, name)
        for index, dimension in enumerate(suite.dimensions):
            if dimension.where:
                yield Predicate(path, ("dimensions", index, "where"), dimension.where, apps)
            strata = getattr(dimension.sample, "strata", None)
            if strata is not None:
                at = ("dimensions", index, "sample", "strata", "by")
                yield Predicate(path, at, slices.get(strata.by) or strata.by, apps)
