"""Stage 4, evaluate: scores the night's traces; one asset per evaluator.

One step runs all evaluators and yields a result for each; `evals` scores the traces.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg

from evals import pipeline
from evals.calls.stop import Stop
from evals.records import digest
from evals.runs import night_locks
from evals.runs.runner import Tally
from evals.specs import Catalog, Evaluator
from orchestration.runtime import interrupts, pin_checks
from orchestration.runtime.deployment import UNDECLARED, Deployment, build_tags
from orchestration.runtime.metadata import (
    CheckEvent,
    Materialized,
    Metadata,
    Shown,
    list_run_nights,
    show_nights,
    show_table,
)
from orchestration.runtime.partitions import RANGE
from orchestration.runtime.progress import Progress, iterate_nights
from orchestration.settings import Settings
from orchestration.stages.ingest import build_application_key

GROUP = "evaluate"
OUTCOMES = ("passed", "failed", "errored", "skipped", "pending")
WORK = ("covered", "sampled", "reused", "calls", "usd", "unasked", "why")


def build_assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Builds the assets of this stage: none where no evaluator of the catalog can be read."""
    settings, specs = deployment.settings, build_specs(deployment)
    if not specs:
        return []

    @dg.multi_asset(
        specs=specs,
        check_specs=pin_checks.build_checks(deployment, specs),
        can_subset=True,
        backfill_policy=RANGE,
        name="evaluators",
    )
    def scores(context: dg.AssetExecutionContext) -> Iterator[Materialized | CheckEvent]:
        """Scores what is new for the selected evaluators, night by night."""
        nights = list_run_nights(context)
        with interrupts.handle_signals() as stop:
            tallies = score_nights(context, settings, nights, stop)
        for spec in specs:
            if spec.key in context.selected_asset_keys:
                own = tallies[spec.metadata["evaluator"]]
                counts = {n: count_scores([t for t in own if t.night == n]) for n in nights}
                show_nights(context, counts, spec.key)
                yield dg.MaterializeResult(asset_key=spec.key)
        yield from pin_checks.check_pins(context, settings, specs)
        yield from pin_checks.check_answers(context, settings, specs)

    return [scores]


def build_asset_key(evaluator: str) -> dg.AssetKey:
    """Returns the asset of an evaluator: `scores/NAME`, in characters that Dagster accepts."""
    return dg.AssetKey(["scores", evaluator.replace(".", "__").replace("-", "_")])


def find_shared_name(catalog: Catalog, app: str, evaluator: str) -> str:
    """Finds the name by which an evaluator has its asset; undeclared applications share one."""
    own = f"{app}."
    if app in catalog.apps or not evaluator.startswith(own):
        return evaluator
    return f"{UNDECLARED}.{evaluator.removeprefix(own)}"


def list_score_keys(deployment: Deployment) -> list[dg.AssetKey]:
    """Returns the assets of all evaluators."""
    return [build_asset_key(name) for name in deployment.evaluators]


def build_specs(deployment: Deployment) -> list[dg.AssetSpec]:
    """Builds one asset per evaluator of the catalog, with its version, kind and applications."""
    return [build_spec(deployment, name, uses) for name, uses in deployment.evaluators.items()]


def build_spec(deployment: Deployment, name: str, uses: Sequence[Evaluator]) -> dg.AssetSpec:
    """Builds the asset of one evaluator."""
    apps = sorted({use.app for use in uses} - {UNDECLARED})
    pin = uses[0].pin
    return dg.AssetSpec(
        build_asset_key(name),
        deps=["traces", "fct_slice_members", "labels", *map(build_application_key, apps)],
        group_name=GROUP,
        kinds={"python", uses[0].kind},
        owners=deployment.find_owners(apps),
        tags=build_tags(GROUP, apps, paid=pin is not None and bool(pin.prices)),
        description=f"One row per trace × evaluator version: {uses[0].question}",
        code_version=compute_version(uses),
        partitions_def=deployment.nights,
        skippable=True,
        metadata={
            "evaluator": name,
            "applications": ", ".join(apps),
            "model": pin.model if pin else "none: no call is made",
            **({"pin": pin.name} if pin else {}),
        },
    )


def compute_version(uses: Sequence[Evaluator]) -> str:
    """Returns an evaluator's version, or the hash of its versions where applications differ."""
    versions = sorted({use.version for use in uses})
    return versions[0] if len(versions) == 1 else digest(versions)


def score_nights(
    context: dg.AssetExecutionContext, settings: Settings, nights: Sequence[date], stop: Stop
) -> dict[str, list[Tally]]:
    """Scores nights with the selected evaluators; returns each one's tallies by its name."""
    lake, catalog = settings.open_lake(), settings.load_catalog()
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    night_locks.record_labels(lake, nights, context.run.run_id)
    done = pipeline.score_nights(
        lake,
        catalog,
        settings.load_references(lake, catalog),
        iterate_nights("evaluating", nights),
        context.run.run_id,
        datetime.now(UTC),
        includes=lambda evaluator: (
            build_asset_key(
                find_shared_name(catalog, evaluator.app, evaluator.name)
            ).to_user_string()
            in selected
        ),
        stop=stop,
        expect=Progress.expect,
        progress=Progress.count_calls,
    )
    tallies: dict[str, list[Tally]] = defaultdict(list)
    for tally in done:
        tallies[find_shared_name(catalog, tally.app, tally.evaluator)].append(tally)
    return tallies


def count_scores(tallies: Sequence[Tally]) -> Metadata:
    """Counts an evaluator's scores of one night, in total and by application."""
    passed, failed = (sum(getattr(t, key) for t in tallies) for key in ("passed", "failed"))
    rows = [
        {"app": t.app, "pass_rate": compute_pass_rate(t.passed, t.failed)}
        | {key: getattr(t, key) for key in (*OUTCOMES, *WORK)}
        for t in tallies
    ]
    counts: dict[str, Shown] = {
        "scores": passed + failed,
        "errors": sum(t.errored for t in tallies),
        "skipped": sum(t.skipped for t in tallies),
        "pending": sum(t.pending for t in tallies),
        "unasked": sum(t.unasked for t in tallies),
        "calls": sum(t.calls for t in tallies),
        "usd": round(sum(t.usd for t in tallies), 6),
        "by_application": show_table(rows),
    }
    overall = compute_pass_rate(passed, failed)
    return counts if overall is None else {"pass_rate": overall, **counts}


def compute_pass_rate(passed: int, failed: int) -> float | None:
    """Returns the share of scores that passed; None without scores."""
    return round(passed / (passed + failed), 4) if passed + failed else None
