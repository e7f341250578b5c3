"""From staged rows to a night's traces: each row accepted, a duplicate, or in quarantine.

What a valid row is says the catalog; here the rows are moved, and the account is kept.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evals.ingest import fragment_merge
from evals.ingest.staged_rows import StagedFile
from evals.records import digest
from evals.specs import Catalog, Expectation
from evals.storage.lake import Lake, in_use
from evals.storage.night_state import door_basis, read_state, update_state
from evals.validation import (
    data_docs_pages,
    expectations,
    redaction_counts,
    redated_traces,
    row_outcomes,
    volumes,
)
from evals.validation.publish import CheckedNight, publish_night
from evals.validation.quarantine import UnreadableCounts, count_unreadable
from evals.validation.row_outcomes import ACCEPTED, DUPLICATE, UNIQUE, RowOutcomes, decide_outcomes

if TYPE_CHECKING:
    import pandas

ROWS_AT_ONCE = 300_000
"""How many rows are validated at once: of many small nights one run costs less."""

Account = dict[str, Any]


class StagedNight(NamedTuple):
    """A night's rows before they are validated."""

    date: date
    files: list[StagedFile]
    rows: pandas.DataFrame


@in_use
def admit_nights(
    lake: Lake, catalog: Catalog, nights: Sequence[date]
) -> dict[date, Mapping[str, Mapping[str, Any]]]:
    """Validates the staged rows of some nights; returns each night's accounting by application.

    Rows that pass become the night's traces, the others go to quarantine; an application with
    too many of those is refused for the night, and everything else goes on. A trace that one
    night takes from another leaves it when that one is admitted, here or where it is due. The
    rows of an application whose catalog is broken wait, staged, until it is mended.
    """
    with lake.lock("door"):
        while stale := sorted(find_stale(lake, catalog, nights)):
            admit_stale(lake, catalog, stale)
    return {
        night: {
            app: account
            for app, account in read_state(lake, night).apps.items()
            if app not in catalog.broken
        }
        for night in nights
    }


def find_stale(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> list[date]:
    """Nights whose validation rests on something else than it did, or that had none."""
    return [
        night
        for night in nights
        if read_state(lake, night).admitted != digest_basis(lake, catalog, night)
    ]


def admit_stale(lake: Lake, catalog: Catalog, nights: Sequence[date]) -> None:
    """Validates some nights and puts their rows in place.

    What they take from other nights is noted before they count as admitted: after a kill between,
    they are taken again. A night whose rows stand otherwise than they did is due.
    """
    door = {night: digest(door_basis(lake, night)) for night in nights}
    basis = {night: digest_basis(lake, catalog, night) for night in nights}
    before = count_unreadable(lake, set(nights))
    with scratch_folder(lake) as folder:
        for group in group_nights(lake, catalog, nights, folder):
            checked = validate_nights(catalog, group, before)
            rows = {}
            for night in group:
                day = night.date
                # Due, should what follows be interrupted.
                waiting = waiting_in(lake, catalog, night, before)
                update_state(lake, day, admitted="", waiting=waiting)
                rows[day] = write_outcomes(lake, catalog, night, checked[day], before.get(day, {}))
            redated_traces.record_redated(lake, list(rows))
            for day, found in rows.items():
                known = read_state(lake, day)
                changed = known.seen is not None and known.rows != found
                due: dict[str, str] = {"seen": ""} if changed else {}
                update_state(lake, day, admitted=basis[day], door=door[day], rows=found, **due)


@contextlib.contextmanager
def scratch_folder(lake: Lake) -> Iterator[Path]:
    """A folder for what is made on the way into place."""
    run = f"door-{secrets.token_hex(4)}"
    try:
        yield lake.scratch(run)
    finally:
        lake.drop_scratch(run)


def digest_basis(lake: Lake, catalog: Catalog, night: date) -> str:
    """A digest of what a night's validation rests on."""
    apps = {app: spec.validation.model_dump() for app, spec in catalog.apps.items()}
    checks = [suite.model_dump(mode="json") for _, suite in sorted(catalog.validation.items())]
    return digest([door_basis(lake, night), apps, checks])


def group_nights(
    lake: Lake, catalog: Catalog, nights: Sequence[date], folder: Path
) -> Iterator[list[StagedNight]]:
    """Nights with their rows, as many together as memory should hold."""
    held: list[StagedNight] = []
    for night in nights:
        files, frame = fragment_merge.read_merged_rows(lake, catalog, night, folder)
        if held and sum(len(one.rows) for one in held) + len(frame) > ROWS_AT_ONCE:
            yield held
            held = []
        held.append(StagedNight(night, files, frame))
    if held:
        yield held


def validate_nights(
    catalog: Catalog, nights: Sequence[StagedNight], before: dict[date, dict[str, UnreadableCounts]]
) -> dict[date, list[CheckedNight]]:
    """Each night's applications with what becomes of their rows."""
    own: dict[str, dict[date, pandas.DataFrame]] = defaultdict(dict)
    for night in nights:
        if not night.rows.empty:
            for app, frame in split_by_app(night.rows):
                own[app][night.date] = frame.reset_index(drop=True)
        for app in before.get(night.date, {}):
            own[app].setdefault(night.date, night.rows.iloc[:0])
    found: dict[date, list[CheckedNight]] = {night.date: [] for night in nights}
    for app, frames in sorted(own.items()):
        if app in catalog.broken:
            continue
        for day, one in check_app(catalog, app, frames).items():
            found[day].append(one)
    return found


def waiting_in(
    lake: Lake,
    catalog: Catalog,
    night: StagedNight,
    before: dict[date, dict[str, UnreadableCounts]],
) -> tuple[str, ...]:
    """The applications of a night that wait for the catalog, until a report is made of them."""
    named = set(night.rows["app"].unique()) if len(night.rows) else set[str]()
    broken = set(catalog.broken) & {*named, *before.get(night.date, {})}
    return tuple(sorted(broken.union(read_state(lake, night.date).waiting)))


def split_by_app(rows: pandas.DataFrame) -> Iterator[tuple[str, pandas.DataFrame]]:
    """Each application's rows; those of the only one are not copied for it."""
    apps = rows["app"].unique()
    if len(apps) == 1:
        yield str(apps[0]), rows
    else:
        yield from ((str(app), frame) for app, frame in rows.groupby("app", dropna=False))


def check_app(
    catalog: Catalog, app: str, frames: dict[date, pandas.DataFrame]
) -> dict[date, CheckedNight]:
    """One application's nights, checked in one pass; a copy of a row is not checked again."""
    import pandas

    checks = [check for check in catalog.expectations(app) if check.over == "rows"]
    copied = {day: row_outcomes.find_copies(frame) for day, frame in frames.items() if len(frame)}
    fresh = {day: frames[day][~own] if own.any() else frames[day] for day, own in copied.items()}
    together = pandas.concat(list(fresh.values())) if fresh else pandas.DataFrame()
    failing = expectations.find_failing(together, checks, catalog.app(app))
    found, start = {}, 0
    for day, frame in frames.items():
        at = fresh[day].index if day in fresh else ()
        mine = {
            name: [int(at[row - start]) for row in failed if 0 <= row - start < len(at)]
            for name, failed in failing.items()
        }
        of = (
            decide_outcomes(frame, copied[day], mine, checks)
            if len(frame)
            else RowOutcomes([], [], [])
        )
        found[day] = CheckedNight(app, frame, of, mine, len(at))
        start += len(at)
    return found


def write_outcomes(
    lake: Lake,
    catalog: Catalog,
    night: StagedNight,
    apps: Sequence[CheckedNight],
    before: dict[str, UnreadableCounts],
) -> str:
    """Puts a night's rows where they belong, keeps each application's account; how they stand."""
    unread: dict[str, UnreadableCounts] = {one.app: before.get(one.app, Counter()) for one in apps}
    apps = [decide_refusal(catalog, one, unread[one.app]) for one in apps]
    apps = exclude_redated(lake, catalog, night, apps)
    accounts = {one.app: count_rows(lake, catalog, night, one, unread[one.app]) for one in apps}
    publish_night(lake, catalog, night.date, night.files, apps)
    taken = redaction_counts.count_redactions(lake, night.date)
    for app, counts in accounts.items():
        if not counts["refused"]:
            counts["redacted"] = taken.get(app, {"traces": 0, "rules": []})
    earlier = read_state(lake, night.date).apps
    waiting = {app: earlier[app] for app in catalog.broken if app in earlier}
    update_state(lake, night.date, apps=dict(sorted({**waiting, **accounts}.items())))
    for app, counts in accounts.items():
        checks = catalog.expectations(app)
        data_docs_pages.write_page(lake, night.date, catalog.app(app), checks, counts["checks"])
    return digest([[one.app, bool(one.refused), one.outcomes.outcomes] for one in apps])


def decide_refusal(catalog: Catalog, one: CheckedNight, before: UnreadableCounts) -> CheckedNight:
    """An application's night with what its own rows say of it."""
    passed = sum(said in (ACCEPTED, DUPLICATE) for said in one.outcomes.outcomes)
    read = len(one.rows) + before.total()
    refused = expectations.explain_refusal(read - passed, read, catalog.app(one.app))
    return replace(one, refused=refused)


def exclude_redated(
    lake: Lake, catalog: Catalog, night: StagedNight, apps: Sequence[CheckedNight]
) -> list[CheckedNight]:
    """The applications' rows without the traces that stand in another night.

    Which of those would be valid here is kept; of a refused night none is.
    """
    known, found = redated_traces.read_redated(lake, night.date), []
    left = {app: traces for app, traces in known.items() if app in catalog.broken}
    for one in apps:
        own = {} if one.refused else known.get(one.app, {})
        standing, left[one.app] = redated_traces.exclude_redated(
            night.files, one.rows, one.outcomes, own
        )
        found.append(replace(one, outcomes=standing))
    redated_traces.write_redated(lake, night.date, left)
    return found


def count_rows(
    lake: Lake, catalog: Catalog, night: StagedNight, one: CheckedNight, before: UnreadableCounts
) -> Account:
    """What became of a night's rows: read = accepted + duplicate + quarantined."""
    of = Counter(one.outcomes.outcomes)
    accepted, duplicate = of.pop(ACCEPTED, 0), of.pop(DUPLICATE, 0)
    checks = catalog.expectations(one.app)
    codes = {check.check: check.code for check in checks}
    reasons = Counter({code: n for (_, code), n in count_by_code(before).items()})
    for check, n in of.items():
        reasons[codes[check]] += n
    quarantined, read = reasons.total(), len(one.rows) + before.total()
    spec, own = catalog.app(one.app), volumes.measure_volumes(one.rows) if len(one.rows) else {}
    return {
        "read": read,
        "accepted": accepted,
        "duplicate": duplicate,
        "corrected": len(one.outcomes.corrected),
        "merged": len(one.outcomes.merged),
        "quarantined": quarantined,
        "reasons": dict(sorted(reasons.items())),
        "late": count_late(lake, night, one),
        "files": count_by_file(night, one, before),
        "refused": one.refused,
        "sources": own,
        "checks": [
            *summarize_row_checks(one, [check for check in checks if check.over == "rows"]),
            *summarize_source_checks(
                lake, spec, night.date, own, [c for c in checks if c.over != "rows"]
            ),
        ],
    }


def count_by_code(before: UnreadableCounts) -> Counter[tuple[str, str]]:
    """Rows refused before validation, by nothing but their code."""
    found: Counter[tuple[str, str]] = Counter()
    for (_, code), n in before.items():
        found["", code] += n
    return found


def count_by_file(
    night: StagedNight, one: CheckedNight, before: UnreadableCounts
) -> dict[str, dict[str, int]]:
    """The account of each inbox file's rows in the night, by the beginning of its hash."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    parts = one.rows["part"].to_list() if len(one.rows) else []
    for (part, said), n in Counter(zip(parts, one.outcomes.outcomes, strict=True)).items():
        became = said if said in (ACCEPTED, DUPLICATE) else "quarantined"
        found[night.files[part].sha][became] += n
    for (sha, _), n in before.items():
        found[sha]["quarantined"] += n
    keys = (ACCEPTED, DUPLICATE, "quarantined")
    return {
        sha: {"read": counts.total(), **{key: counts[key] for key in keys}}
        for sha, counts in sorted(found.items())
    }


def count_late(lake: Lake, night: StagedNight, one: CheckedNight) -> list[dict[str, Any]]:
    """Traces that came after the night was first reported, by the date their file was read.

    `corrected` are those of them whose content replaced another, or completed it.
    """
    known = read_state(lake, night.date).on_time
    if known is None:
        return []
    files = [night.files[part] for part in one.rows["part"]] if len(one.rows) else []
    names: list[Any] = one.rows["trace_id"].to_list() if len(one.rows) else []
    replaced = {names[n] for n in (*one.outcomes.corrected, *one.outcomes.merged)}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for n, said in enumerate(one.outcomes.outcomes):
        if said == ACCEPTED and files[n].sha not in known:
            found[files[n].seen]["corrected" if names[n] in replaced else "late"] += 1
    return [
        {"seen": seen, "late": counts["late"], "corrected": counts["corrected"]}
        for seen, counts in sorted(found.items())
    ]


def summarize_row_checks(one: CheckedNight, checks: Sequence[Expectation]) -> list[dict[str, Any]]:
    """The checks of every row, with what failed them."""
    ids = one.rows["trace_id"].to_list() if len(one.rows) else []
    failing = {**one.failing, UNIQUE: one.outcomes.positions(UNIQUE)}
    return [
        expectations.summarize_check(c, failing.get(c.check, []), ids, one.checked_rows)
        for c in checks
    ]


def summarize_source_checks(
    lake: Lake, spec: Any, night: date, own: dict[str, Any], checks: Sequence[Expectation]
) -> list[dict[str, Any]]:
    """The checks of each source beside recent nights."""
    import pandas

    days = [night - timedelta(days=back) for back in range(1, volumes.RECENT + 1)]
    past = (read_state(lake, day).apps.get(spec.app, {}) for day in days)
    recent = [account["sources"] for account in past if account.get("sources")]
    lines = pandas.DataFrame(volumes.compare_volumes(own, recent))
    for name in ("volume_ratio", "nulls_rise"):
        if len(lines):
            lines[name] = lines[name].astype("float64")
    if len(lines):
        lines = lines[lines[["volume_ratio", "nulls_rise"]].notna().any(axis=1)]
    failing = expectations.find_failing(lines, checks, spec)
    ids = lines["source"].to_list() if len(lines) else []
    return [expectations.summarize_check(c, failing[c.check], ids, len(lines)) for c in checks]
