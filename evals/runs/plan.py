"""What a run would do before it does it: per evaluator and night, what stands and what is paid.

`plan` makes no call and writes nothing; `probe` asks a few questions so that it can tell more.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from evals.calls import live
from evals.calls.cost_estimate import count_known_answers, estimate_cost
from evals.calls.day_budget import open_budget
from evals.calls.requests import CallPlan, CallsResult
from evals.calls.routing import find_batch_limits
from evals.calls.stop import Stop
from evals.evaluators import resolution
from evals.evaluators.gold import GoldAndLabels
from evals.records import Failure, Skip
from evals.runs import night_locks
from evals.runs.runner import can_ask
from evals.specs import Catalog, Evaluator
from evals.storage import ledger, night_state
from evals.storage.documents.batch_jobs import list_awaited_keys
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.lake import Lake
from evals.worklist.worklist import NightTraces, WantedAnswer, build_worklist

LATE = datetime.max.replace(tzinfo=UTC, year=9000)


@dataclass(frozen=True, slots=True)
class PlannedNight:
    """What moving one night of one application to the catalog's version would take."""

    evaluator: str
    app: str
    night: str
    version: str
    count: int
    """Scores to derive."""
    reused: int
    """Scores that stand as they are."""
    calls: int
    """Answers that have to be asked for, repeats among them."""
    tokens_in: int
    tokens_out: int
    usd: float | None
    """None: the catalog has no price of the model."""
    margin: float | None
    """US dollars either way, 95 times of 100; None: a guess, or no price is known."""
    most: float | None
    """US dollars the first try of every question cannot pass."""
    basis: str
    """What tokens and dollars were told from."""
    changed: list[str]
    """Which parts of the version differ from the night's lock; `new` when it has none."""
    via: str
    """How it would be asked now: `live` or `batch`; `usd` is at that price."""
    usd_other: float | None
    """What the other way would cost; None where there is none, or no price is known."""
    awaited: int
    """Answers awaited from a batch: neither asked again nor counted in `calls`."""


@dataclass(frozen=True, slots=True)
class PlanScope:
    """The nights and evaluators a plan is about."""

    lake: Lake
    catalog: Catalog
    references: GoldAndLabels
    """Gold and labels."""
    over: Sequence[date]
    names: Collection[str] | None = None
    """Only these evaluators; None: all."""
    moved: bool = True
    """To the catalog's versions, as a backfill does; else each night to its own."""

    def evaluators(self) -> Iterator[tuple[NightTraces, Evaluator, str | None]]:
        """The evaluators of each night, and the version the night is locked to."""
        for night in self.over:
            work = NightTraces(self.lake, night)
            locks = night_state.read_state(self.lake, night).evaluators
            for app in (name for name in work.apps if name not in self.catalog.broken):
                own = not self.moved and app in locks
                current = (
                    night_locks.load_locked_evaluators(self.lake, self.catalog, night, app)
                    if own
                    else ()
                )
                for evaluator in current or resolution.resolve_app(self.catalog, app):
                    if self.names is None or evaluator.name in self.names:
                        yield work, evaluator, locks.get(app, {}).get(evaluator.name)


def plan_nights(scope: PlanScope, now: datetime | None = None) -> list[PlannedNight]:
    """What bringing nights up to date would do.

    Args:
        scope: which nights and evaluators.
        now: when it would run, which decides what goes by batch; None: `via: auto` as late as ever.
    """
    lake, catalog = scope.lake, scope.catalog
    rows = []
    asked: set[tuple[str, str]] = set()
    for work, evaluator, held in scope.evaluators():
        found = build_worklist(lake, work, evaluator, scope.references)
        paid_as = evaluator.answer_version or ""
        out = list_awaited_keys(lake, paid_as) & {want.key for want in found.wanted}
        fresh = [
            want
            for want in found.wanted
            if (paid_as, want.key) not in asked and want.key not in out
        ]
        asked |= {(paid_as, want.key) for want in fresh}
        cost = estimate_cost(lake, found, fresh if can_ask(evaluator) else ())
        ways = choose_way(catalog, evaluator, work.night, fresh, now or LATE, cost.usd)
        found.contents.close()
        share = ways.usd / cost.usd if ways.usd and cost.usd else 1.0
        cost = cost._replace(
            usd=ways.usd,
            margin=None if cost.margin is None else cost.margin * share,
            most=None if cost.most is None else cost.most * share,
        )
        rows.append(
            PlannedNight(
                evaluator.name,
                evaluator.app,
                work.night.isoformat(),
                evaluator.version,
                found.todo,
                len(found.kept),
                *cost,
                list_changed_parts(lake, evaluator, held),
                ways.via,
                ways.other,
                len(out),
            )
        )
    return rows


def probe_judges(
    scope: PlanScope,
    count: int,
    now: datetime,
    *,
    progress: Callable[[int], None] = lambda done: None,
    stop: Stop | None = None,
) -> CallsResult:
    """Asks judges of whom few answers are known the traces they would be asked first.

    The answers are kept, and count in the day's budget: nothing is paid twice.

    Args:
        scope: which nights and evaluators.
        count: answers of each judge that are to be known.
        now: the moment, which tells the day's budget.
        progress: hears of each call.
        stop: who may end it while it asks.

    Returns:
        What was asked, and why no more where something stood in the way.

    Raises:
        Stopped: when it was stopped; what was answered is kept.
    """
    lake = scope.lake
    run_id = f"probe-{secrets.token_hex(4)}"
    asked: Counter[str] = Counter()
    rest: Failure | Skip | None = None
    with (
        open_budget(lake, run_id, now.date(), scope.catalog) as budget,
        ledger.journal(lake, run_id) as journal,
    ):
        for work, evaluator, _ in scope.evaluators():
            judge, pin = evaluator.judge, evaluator.pin
            version = evaluator.answer_version or ""
            missing = count - count_known_answers(lake, evaluator) - asked[version]
            if judge is None or pin is None or missing <= 0:
                continue
            with lake.lock("calls", version):
                found = build_worklist(lake, work, evaluator, scope.references)
                first = found.first(missing)
                asking = CallPlan(first, judge, pin, journal, lake, budget, progress)
                done = live.ask_live(asking.exclude_too_long(), stop=stop)
                found.contents.close()
            asked[version] += done.calls
            rest = rest or done.rest
    return CallsResult(asked.total(), rest=rest)


class Way(NamedTuple):
    """Live or by batch, and what either costs."""

    via: str
    usd: float | None
    other: float | None


def choose_way(
    catalog: Catalog,
    evaluator: Evaluator,
    night: date,
    wanted: Sequence[WantedAnswer],
    now: datetime,
    usd: float | None,
) -> Way:
    """Which way questions go, from what they cost live."""
    pin = evaluator.pin
    price = pin.price_on(night) if pin and pin.batches else None
    cheap = round(usd * price.batch, 9) if price and usd is not None else None
    if find_batch_limits(catalog, evaluator, night, wanted, now):
        return Way("batch", cheap, usd)
    return Way("live", usd, cheap)


def list_changed_parts(lake: Lake, evaluator: Evaluator, version: str | None) -> list[str]:
    """The parts in which the catalog's version differs from a night's."""
    if version is None:
        return ["new"]
    before = read_evaluator(lake, evaluator.name, evaluator.app, version).parts
    parts = set(before) | set(evaluator.parts)
    return sorted(part for part in parts if before.get(part) != evaluator.parts.get(part))
