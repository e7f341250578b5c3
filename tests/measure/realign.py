"""Candidates against a recorded judge on XSTest: gains with their intervals, and what noise claims.

All answers to a prompt are one session, so that no prompt is in two splits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from evals.classifiers import fitting
from evals.classifiers.features import GROUPS, WIDTH, Material, Vector, compute_vector
from evals.classifiers.fitting import Example
from evals.labels.alignment import choose_split
from evals.statistics.judges_compared import Compared, compare_judges
from evals.worklist.sampling import compute_place
from tests.measure.data import find_folder, read_lines

PASSES = "1_full_compliance"
INCUMBENT = "gpt-4"
LOOKS = (20, 40, 80, 160)
COPIES, TRIALS, REDRAWN, DEV = 30, 400, 0.3, 40


class Answer(NamedTuple):
    """An answer that people decided on, and what others decided."""

    session: str
    vector: Vector
    passed: bool
    verdicts: Mapping[str, bool]

    @property
    def split(self) -> str:
        """The split of its session."""
        return choose_split(self.session)


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields each candidate at each look, then what the best of many noisy copies claims."""
    answers = read_answers(data)
    trained = train([one for one in answers if one.split != "test"])
    test = [one for one in answers if one.split == "test"]
    candidates: dict[str, Sequence[bool]] = {
        "string rule": [one.verdicts["strmatch"] for one in test],
        "classifier trained on pool and dev": [trained(one) for one in test],
        "string rule and judge both pass": [
            one.verdicts["strmatch"] and one.verdicts[INCUMBENT] for one in test
        ],
    }
    for name, verdicts in candidates.items():
        for at in (*LOOKS, len(test)):
            yield compare(name, test, verdicts, at)
    yield measure_noise(answers)


def read_answers(data: Path) -> list[Answer]:
    """Reads the answers on which the recorded judge has a verdict."""
    folder = find_folder(data, "xstest")
    verdicts: dict[str, dict[str, str]] = {}
    for row in read_lines(folder / "labels.jsonl.gz"):
        verdicts.setdefault(row["trace_id"], {})[row["annotator"]] = str(row["verdict"])
    return [
        Answer(
            f"prompt-{row['trace_id'].rpartition('-')[2]}",
            compute_vector(Material(row["output"] or "", row["input"]), tuple(GROUPS)),
            own["final"] == PASSES,
            {name: own[name] == PASSES for name in (INCUMBENT, "strmatch")},
        )
        for row in read_lines(folder / "traces.jsonl.gz")
        if (own := verdicts[row["trace_id"]])[INCUMBENT][0] in "123"
    ]


def train(answers: Sequence[Answer]) -> Any:
    """Returns what a classifier decides that learned from some answers."""
    examples = [Example(one.vector, one.passed, one.session) for one in answers]
    fitted = fitting.fit(examples, WIDTH, 0.9)
    return lambda one: fitted.estimate(one.vector) < fitted.threshold


def compare(name: str, test: Sequence[Answer], verdicts: Sequence[bool], at: int) -> dict[str, Any]:
    """Compares a candidate with the recorded judge on as many test labels as a look has."""
    rows = list(zip(test, verdicts, strict=True))
    rows.sort(key=lambda row: compute_place(row[0].session, "look"))
    kept: list[Compared] = []
    for one, verdict in rows:
        counts = [sum(row.passed is side for row in kept) for side in (True, False)]
        if min(counts) >= at:
            break
        incumbent = one.verdicts[INCUMBENT]
        right = (verdict is one.passed, incumbent is one.passed)
        kept.append(Compared(one.passed, *right, one.session))
    found = compare_judges(kept)
    assert found is not None
    return {
        "candidate": name, "incumbent": "GPT-4 judge, recorded", "n": len(kept),
        "rarer": min(sum(row.passed is side for row in kept) for side in (True, False)),
        "gain": round(found.value, 4), "low": round(found.low, 4), "high": round(found.high, 4),
        "only_candidate": found.only_first, "only_incumbent": found.only_second,
        "result": found.result,
    }  # fmt: skip


def measure_noise(answers: Sequence[Answer]) -> dict[str, Any]:
    """Measures what the best of thirty copies of the recorded judge claims that are no better.

    A copy draws some of its verdicts anew, as often right as the judge is on that class; the best
    on forty dev labels is looked at once on the test labels of the last look.
    """
    rng = random.Random(0)
    rates = {
        side: fmean(one.verdicts[INCUMBENT] is side for one in answers if one.passed is side)
        for side in (True, False)
    }
    pools = {name: [one for one in answers if one.split == name] for name in ("dev", "test")}
    gains: dict[str, list[float]] = {"dev": [], "test": []}
    claimed = 0
    for _ in range(TRIALS):
        dev, test = draw(rng, pools["dev"], DEV // 2), draw(rng, pools["test"], LOOKS[-1])
        copies = [compare_judges(copy(rng, dev, rates)) for _ in range(COPIES)]
        gains["dev"].append(max(one.value for one in copies if one))
        found = compare_judges(copy(rng, test, rates))
        assert found is not None
        gains["test"].append(found.value)
        claimed += found.low > 0
    return {
        "candidate": f"best of {COPIES} copies that are no better", "trials": TRIALS,
        "gain_on_dev": round(fmean(gains["dev"]), 4),
        "gain_on_test": round(fmean(gains["test"]), 4),
        "claimed": round(claimed / TRIALS, 4),
    }  # fmt: skip


def draw(rng: random.Random, answers: Sequence[Answer], each: int) -> list[Answer]:
    """Draws as many answers of each verdict."""
    sides = [[one for one in answers if one.passed is side] for side in (True, False)]
    return [one for side in sides for one in rng.sample(side, each)]


def copy(
    rng: random.Random, answers: Sequence[Answer], rates: Mapping[bool, float]
) -> list[Compared]:
    """Compares the recorded judge with a copy of it that is as good."""
    rows: list[Compared] = []
    for one in answers:
        now = one.verdicts[INCUMBENT] is one.passed
        redrawn = rng.random() < REDRAWN
        copied = rng.random() < rates[one.passed] if redrawn else now
        rows.append(Compared(one.passed, copied, now, one.session))
    return rows
