"""From staged rows to a night's traces: each row accepted, duplicate or in quarantine.

What a valid trace is says `expectations`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from evals.door.quarantine import unreadable
from evals.lake import Lake, to_table
from evals.nights import state, update
from evals.records import Refusal, Trace, digest
from evals.specs import Catalog


def admit(
    lake: Lake, catalog: Catalog, nights: Sequence[date]
) -> dict[date, dict[str, dict[str, Any]]]:
    """Validates the staged rows of some nights; returns each night's accounting by application.

    Rows that pass become the night's traces, the others go to quarantine; an application with
    too many of those is refused for the night, and everything else goes on.
    """
    basis = {night: basis_of(lake, catalog, night) for night in nights}
    stale = [night for night in nights if state(lake, night).get("admitted") != basis[night]]
    rows: dict[str, dict[date, list[Trace]]] = defaultdict(dict)
    for night in stale:
        for trace in lake.read("staged", [night]):
            rows[trace.app].setdefault(night, []).append(trace)
    before = unreadable(lake, set(stale))
    for app, night in before:
        rows[app].setdefault(night, [])
    admitted: dict[date, list[Admitted]] = defaultdict(list)
    for app in sorted(rows):
        for night, one in admit_app(catalog, app, rows[app], before).items():
            admitted[night].append(one)
    for night in stale:
        accepted = [trace for one in admitted[night] for trace in one.accepted]
        lake.write("traces", night, sorted(accepted, key=lambda t: (t.app, t.ts, t.trace_id)))
        lake.write("quarantine", night, [row for one in admitted[night] for row in one.refused])
        apps = {one.app: one.account for one in admitted[night]}
        update(lake, night, admitted=basis[night], apps=apps)
    return {night: state(lake, night).get("apps", {}) for night in nights}


def basis_of(lake: Lake, catalog: Catalog, night: date) -> str:
    """A digest of what a night's validation rests on."""
    limits = {app: spec.validation.model_dump() for app, spec in catalog.apps.items()}
    return digest([sorted(file.name for file in lake.files("staged", [night])), limits])


class Admitted(NamedTuple):
    """One application's night at the door."""

    app: str
    accepted: list[Trace]
    refused: list[Refusal]
    account: dict[str, Any]


def admit_app(
    catalog: Catalog,
    app: str,
    nights: dict[date, list[Trace]],
    before: dict[tuple[str, date], Counter[str]],
) -> dict[date, Admitted]:
    """One application's nights, checked in one pass: what is accepted, refused, and the account."""
    from evals.door import expectations

    ordered = {
        night: sorted(rows, key=lambda t: (t.source_file, t.source_line))
        for night, rows in nights.items()
    }
    frames = {
        night: to_table(Trace, rows).to_pandas(use_threads=False) for night, rows in ordered.items()
    }
    earlier = {night: before.get((app, night), Counter()).total() for night in nights}
    checked = expectations.validate_nights(
        frames, catalog.app(app), catalog.day_begins, refused_before=earlier
    )
    found = {}
    for night, rows in ordered.items():
        result = checked[night]
        refused = [refusal(rows[row], night, code, why) for row, code, why in result.refused]
        accepted = [rows[index] for index in result.accepted]
        reasons = Counter(code for _, code, _ in result.refused) + before.get(
            (app, night), Counter()
        )
        account = {
            "read": len(rows) + earlier[night],
            "accepted": len(accepted),
            "duplicate": len(result.duplicates),
            "quarantined": len(refused) + earlier[night],
            "reasons": dict(sorted(reasons.items())),
            "refused": result.night_refused,
            "checks": result.results,
        }
        found[night] = Admitted(app, [] if result.night_refused else accepted, refused, account)
    return found


def refusal(trace: Trace, night: date, code: str, reason: str) -> Refusal:
    """A staged row that did not pass, as it goes to quarantine."""
    from evals.records import canonical

    row = {**dataclasses.asdict(trace), "ts": trace.ts.isoformat()}
    return Refusal(
        trace.source_file,
        trace.source_line,
        code,
        reason,
        canonical(row)[:65536],
        trace.app,
        night,
        trace.trace_id,
    )
