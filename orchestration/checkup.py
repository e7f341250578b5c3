"""What `andon doctor` looks at: the catalog, the pins, the data folder.

Changes nothing; each finding says what to do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from evals import evaluators, intake, models
from evals.lake import connection, to_table
from evals.records import Trace
from evals.specs import Catalog
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
    here.lake()
    return [
        Finding("ok", "home", str(here.home)),
        Finding("ok", "catalog", f"{catalog.root}: {len(catalog.apps)} applications"),
        *predicates(catalog),
        *pins(catalog),
    ]


def predicates(catalog: Catalog) -> Iterator[Finding]:
    """Whether DuckDB reads every slice and every `where` of the catalog."""
    said = [(f"slice {row.slice}", row.expression) for row in intake.slice_rows(catalog)]
    keyword = {spec.slice for spec in catalog.slices if spec.keyword}
    said = [(about, sql) for about, sql in said if about.removeprefix("slice ") not in keyword]
    for app in catalog.apps:
        found = evaluators.for_app(catalog, app)
        said += [(f"{e.app}.{e.dimension}", e.where) for e in found if e.where]
    with connection() as db:
        db.register("traces", to_table(Trace, []))
        for about, sql in said:
            try:
                db.execute(f"select ({sql}) from traces")  # noqa: S608  the team's own SQL
            except Exception as error:
                words = str(error).splitlines()[0]
                yield Finding("fail", about, f"{sql}: {words}")


def pins(catalog: Catalog) -> Iterator[Finding]:
    """Whether each model can be asked here, and until when its pin holds."""
    today = datetime.now(UTC).date()
    for name, pin in sorted(catalog.models.items()):
        reason = models.unavailable_because(pin)
        hint = {"no-key": f"set {pin.api_key_env}", "no-model": "install the extra andon[model]"}
        if reason:
            yield Finding("warn", f"model {name}", f"{hint[reason]}; its judges are skipped")
        elif pin.expires is None:
            yield Finding("ok", f"model {name}", f"{pin.model}, no expiry declared")
        else:
            left = (pin.expires - today).days
            state = "fail" if left < FAIL_DAYS else "warn" if left < WARN_DAYS else "ok"
            yield Finding(state, f"model {name}", f"{pin.model} ends {pin.expires}: {left} days")
