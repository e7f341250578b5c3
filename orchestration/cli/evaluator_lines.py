"""What the commands about evaluators print: evaluators as lines and JSON, and trials on traces.

The commands are in `evaluators`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from orchestration.runtime import terminal

if TYPE_CHECKING:
    from evals.evaluators.protocol import EvaluatorType
    from evals.experiments.evaluator_trial import ResultDocument, Trial, TriedTrace
    from evals.records import Json
    from evals.specs import Evaluator

WIDTH = 200
"""A longer text is cut; `--json` has it whole."""


def name_check(one: Evaluator) -> str:
    """Names an evaluator's kind and check."""
    own = one.name if one.judge else one.check
    return f"{one.kind} {own}" if one.check != "recorded" else "recorded verdicts"


def describe_json(one: Evaluator) -> dict[str, Json]:
    """Returns an evaluator as JSON."""
    from evals.evaluators.registry import type_of

    return {
        "name": one.name,
        "app": one.app,
        "dimension": one.dimension,
        "question": one.question,
        "kind": one.kind,
        "check": one.check,
        "passes_when": type_of(one).describe(),
        "reads": list(one.reads),
        "where": one.where,
        "sample": cast("Json", one.sample.model_dump(mode="json")),
        "params": cast("Json", one.params),
        "gold": one.gold,
        "model": one.pin.name if one.pin else None,
        "version": one.version,
        "parts": cast("Json", one.parts),
    }


def describe(one: Evaluator) -> Iterator[str]:
    """Describes an evaluator in lines."""
    shown = describe_json(one)
    yield f"{one.name} in {one.app}: {one.question}"
    yield f"  {name_check(one)}: {shown['passes_when']}"
    yield f"  {describe_reads(one)}" + (f", where {one.where}" if one.where else "")
    if one.pin:
        yield f"  asks {one.pin.name} ({one.pin.model}){describe_sample(one)}"
    for key, value in one.params.items():
        yield f"  {key}: {shorten(value)}"
    if one.gold:
        yield f"  gold: {one.gold}"
    parts = ", ".join(
        f"{name} {value if len(value) < 16 else value[:8]}" for name, value in one.parts.items()
    )
    yield f"  version {one.version}: {parts}"


def describe_reads(one: Evaluator) -> str:
    """Describes what an evaluator reads: fields of the trace, or verdicts on other dimensions."""
    from evals.evaluators.registry import type_of

    if one.reads:
        return f"reads {', '.join(one.reads)}"
    peers = type_of(one).list_peers(one)
    return f"reads the verdicts on {', '.join(peers)}" if peers else "reads labels"


def describe_sample(one: Evaluator) -> str:
    """Describes which traces are sampled; empty where all are."""
    most = f" of at most {one.sample.at_most:,} traces" if one.sample.at_most else ""
    share = f" {one.sample.rate:.0%}" if one.sample.rate < 1 else ""
    return f", sample{share}{most}" if share or most else ""


def describe_type(one: EvaluatorType) -> dict[str, Json]:
    """Returns a type of evaluator as JSON."""
    return {
        "name": one.name,
        "kind": one.kind,
        "passes_when": one.describe(),
        "reads": list(one.reads),
        "params": sorted(one.params.model_fields),
        "needs_gold": one.needs_gold,
        "needs_alignment": one.needs_alignment,
    }


def to_json(trial: Trial) -> dict[str, object]:
    """Returns a trial as JSON."""
    return {
        "evaluator": trial.evaluator.name,
        "app": trial.evaluator.app,
        "version": trial.evaluator.version,
        "source": trial.source,
        "looked_at": trial.looked_at,
        "calls": trial.calls,
        "usd": trial.usd,
        "missing": list(trial.missing),
        "traces": [one.to_json() for one in trial.tried],
    }


def print_trial(trial: Trial, *, ask: bool) -> None:
    """Prints what an evaluator read and concluded, trace by trace."""
    own = trial.evaluator
    paid = f"; {trial.calls} calls, ${trial.usd:.4f}" if trial.calls else ""
    terminal.print_line(
        f"{own.name} in {own.app}, {trial.source}: {len(trial.tried)} of {trial.looked_at:,} "
        f"{own.subject}s{paid}"
    )
    for one in trial.tried:
        terminal.print_lines(f"  {line}" for line in describe_tried(one))
    terminal.print_lines(
        f"  {name}: the night has no such trace that it covers" for name in trial.missing
    )
    if not ask and any(one.status == "skipped" and one.request for one in trial.tried):
        terminal.print_line("  --ask asks the model where no answer is stored")


def describe_tried(one: TriedTrace) -> Iterator[str]:
    """Describes one trace in lines."""
    shown = one.to_json()
    took = "" if shown["ms"] is None else f" ({shown['ms']:.2f} ms)"
    for result in shown["results"]:
        yield f"{shown['trace_id']}: {describe_result(result)}{took}"
    for name, value in shown["read"].items():
        if value not in (None, "", []):
            yield f"    {name}: {shorten(value)}"
    if shown["gold"] is not None:
        yield f"    gold: {shorten(shown['gold'])}"


def describe_result(result: ResultDocument) -> str:
    """Describes one result: status, reason, value, who."""
    parts = [result["status"], result["code"] or ""]
    if result["value"] is not None:
        parts.append(f"{result['value']:g}")
    words = " ".join(part for part in parts if part)
    by = f" by {result['annotator']}" if result["annotator"] else ""
    return f"{words}{by}" + (f": {shorten(result['explanation'])}" if result["explanation"] else "")


def shorten(value: object) -> str:
    """Shortens a value to one line of at most 200 characters."""
    from evals.evaluators.code_checks import quoted

    return quoted(cast("Json", value), WIDTH)
