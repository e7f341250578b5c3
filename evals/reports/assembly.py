"""Gathers what a night's reports are built from, and keeps what was built.

Reads marts by name and holds no joins; what the figures mean is `report`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from evals.calls.batch_jobs import under_way
from evals.records import Trace
from evals.reports import report
from evals.runs import night_locks
from evals.specs import App, Catalog, Evaluator
from evals.storage import night_state
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake, connection, parquet
from evals.storage.marts import locked_files, mart, mart_files
from evals.validation.quarantine import unplaced
from evals.worklist.sampling import place

EXAMPLES = 5
PAGE_NIGHTS = 14


class Kept(NamedTuple):
    """A report that was kept, and where."""

    body: dict[str, Any]
    folder: Path


def night_reports(lake: Lake, catalog: Catalog, night: date, stamp: Any) -> list[Kept]:
    """Builds and keeps every application's report of a night.

    Args:
        lake: where marts are read and reports are kept.
        catalog: the applications' gates and suites.
        night: its date.
        stamp: what belongs beside a report and not in it: run, durations, and `reported_at`, the
            moment in ISO form that decides whether the night is still provisional.
    """
    from evals.reports import pages

    now = datetime.fromisoformat(stamp["reported_at"])
    open_until: dict[str, str] = {}

    known = night_state.state(lake, night)
    kept = []
    for app, account in sorted(known.get("apps", {}).items()):
        body = build(lake, catalog, night, app, account)
        until = catalog.app(app).watermark(night, catalog.day_begins)
        if now < until:
            open_until[app] = until.isoformat()
        page = pages.render_night(
            body,
            history=earlier(lake, app, night),
            provisional_until=open_until.get(app),
            run=stamp,
        )
        beside = {**stamp, "provisional_until": until.isoformat()}
        kept.append(Kept(body, lake.write_report(night, body, page, beside)))
    versions = {one.body["app"]: one.body["version"] for one in kept}
    night_state.update(lake, night, **awaited(lake, night))
    seen, unfinished = night_locks.seen(lake, catalog, night), may_pass(lake, night)
    seen = seen if night_state.as_admitted(lake, night) else ""  # rows came since: it is due again
    on_time = known.get("on_time") or night_state.staged_names(lake, night)
    found = {"reports": versions, "seen": seen, "open": unfinished, "on_time": on_time}
    night_state.update(lake, night, **found, provisional=open_until)
    return kept


def build(
    lake: Lake, catalog: Catalog, night: date, app: str, account: dict[str, Any]
) -> dict[str, Any]:
    """One application's report of a night."""
    spec = catalog.app(app)
    demo, suite = catalog.demo, catalog.suites.get(spec.suite or "")
    reasons = [{"code": code, "count": n} for code, n in account.get("reasons", {}).items()]
    counted = {**account, "reasons": reasons, "files": files(lake, account)}
    if account.get("refused"):
        return report.refused(
            night,
            spec,
            reason=account["refused"],
            counts=counted,
            limit=spec.validation.max_quarantined,
            suite=spec.suite,
            demo=demo,
        )
    window = baseline(lake, spec, night)
    past = [day for day in lake.nights("marts/fct_agreement") if day <= night]

    def rows(model: str, days: Sequence[date]) -> list[dict[str, Any]]:
        return [row for row in mart(lake, model, days) if row["app"] == app]

    evaluators = night_locks.locked(lake, catalog, night, app)
    return report.build(
        report.Night(
            date=night,
            app=spec,
            suite=spec.suite,
            rates=rows("rpt_rates", [night]),
            dimensions={d.dimension: d for d in suite.dimensions} if suite else {},
            evaluators=evaluators,
            history=[row for row in rows("rpt_rates", list(window)) if row["slice"] == "all"],
            versions=window,
            provenance=rows("rpt_provenance", [night]),
            history_provenance=rows("rpt_provenance", list(window)),
            cause_rates=rows("rpt_cause_rates", [*window, night]),
            agreement=rows("fct_agreement", past),
            canaries=told(lake, "canaries", night, app),
            noise=told(lake, "noise", night, app),
            attacks=catalog.attacks,
            answered=answered(lake, night, evaluators),
            answered_before=answered_before(lake, app, night),
            failures=rows("rpt_failures", [night]),
            coverage=told(lake, "coverage", night, app),
            accounting=counted,
            examples=examples(lake, night, app),
            cost=cost(lake, night, app, evaluators),
            demo=demo,
        )
    )


def files(lake: Lake, account: dict[str, Any]) -> list[dict[str, Any]]:
    """The account of each inbox file that fed a night, under the name it has in the inbox."""
    counted = account.get("files", {})
    known = {row.sha256[:16]: row for row in lake.inbox_files().values()} if counted else {}
    return [
        {
            **counts,
            "file": (known[sha].place or known[sha].name) if sha in known else "unknown",
            "sha": sha,
            "unplaced": unplaced(lake, sha),
        }
        for sha, counts in counted.items()
    ]


def baseline(lake: Lake, spec: App, night: date) -> dict[date, str]:
    """The report versions of the nights a night is compared with."""
    found = {}
    for back in range(spec.gate.baseline_nights, 0, -1):
        day = night - timedelta(days=back)
        known = night_state.state(lake, day)
        refused = known.get("apps", {}).get(spec.app, {}).get("refused")
        version = known.get("reports", {}).get(spec.app)
        if version and not refused:
            found[day] = version
    return found


def earlier(lake: Lake, app: str, night: date) -> list[dict[str, Any]]:
    """The reports of the nights before, oldest first, for small charts."""
    days = (night - timedelta(days=back) for back in range(PAGE_NIGHTS, 0, -1))
    versions = ((day, night_state.state(lake, day).get("reports", {}).get(app)) for day in days)
    bodies = (lake.report(day, app, version) for day, version in versions if version)
    return [body for body in bodies if body]


def told(lake: Lake, table: str, night: date, app: str) -> list[dict[str, Any]]:
    """What the night's evaluators wrote of themselves: their coverage, canaries or noise."""
    files = locked_files(lake, table, [night])
    rows = [row for file in files for row in lake.read_file(table, file)]
    return [row._asdict() for row in rows if row.app == app]


def answered(lake: Lake, night: date, evaluators: Iterable[Evaluator]) -> list[dict[str, Any]]:
    """Which models answered the contents of a night's scores, whichever night paid for them."""
    found = []
    for judge in evaluators:
        name = f"{judge.name}@{judge.app}@{judge.version}.parquet"
        scores = lake.partition("scores", night) / name
        answers = sorted((lake.home / "answers").glob(f"date=*/{judge.answer_version}.parquet"))
        if judge.answer_version is None or not scores.exists() or not answers:
            continue
        with connection() as db:
            parquet(db, answers).create_view("answers")
            parquet(db, [scores]).create_view("scores")
            rows = db.sql(ANSWERED_BY).fetchall()
        shape = ("model", "fingerprint", "n")
        found += [{"evaluator": judge.name} | dict(zip(shape, row, strict=True)) for row in rows]
    return found


ANSWERED_BY = """
select model_answered, fingerprint, count(distinct content_key)
from answers
where model_answered is not null and content_key in (select content_key from scores)
group by all order by all
"""


def answered_before(lake: Lake, app: str, night: date) -> list[dict[str, Any]]:
    """Which models answered as the latest earlier report tells it."""
    for body in reversed(earlier(lake, app, night)):
        rows = [
            {"evaluator": judge["name"], **row}
            for judge in body["provenance"]["evaluators"]
            for row in judge.get("answered_by", ())
        ]
        if rows:
            return rows
    return []


def cost(
    lake: Lake, night: date, app: str, evaluators: Iterable[Evaluator]
) -> dict[str, float | int]:
    """What the night paid for its answers: the sum of its ledger rows."""
    pins = {e.answer_version: e.pin for e in evaluators if e.answer_version and e.pin}
    columns = ("answer_version", "cost_usd", "tokens_in", "tokens_out")
    answers = [
        answer
        for rows in lake.batches("answers", night, columns, app)
        for answer in rows
        if answer["answer_version"] in pins
    ]
    versions = [answer["answer_version"] for answer in answers]
    return {
        "usd": round(sum(answer["cost_usd"] for answer in answers), 9),
        "calls": len(answers),
        "unpriced": sum(pins[version].price_on(night) is None for version in versions),
        "tokens_in": sum(answer["tokens_in"] for answer in answers),
        "tokens_out": sum(answer["tokens_out"] for answer in answers),
    }


def examples(lake: Lake, night: date, app: str) -> list[dict[str, Any]]:
    """Failing answers to read: one of each dimension in turn, in the sampling order."""
    failing = [
        row
        for file in mart_files(lake, "fct_scores", [night])
        for rows in parquet_batches(file, only=("verdict", ["fail"]))
        for row in rows
        if row["app"] == app
    ]
    queues: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(failing, key=lambda r: (place(r["trace_id"], app), r["evaluator"])):
        queues.setdefault(row["dimension"], []).append(row)
    chosen: dict[str, dict[str, Any]] = {}
    ordered = sorted(queues.items(), key=lambda item: (-len(item[1]), item[0]))
    while len(chosen) < EXAMPLES and any(queue for _, queue in ordered):
        for _, queue in ordered:
            row = queue.pop(0) if queue else None
            if row and len(chosen) < EXAMPLES:
                chosen.setdefault(row["trace_id"], row)
    traces = {t.trace_id: t for t in lake.picked("traces", night, ("trace_id", chosen))}
    return [example(row, traces[key]) for key, row in chosen.items() if key in traces]


def example(row: dict[str, Any], trace: Trace) -> dict[str, Any]:
    """A failing answer in full, with the evaluator's words."""
    said = {key: row[key] for key in ("trace_id", "dimension", "evaluator", "verdict")}
    shown = ("input", "context", "output", "model", "prompt_version", "session_id")
    return {
        **said,
        "explanation": row["explanation"] or "",
        "ts": trace.ts.isoformat(),
        **{key: getattr(trace, key) for key in shown},
        "steps": list(trace.steps),
        "source_file": trace.source_file,
        "source_line": trace.source_line,
    }


def may_pass(lake: Lake, night: date) -> bool:
    """Whether a call failed that night in a way that may pass another time."""
    files = locked_files(lake, "scores", [night])
    read = (rows for file in files for rows in parquet_batches(file, ["retryable"]))
    return any(row["retryable"] for rows in read for row in rows)


def awaited(lake: Lake, night: date) -> dict[str, Any]:
    """A night's answers that come with batches, a judge's further ones too, and which those may be.

    Equal content is asked once: a batch of another night's may hold this night's answers.
    """
    rows = (
        getattr(row, name) or 0
        for table, name in (("coverage", "pending"), ("noise", "awaited"))
        for file in locked_files(lake, table, [night])
        for row in lake.read_file(table, file)
    )
    count, versions = sum(rows), night_locks.versions_asked(lake, night)
    out = [one.tag for one in under_way(lake) if one.answer_version in versions] if count else []
    return {"awaits": count, "out": sorted(out)}


def write_board(lake: Lake, run: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Renders the board over the current report of every night; see `pages.render_board`."""
    from evals.reports import pages
    from evals.storage.files import replace

    path = lake.home / "reports" / "index.html"
    shown = [
        {**one._asdict(), "date": one.date.isoformat()} for one in night_state.open_nights(lake)
    ]
    body = pages.render_board(lake.current_reports(), run=dict(run), provisional=shown)
    replace(path, body.encode())
    return path
