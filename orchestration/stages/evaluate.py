"""Stage 4, evaluate: scores of the night's traces, one asset an evaluator.

One process runs them all and each yields on its own; what a score means is `evals`'.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from evals.calls import day_budget
from evals.calls.routing import Route, returned
from evals.calls.shared_state import Shared
from evals.calls.stop import Stop
from evals.evaluators import resolution
from evals.records import digest
from evals.runs import night_locks, plan, runner
from evals.storage import ledger
from evals.worklist.worklist import NightOf, survey
from orchestration.runtime import interrupts, pin_checks
from orchestration.runtime.metadata import nights_of, spark, table
from orchestration.runtime.partitions import NIGHTS, RANGE
from orchestration.runtime.progress import Progress, each
from orchestration.settings import settings

GROUP = "evaluate"
OWNERS = ["team:quality"]
ANY = "unknown"
"""An application the catalog does not know: it has the guardrails."""


def asset_key(evaluator: str) -> dg.AssetKey:
    """The asset of an evaluator: `scores/NAME`, in letters Dagster takes."""
    return dg.AssetKey(["scores", evaluator.replace(".", "__").replace("-", "_")])


def specs() -> list[dg.AssetSpec]:
    """One asset an evaluator of the catalog, with its version, kind and question."""
    catalog = settings().catalog()
    found: dict[str, list[Any]] = {}
    for app in [*catalog.apps, ANY]:
        for evaluator in resolution.for_app(catalog, app):
            found.setdefault(evaluator.name, []).append(evaluator)
    return [
        dg.AssetSpec(
            asset_key(name),
            deps=["traces", "fct_slice_members", "labels"],
            group_name=GROUP,
            kinds={"python", uses[0].kind},
            owners=OWNERS,
            description=f"One row per trace × evaluator version: {uses[0].question}",
            code_version=version_of(uses),
            partitions_def=NIGHTS,
            skippable=True,
            metadata={
                "evaluator": name,
                "applications": ", ".join(sorted({use.app for use in uses} - {ANY})),
                "model": uses[0].pin.model if uses[0].pin else "none: no call is made",
                **({"pin": uses[0].pin.name} if uses[0].pin else {}),
            },
        )
        for name, uses in sorted(found.items())
    ]


def version_of(uses: list[Any]) -> str:
    """An evaluator's version; where applications differ in it, the hash of all."""
    versions = sorted({use.version for use in uses})
    return versions[0] if len(versions) == 1 else digest(versions)


SPECS = specs()
KEYS = [spec.key for spec in SPECS]


@dg.multi_asset(
    specs=SPECS,
    check_specs=pin_checks.checks(SPECS),
    can_subset=True,
    backfill_policy=RANGE,
    name="evaluators",
)
def scores(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Brings the chosen evaluators up to date, night by night, paying only for what is new."""
    with interrupts.received() as stop:
        tallies = score_nights(context, stop)
    for spec in SPECS:
        if spec.key in context.selected_asset_keys:
            shown = metadata(tallies.get(spec.metadata["evaluator"], []))
            yield dg.MaterializeResult(asset_key=spec.key, metadata=shown)
    yield from pin_checks.results(context, SPECS)


def score_nights(context: dg.AssetExecutionContext, stop: Stop) -> dict[str, list[runner.Tally]]:
    """What each evaluator did to each night, by its name.

    Raises:
        Stopped: when it was stopped; the night keeps the scores it had, and the answers are kept.
    """
    here, lake = settings(), settings().lake()
    day_budget.recover(lake)
    shared = Shared(lake.home)
    purse = day_budget.Purse(shared, context.run.run_id, datetime.now(UTC).date(), here.catalog())
    references = here.references(lake)
    if Progress.listener:
        Progress.planned = planned(lake, context, references)
    tallies: dict[str, list[runner.Tally]] = {}
    way = Route(lake, here.catalog(), datetime.now(UTC), stop=stop)
    with ledger.journal(lake, context.run.run_id) as journal:
        returned(lake, here.catalog(), journal, way.now)
        for night in each("evaluating", nights_of(context)):
            work = NightOf(lake, night)
            for evaluator in chosen(lake, here.catalog(), night, work, context):
                done = runner.score_night(
                    lake,
                    work,
                    evaluator,
                    references,
                    journal,
                    ask=way,
                    purse=purse,
                    progress=Progress.asked,
                )
                tallies.setdefault(evaluator.name, []).append(done)
    shared.close()
    return tallies


def chosen(lake: Any, catalog: Any, night: date, work: NightOf, context: Any) -> Iterator[Any]:
    """The evaluators a night is locked to, of those this run is about."""
    for app in work.apps:
        for evaluator in night_locks.locked(lake, catalog, night, app):
            if asset_key(evaluator.name) in context.selected_asset_keys:
                yield evaluator


def planned(lake: Any, context: Any, references: Any) -> int:
    """The calls a run will make at most, surveyed before the first one."""
    catalog = settings().catalog()
    calls: set[tuple[str, str]] = set()
    for night in nights_of(context):
        work = NightOf(lake, night)
        for evaluator in chosen(lake, catalog, night, work, context):
            if evaluator.kind == "judge" and plan.can_ask(evaluator):
                found = survey(lake, work, evaluator, references)
                calls |= {(evaluator.answer_version, want.key) for want in found.wanted}
                found.contents.close()
    return len(calls)


def metadata(tallies: list[runner.Tally]) -> dict[str, Any]:
    """An evaluator's counts, night by night, with a small chart of its pass rate."""
    rows = [
        {
            "night": t.night.isoformat(),
            "app": t.app,
            "rate": round(t.passed / (t.passed + t.failed), 4) if t.passed + t.failed else None,
            **{key: getattr(t, key) for key in ("passed", "failed", "errored", "skipped")},
            "pending": t.pending,
            **{key: getattr(t, key) for key in ("covered", "sampled", "reused", "calls", "usd")},
        }
        for t in tallies
    ]
    charts = [
        f"`{app}` {spark([row['rate'] for row in rows if row['app'] == app])}"
        for app in sorted({t.app for t in tallies})
    ]
    return {
        "calls": sum(t.calls for t in tallies),
        "scores": sum(t.passed + t.failed for t in tallies),
        "errors": sum(t.errored for t in tallies),
        "usd": round(sum(t.usd for t in tallies), 6),
        "pass_rate_by_night": dg.MetadataValue.md("  \n".join(charts) or "no traces"),
        "by_night": table(rows),
    }
