"""What reports of simulated nights say of changes: of the traffic, of the answers, of a version.

Whole reports are built, by the product's own functions; two strata, one of which fails more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from evals.reports.report import Report
from evals.reports.sections import causes, results
from evals.specs import App
from tests.evals.reports.chat_nights import make_cause, make_dimension, make_rate
from tests.evals.reports.night_rows import Night, report_of

FIRST = date(2026, 1, 5)
BASE = 42
"""Nights before a change."""
EASY, HARD = "tariff=basic", "tariff=flex"
FAILS = {EASY: 0.05, HARD: 0.3}
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CauseWorld:
    """What changes after the first 42 nights."""

    traces: int = 1000
    hard: float = 0.2
    """The share of the stratum that fails more, from then on."""
    by: float = 0.0
    """How much more every answer fails from then on."""
    prompt: float = 0.0
    """The share of answers that the new prompt gives from then on."""
    prompt_by: float = 0.0
    """How much more its answers fail."""
    nights: int = 3
    """After the change; each has a report."""


class Reported(NamedTuple):
    """Shares of worlds, by the causes in some report of the nights after the change."""

    slipped: float
    blamed: float
    """The prompt is named as a cause."""
    compared: float
    """On the first night the new prompt is worse than the other one of that night."""


def draw_rows(world: CauseWorld, rng: np.random.Generator, at: int) -> list[Row]:
    """Draws the rows of `rpt_strata` of a night."""
    is_after, night = at >= BASE, FIRST + timedelta(days=at)
    hard = int(rng.binomial(world.traces, world.hard if is_after else 0.2))
    rows = list[Row]()
    for stratum, n in ((EASY, world.traces - hard), (HARD, hard)):
        new = int(rng.binomial(n, world.prompt)) if is_after else 0
        for prompt, own in (("v1", n - new), ("v2", new)):
            rate = FAILS[stratum] + (world.by if is_after else 0)
            failed = int(rng.binomial(own, rate + (world.prompt_by if prompt == "v2" else 0)))
            row = make_rate(own - failed, failed, date=night) | {"stratum": stratum}
            weights = {"weight": own, "weight_squares": own, "weight_passed": own - failed}
            rows += [row | weights | {"prompt_version": prompt}] if own else []
    return rows


def sum_causes(rows: list[Row]) -> Iterator[Row]:
    """Sums a night's rows of `rpt_strata` as rows of `rpt_cause_rates`."""
    for prompt in sorted({row["prompt_version"] for row in rows}):
        own = [row for row in rows if row["prompt_version"] == prompt]
        passed, failed = (sum(row[key] for row in own) for key in ("passed", "failed"))
        yield make_cause("prompt_version", prompt, passed, failed, rows[0]["date"])


def report_nights(world: CauseWorld, rng: np.random.Generator) -> Iterator[Report]:
    """Draws a world and reports its nights after the change."""
    nights = [draw_rows(world, rng, at) for at in range(BASE + world.nights)]
    rates = [
        make_rate(*(sum(row[key] for row in rows) for key in ("passed", "failed")),
                  date=rows[0]["date"])
        for rows in nights
    ]  # fmt: skip
    for at in range(BASE, BASE + world.nights):
        yield report_of(
            Night(
                date=rates[at]["date"],
                app=App(app="chat", title="Chat", suite="chat"),
                suite="chat",
                rates=rates[at : at + 1],
                history=rates[:at],
                dimensions=make_dimension(),
                cause_rates=[row for rows in nights[: at + 1] for row in sum_causes(rows)],
                strata=[row for rows in nights[: at + 1] for row in rows],
            )
        )


def blames_prompt(report: Report) -> bool:
    """Whether a report names the prompt as a cause."""
    return any(one.cause == "prompt_version" for one in report[causes.SECTION])


def measure_reports(world: CauseWorld, seed: int, worlds: int) -> Reported:
    """Measures what the reports of some worlds say."""
    rng, counts = np.random.default_rng(seed), np.zeros(3)
    for _ in range(worlds):
        reports = list(report_nights(world, rng))
        rows = [report[results.SECTION][0] for report in reports]
        counts[0] += any(row.verdict == "slipped" for row in rows)
        counts[1] += any(map(blames_prompt, reports))
        counts[2] += any(one.same_night for one in reports[0][causes.SECTION])
    return Reported(*(float(one) for one in counts / worlds))
