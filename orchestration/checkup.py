"""What `andon doctor` looks at: the catalog, the pins, the data folder.

Changes nothing; each finding says what to do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from evals import evaluators, models
from evals.lake import connection, to_table
from evals.records import Trace
from evals.specs import Catalog, line_of
from orchestration.settings import Settings

FAIL_DAYS, WARN_DAYS = 30, 90


class Finding(NamedTuple):
    """One thing looked at."""

    state: str
    """`ok`, `warn` or `fail`."""
    about: str
    words: str


def examine(here: Settings) -> list[Finding]:
    """Everything worth knowing before a night, in the order a person would mend it."""
    catalog = here.catalog()
    evaluators.names(catalog)  # resolved once, so that a check nobody knows is said here
    here.lake()
    return [
        Finding("ok", "home", str(here.home)),
        Finding("ok", "catalog", f"{catalog.root}: {len(catalog.apps)} applications"),
        *(Finding("fail", found.where, found.words) for found in unreadable(catalog)),
        *pins(catalog),
    ]


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


def pins(catalog: Catalog) -> Iterator[Finding]:
    """Whether each model can be asked here, and until when its pin holds."""
    today = datetime.now(UTC).date()
    for name, pin in sorted(catalog.models.items()):
        reason = models.unavailable_because(pin)
        hint = {"no-key": f"set {pin.key_variable}", "no-model": "install the extra andon[model]"}
        if reason:
            yield Finding("warn", f"model {name}", f"{hint[reason]}; its judges are skipped")
        elif pin.expires is None:
            yield Finding("ok", f"model {name}", f"{pin.model}, no expiry declared")
        else:
            left = (pin.expires - today).days
            state = "fail" if left < FAIL_DAYS else "warn" if left < WARN_DAYS else "ok"
            yield Finding(state, f"model {name}", f"{pin.model} ends {pin.expires}: {left} days")
