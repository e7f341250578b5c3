"""The plan of a run: per evaluator and night, which scores are current and what the rest costs.

`plan_nights` makes no call and writes nothing; `probe_judges` asks a few questions for a better
estimate.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from evals.calls.cost_estimate import count_known_answers, estimate_cost
from evals.calls.requests import CallsResult
from evals.calls.routing import find_batch_limits
from evals.calls.stop import Stop
from evals.evaluators.gold import GoldAndLabels
from evals.records import Failure, Skip
from evals.runs import night_locks
from evals.runs.live_run import open_live_run
from evals.runs.model_servers import ModelServers
from evals.runs.runner import ScoringRun, ask_wanted, can_ask
from evals.specs import Catalog, Evaluator
from evals.storage import night_state
from evals.storage.documents.batch_jobs import list_awaited_keys
from evals.storage.documents.evaluator_specs import read_evaluator
from evals.storage.lake import Lake
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import WantedAnswer, Worklist, build_worklist

FAR_FUTURE = datetime.max.replace(tzinfo=UTC, year=9000)


@dataclass(frozen=True, slots=True)
class PlannedNight:
    """The work and cost of scoring one night of one application by one evaluator."""

    evaluator: str
    app: str
    night: str
    version: str
    count: int
    """Scores to derive."""
    reused: int
    """Stored scores that are current."""
    calls: int
    """Answers to ask for, repeats included."""
    tokens_in: int
    tokens_out: int
    usd: float | None
    """None: the catalog has no price for the model."""
    margin: float | None
    """Half-width of the 95% interval in US dollars; None: a guess, or no price is known."""
    most: float | None
    """Upper bound in US dollars if each question is asked once."""
    basis: str
    """The data that tokens and dollars are estimated from."""
    changed: list[str]
    """Which parts of the version differ from the night's lock; `new` where it has none."""
    via: str
    """The route it would take now, `live` or `batch`; `usd` is at that price."""
    usd_other: float | None
    """US dollars by the other route; None where there is none, or no price is known."""
    awaited: int
    """Answers expected from a batch: neither asked again nor counted in `calls`."""
    failed_before: dict[str, int] = field(default_factory=dict[str, int])
    """How many of `calls` an earlier run made in vain, by error code."""


@dataclass(frozen=True, slots=True)
class PlanScope:
    """The nights and evaluators of a plan."""

    lake: Lake
    catalog: Catalog
    references: GoldAndLabels
    """Gold and labels."""
    nights: Sequence[date]
    names: Collection[str] | None = None
    """Only these evaluators; None: all."""
    moved: bool = True
    """Whether nights move to the catalog's versions, as a backfill does, or keep their own."""

    def list_evaluators(
        self, *, save: bool = False
    ) -> Iterator[tuple[NightTraces, Evaluator, str | None]]:
        """Lists the evaluators of each night, with the version the night is locked to.

        `save`: whether their models are asked, so that their servers' claims are stored.
        """
        servers = ModelServers(self.lake, self.catalog)
        for night in self.nights:
            work = NightTraces(self.lake, night)
            locks = night_state.read_state(self.lake, night).evaluators
            for app in (name for name in work.apps if name not in self.catalog.broken):
                keeps_lock = not self.moved and app in locks
                current = (
                    night_locks.load_locked_evaluators(self.lake, self.catalog, night, app)
                    if keeps_lock
                    else ()
                )
                for evaluator in current or servers.resolve_app(app):
                    if save:
                        servers.save()
                    if self.names is None or evaluator.name in self.names:
                        yield work, evaluator, locks.get(app, {}).get(evaluator.name)


def plan_nights(scope: PlanScope, now: datetime | None = None) -> list[PlannedNight]:
    """Plans what brings nights up to date.

    Args:
        scope: which nights and evaluators.
        now: when it would run, which decides what goes by batch; None: after every deadline.
    """
    rows: list[PlannedNight] = []
    counted: set[tuple[str, str]] = set()
    for night, evaluator, locked in scope.list_evaluators():
        work = build_worklist(scope.lake, night, evaluator, scope.references)
        paid_as = evaluator.answer_version or ""
        awaited = list_awaited_keys(scope.lake, paid_as) & {want.key for want in work.wanted}
        fresh = [
            want
            for want in work.wanted
            if (paid_as, want.key) not in counted and want.key not in awaited
        ]
        counted |= {(paid_as, want.key) for want in fresh}
        rows.append(plan_night(scope, work, fresh, locked, len(awaited), now or FAR_FUTURE))
        work.contents.close()
    return rows


def plan_night(
    scope: PlanScope,
    work: Worklist,
    fresh: Sequence[WantedAnswer],
    locked: str | None,
    awaited: int,
    now: datetime,
) -> PlannedNight:
    """Plans one evaluator's night, of which the `fresh` answers have to be asked for."""
    evaluator = work.evaluator
    cost = estimate_cost(scope.lake, work, fresh if can_ask(evaluator) else ())
    route_cost = choose_route(scope.catalog, evaluator, work.night, fresh, now, cost.usd)
    share = route_cost.usd / cost.usd if route_cost.usd and cost.usd else 1.0
    return PlannedNight(
        evaluator=evaluator.name,
        app=evaluator.app,
        night=work.night.isoformat(),
        version=evaluator.version,
        count=work.remaining,
        reused=len(work.current),
        calls=cost.calls,
        tokens_in=cost.tokens_in,
        tokens_out=cost.tokens_out,
        usd=route_cost.usd,
        margin=None if cost.margin is None else cost.margin * share,
        most=None if cost.most is None else cost.most * share,
        basis=cost.basis,
        changed=list_changed_parts(scope.lake, evaluator, locked),
        via=route_cost.via,
        usd_other=route_cost.other,
        awaited=awaited,
        failed_before=count_failed(fresh) if cost.calls else {},
    )


def count_failed(wanted: Sequence[WantedAnswer]) -> dict[str, int]:
    """Counts the questions that failed before by error code; `unreadable`: without a verdict."""
    return dict(Counter(want.code or "unreadable" for want in wanted if want.attempts))


def probe_judges(
    scope: PlanScope,
    count: int,
    now: datetime,
    *,
    progress: Callable[[int], None] = lambda done: None,
    stop: Stop | None = None,
) -> CallsResult:
    """Asks judges their first questions, until `count` answers of each are known.

    The answers are stored and count in the day's budget: nothing is paid twice.

    Returns:
        How many calls were made, and why not all where something prevented them.

    Raises:
        Stopped: when it was stopped; the answers so far are stored.
    """
    lake, run_id = scope.lake, f"probe-{secrets.token_hex(4)}"
    calls_by_version: Counter[str] = Counter()
    rest: Failure | Skip | None = None
    with open_live_run(
        lake, scope.catalog, scope.references, run_id, now.date(), stop=stop, progress=progress
    ) as run:
        for night, evaluator, _ in scope.list_evaluators(save=True):
            version = evaluator.answer_version or ""
            missing = count - count_known_answers(lake, evaluator) - calls_by_version[version]
            if missing > 0:
                done = ask_first_questions(run, night, evaluator, missing)
                calls_by_version[version] += done.calls
                rest = rest or done.rest
    return CallsResult(calls_by_version.total(), rest=rest)


def ask_first_questions(
    run: ScoringRun, night: NightTraces, evaluator: Evaluator, count: int
) -> CallsResult:
    """Asks the first questions of a judge's night; none of an evaluator without a model."""
    if not evaluator.asks_model:
        return CallsResult()
    with run.lake.lock("calls", evaluator.answer_version or ""):
        work = build_worklist(run.lake, night, evaluator, run.references)
        result = ask_wanted(run, work.limit_questions(count))
        work.contents.close()
    return result


class RouteCost(NamedTuple):
    """The route of questions, `live` or `batch`, and what either costs in US dollars."""

    via: str
    usd: float | None
    other: float | None


def choose_route(
    catalog: Catalog,
    evaluator: Evaluator,
    night: date,
    wanted: Sequence[WantedAnswer],
    now: datetime,
    usd: float | None,
) -> RouteCost:
    """Chooses live or batch for some questions, from what they cost live."""
    pin = evaluator.pin
    price = pin.price_on(night) if pin and pin.batches else None
    cheap = round(usd * price.batch, 9) if price and usd is not None else None
    if find_batch_limits(catalog, evaluator, night, wanted, now):
        return RouteCost("batch", cheap, usd)
    return RouteCost("live", usd, cheap)


def list_changed_parts(lake: Lake, evaluator: Evaluator, version: str | None) -> list[str]:
    """Lists the parts in which the catalog's version differs from a night's."""
    if version is None:
        return ["new"]
    before = read_evaluator(lake, evaluator.name, evaluator.app, version).parts
    parts = set(before) | set(evaluator.parts)
    return sorted(part for part in parts if before.get(part) != evaluator.parts.get(part))
