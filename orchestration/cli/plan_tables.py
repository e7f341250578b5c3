"""A plan in a terminal: what a run would score and call, what that costs, and what it lacks.

Draws figures of a plan and computes none but their sums.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table

from evals.calls.day_budget import BudgetLeft
from evals.calls.requests import CallsResult
from evals.records import Failure, Skip
from evals.runs.plan import PlannedNight
from orchestration.cli.row_notes import count_of
from orchestration.runtime.console import open_stdout


def draw_plan(
    rows: Sequence[PlannedNight], left: dict[str, BudgetLeft], probed: CallsResult | None
) -> None:
    """Draws a plan, one line per evaluator and application.

    Args:
        rows: the plan.
        left: what is left of today's budget, by application.
        probed: the calls that a probe made, if there was one.
    """
    table = Table(box=None)
    shown = ("evaluator", "app", "nights", "to score", "reused", "calls", "tokens", "US$")
    for name in (*shown, "changed"):
        table.add_column(name, overflow="fold")
    for evaluator, app in sorted({(row.evaluator, row.app) for row in rows}):
        own = [row for row in rows if (row.evaluator, row.app) == (evaluator, app)]
        changed = sorted({part for row in own for part in row.changed})
        counts = [sum(getattr(row, key) for row in own) for key in ("count", "reused", "calls")]
        tokens = sum(row.tokens_in + row.tokens_out for row in own)
        cost = [f"{tokens:,}", describe_cost(own)]
        cells = [str(len(own)), *map(str, counts), *cost, ", ".join(changed) or "nothing"]
        table.add_row(evaluator, app, *cells)
    console = open_stdout()
    console.print(table)
    for line in (*describe_probe(probed), *describe_total(rows, left), *describe_batches(rows)):
        console.print(f" {line}")


def describe_probe(probed: CallsResult | None) -> Iterator[str]:
    """Describes the number of calls that a probe made, and why it made no more."""
    if not probed:
        return
    yield f"the probe made {count_of(probed.calls, 'call')}; their answers are kept"
    match probed.rest:
        case Skip(reason):
            yield f"it made no more: {reason}"
        case Failure(_, message):
            yield f"it made no more: {message}"
        case None:
            pass


def describe_total(rows: Sequence[PlannedNight], left: dict[str, BudgetLeft]) -> Iterator[str]:
    """Describes a plan's calls and cost, the basis of the estimate, and a lack of budget."""
    calling = [row for row in rows if row.calls]
    bases = sorted({row.basis for row in calling})
    basis = f", estimated from {' and '.join(bases)}" if bases else ""
    calls = sum(row.calls for row in calling)
    yield f"{count_of(calls, 'model call')} in all, US$ {describe_cost(rows)}{basis}"
    failed = Counter[str]()
    for row in calling:
        failed.update(row.failed_before)
    if failed:
        codes = ", ".join(f"{n} {code}" for code, n in sorted(failed.items()))
        yield f"{failed.total()} of these calls failed before and are repeated: {codes}"
    guessed = [row for row in calling if row.usd is not None and row.margin is None]
    if guessed:
        names = ", ".join(sorted({row.evaluator for row in guessed}))
        most = sum(row.most or 0.0 for row in guessed)
        yield f"a guess for {names}: too few answers so far; at most US$ {most:.4f}"
        yield "`--dry-run --probe 20` makes 20 calls, keeps their answers, and estimates better"
    for app, room in left.items():
        short = describe_shortage(room, [row for row in calling if row.app == app])
        if short:
            yield f"{app}: only {short} left of today's budget; the rest will be skipped"


def describe_batches(rows: Sequence[PlannedNight]) -> Iterator[str]:
    """Describes the calls of a plan by batch, those that could be, and missing batch answers."""
    by_batch = sum(row.calls for row in rows if row.via == "batch")
    if by_batch:
        yield f"{by_batch} of them by batch, at a batch's price"
    live = [row for row in rows if row.via == "live" and row.usd_other is not None and row.usd]
    if live:
        usd, cheap = (sum(getattr(row, key) for row in live) for key in ("usd", "usd_other"))
        yield f"live US$ {usd:.4f}; by batch US$ {cheap:.4f} (`via: batch` in a judge)"
    awaited = sum(row.awaited for row in rows)
    if awaited:
        yield f"{awaited} answers of open batches are missing; `andon batches list` lists them"


def describe_shortage(room: BudgetLeft, rows: Sequence[PlannedNight]) -> str:
    """Describes the rest of a day's budget if a plan needs more; empty if it suffices."""
    usd, calls = sum(row.usd or 0.0 for row in rows), sum(row.calls for row in rows)
    short = [f"US$ {room.usd:.4f}"] if room.usd is not None and usd > room.usd else []
    short += [f"{room.calls:,} calls"] if room.calls is not None and calls > room.calls else []
    return " and ".join(short)


def describe_cost(rows: Sequence[PlannedNight]) -> str:
    """Describes the cost of rows of a plan; counts calls without a price apart, not as free."""
    usd = sum(row.usd or 0.0 for row in rows)
    unknown = sum(row.calls for row in rows if row.usd is None)
    margin = sum(row.margin or 0.0 for row in rows)
    guessed = any(row.usd and row.margin is None for row in rows)
    cost = f"~{usd:.4f}" if guessed else f"{usd:.4f} ± {margin:.4f}" if margin else f"{usd:.4f}"
    if not unknown:
        return cost
    return f"{cost} + {unknown} calls of unknown price" if usd else "unknown price"
