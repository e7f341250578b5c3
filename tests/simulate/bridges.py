"""What reports say of a judge that changed, openly or silently, and of a fall beside it.

Whole reports are built, by the product's own functions; anchors are chosen as the worklist does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np

from evals.reports.report import Report
from evals.reports.sections import alarms, incidents, results
from evals.specs import App, Evaluator, ModelPin
from evals.worklist.anchors import share_anchors
from tests.evals.reports.chat_nights import JUDGE, make_agreement, make_dimension, make_rate
from tests.evals.reports.night_rows import Night, report_of

FIRST = date(2026, 1, 5)
BASE = 42
"""Nights before a change."""
LABELS = 100
"""Test labels of each class."""
Row = dict[str, Any]
APP = App(app="chat", title="Chat", suite="chat")
PIN = ModelPin(name="m", model="m-2026-01-01")


class Side(NamedTuple):
    """How a judge does."""

    tpr: float = 0.95
    tnr: float = 0.95

    def pass_rate(self, true: float) -> float:
        """Returns the share it passes of answers of which people pass a share."""
        return true * self.tpr + (1 - true) * (1 - self.tnr)


SAME = Side()


@dataclass(frozen=True, kw_only=True)
class JudgeWorld:
    """What changes after the first 42 nights, and how the nights are."""

    after: Side = SAME
    """The judge from then on."""
    version: str = "v2"
    """Its version from then on."""
    by: float = 0.0
    """How much lower the true rate is from then on."""
    traces: int = 1000
    rate: float = 0.88
    spread: float = 0.03
    """The sd of nights on the scale; .03 is .01 at this rate."""
    anchors: int = 200
    """Asked when the version changes."""
    nightly: int = 10
    """Asked each night of a version that is the same."""
    nights: int = 3
    """After the change."""


def draw_true_rate(world: JudgeWorld, rng: np.random.Generator, at: int) -> float:
    """Draws the true rate of a night."""
    rate = world.rate - (world.by if at >= BASE else 0.0)
    angle = 2 * np.arcsin(np.sqrt(1 - rate)) + world.spread * rng.standard_normal()
    return float(1 - np.sin(angle / 2) ** 2)


def draw_nights(world: JudgeWorld, rng: np.random.Generator) -> list[Row]:
    """Draws the judge's rates of all nights."""
    rows = list[Row]()
    for at in range(BASE + world.nights):
        side, version = (world.after, world.version) if at >= BASE else (SAME, "v1")
        true = int(rng.binomial(world.traces, draw_true_rate(world, rng, at)))
        passed = int(rng.binomial(true, side.tpr))
        passed += int(rng.binomial(world.traces - true, 1 - side.tnr))
        night = {"date": FIRST + timedelta(days=at), "evaluator_version": version}
        rows.append(make_rate(passed, world.traces - passed, **JUDGE, **night))
    return rows


def draw_anchors(
    world: JudgeWorld, rng: np.random.Generator, n: int, at: int, kind: str, after: Side
) -> Iterator[Row]:
    """Draws anchors: answers that the first judge passed or failed, judged again."""
    share = SAME.pass_rate(world.rate)
    pool = {
        "pass": round(28 * world.traces * share),
        "fail": round(28 * world.traces * (1 - share)),
    }
    counts = share_anchors(pool, n) if kind == "changed" else {
        "pass": (passed := int(rng.binomial(n, share))), "fail": n - passed
    }  # fmt: skip
    version = world.version if kind == "changed" else "v1"
    for before, count in counts.items():
        chance = world.rate * (SAME.tpr if before == "pass" else 1 - SAME.tpr)
        chance /= share if before == "pass" else 1 - share
        for i in range(count):
            is_good = rng.random() < chance
            passes = rng.random() < (after.tpr if is_good else 1 - after.tnr)
            yield make_anchor(
                kind, at, version, f"{kind}-{at}-{before}-{i}", before, "pass" if passes else "fail"
            )


def make_anchor(
    kind: str, at: int, version: str, key: str, before: str, verdict: str | None, **changes: Any
) -> Row:
    """Makes a row of the table `anchors`."""
    return {
        "date": FIRST + timedelta(days=at),
        "app": "chat",
        "dimension": JUDGE["dimension"],
        "evaluator": JUDGE["evaluator"],
        "evaluator_version": version,
        "kind": kind,
        "content_key": key,
        "before_version": "v1",
        "before": before,
        "verdict": verdict,
        "code": None if verdict else "timeout",
        "weight": 1.0,
        "trace_date": FIRST + timedelta(days=max(0, at - 7)),
    } | changes


def draw_labelled(world: JudgeWorld, rng: np.random.Generator) -> Iterator[Row]:
    """Draws anchors that were asked for their labels."""
    for label, chance in (("pass", world.after.tpr), ("fail", 1 - world.after.tnr)):
        for i in range(LABELS):
            verdict = "pass" if rng.random() < chance else "fail"
            yield make_anchor(
                "changed", BASE, world.version, f"{label}-{i}", verdict, verdict,
                weight=None, label=label,
            )  # fmt: skip


def draw_all_anchors(world: JudgeWorld, rng: np.random.Generator) -> list[Row]:
    """Draws the anchors of all nights."""
    if world.version != "v1":
        drawn = draw_anchors(world, rng, world.anchors, BASE, "changed", world.after)
        return [*drawn, *draw_labelled(world, rng)]
    return [
        row
        for at in range(BASE - 14, BASE + world.nights)
        for row in draw_anchors(
            world, rng, world.nightly, at, "same", world.after if at >= BASE else SAME
        )
    ]


def report_nights(
    world: JudgeWorld, rng: np.random.Generator, nights: range | None = None
) -> list[Report]:
    """Draws a world and reports its nights after the change, or some of them."""
    rates, anchors = draw_nights(world, rng), draw_all_anchors(world, rng)
    labels = round(LABELS * 0.95)
    known = (labels, LABELS - labels, LABELS - labels, labels)
    agreement = make_agreement(*known, evaluator_version="v1", date=FIRST)
    reports = list[Report]()
    for after in nights or range(world.nights):
        at = BASE + after
        tonight = FIRST + timedelta(days=at)
        reports.append(
            report_of(
                Night(
                    date=tonight,
                    app=APP,
                    suite="chat",
                    rates=rates[at : at + 1],
                    history=rates[:at],
                    dimensions=make_dimension(JUDGE["dimension"]),
                    evaluators=[make_judge(world.version)],
                    agreement=[agreement],
                    anchors=[row for row in anchors if row["date"] <= tonight],
                )
            )
        )
    return reports


def make_judge(version: str) -> Evaluator:
    """Makes the judge that a night is locked to."""
    return Evaluator(
        name=JUDGE["evaluator"], app="chat", dimension=JUDGE["dimension"], question="Does it help?",
        kind="judge", check="judge", pin=PIN, answer_version="a", version=version,
    )  # fmt: skip


class Reported(NamedTuple):
    """Shares of worlds, by what their reports say."""

    slipped: float
    """Some night slipped: the application fell."""
    first: float
    """The first night slipped."""
    judge_drifted: float
    """Some night names a clear drift of the judge."""
    application_fell: float
    """Some night names a clear fall of the application."""
    judge_alone: float
    """On the last night the judge alone accounts for the fall."""
    alarmed: float
    """Some night has an alarm about the judge's drift."""


def measure_reports(
    world: JudgeWorld, seed: int, worlds: int, nights: range | None = None
) -> Reported:
    """Measures what the reports of some worlds say."""
    rng, counts = np.random.default_rng(seed), np.zeros(len(Reported._fields))
    for _ in range(worlds):
        reports = report_nights(world, rng, nights)
        slips = [one.verdict == "slipped" for one in reports]
        words = [" ".join(list_words(one)) for one in reports]
        last = [rate for row in reports[-1][incidents.SECTION].rows for rate in row.rates]
        counts += [
            any(slips),
            slips[0],
            any("the judge drifted" in one for one in words),
            any("the application fell" in one for one in words),
            any(rate.is_of_judge for rate in last),
            any(
                one.code == "judge-drifted" for report in reports for one in report[alarms.SECTION]
            ),
        ]
    return Reported(*(float(one) for one in counts / worlds))


def list_words(report: Report) -> Iterator[str]:
    """Lists the sentences about a judge and its application."""
    for row in report[results.SECTION]:
        if row.carried:
            yield row.carried.words
    for one in report[incidents.SECTION].rows:
        for rate in one.rates:
            if rate.drift:
                yield rate.drift.words
