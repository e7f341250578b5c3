"""What a judge's model did that its pin does not allow: alarms, and the stamp of each judge.

An alarm is no score and moves no rate; it says why a figure may not mean what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from evals.reports.causes import Row
from evals.specs import Evaluator, classify


def alarms(
    evaluators: Iterable[Evaluator],
    answered: Sequence[Row],
    before: Sequence[Row],
    failures: Iterable[Row],
) -> list[dict[str, Any]]:
    """Every alarm of a night.

    Args:
        evaluators: the night's.
        answered: which models answered for each evaluator: evaluator, model, fingerprint, n.
        before: the same of the latest earlier report.
        failures: the night's errors and skips by code.
    """
    without = Counter[tuple[str, str]]()
    for row in failures:
        without[row["evaluator"], row["code"]] += int(row["n"])
    found = []
    for judge in sorted((e for e in evaluators if e.pin), key=lambda e: (e.name, e.version)):
        assert judge.pin is not None  # noqa: S101  filtered above
        now, then = names(judge, answered), names(judge, before)
        others = now - {judge.pin.model, *judge.pin.answers_as}
        if n := without[judge.name, "other-model"]:
            who = listed(others) or "another model"
            words = f"{unscored(n, judge)}: {who} answered, the pin says {judge.pin.model}"
            found.append(alarm("other-model", judge, words, n))
        elif n := without[judge.name, "other-weights"]:
            words = f"{unscored(n, judge)}: {judge.pin.model} is not the file the pin names"
            found.append(alarm("other-weights", judge, words, n))
        elif then and others - then:
            words = (
                f"{judge.name}: {listed(now)} answered to {judge.pin.model}, before {listed(then)}"
            )
            found.append(
                alarm("model-changed", judge, words, count(judge, answered, others - then))
            )
    return found


def unscored(n: int, judge: Evaluator) -> str:
    """How many traces a judge was not asked about, or not by its pin."""
    return f"{n} {'trace has' if n == 1 else 'traces have'} no score of {judge.name}"


def alarm(code: str, judge: Evaluator, words: str, n: int) -> dict[str, Any]:
    """An alarm as a row of the report."""
    return {"code": code, "evaluator": judge.name, "words": words, "n": n}


def names(judge: Evaluator, answered: Iterable[Row]) -> set[str]:
    """The models that answered for a judge."""
    return {row["model"] for row in answered if row["evaluator"] == judge.name}


def count(judge: Evaluator, answered: Iterable[Row], models: set[str]) -> int:
    """How many answers came from some models."""
    mine = (row for row in answered if row["evaluator"] == judge.name)
    return sum(int(row["n"]) for row in mine if row["model"] in models)


def listed(models: set[str]) -> str:
    """Models in a sentence."""
    return ", ".join(sorted(models))


def stamp(evaluator: Evaluator, answered: Iterable[Row]) -> dict[str, Any]:
    """An evaluator's model: as pinned, what its id promises, and who answered."""
    if evaluator.pin is None:
        return {"model": None, "pin": None, "answered_by": []}
    promise = classify(evaluator.pin)
    mine = [row for row in answered if row["evaluator"] == evaluator.name]
    mine.sort(key=lambda row: (row["model"], row["fingerprint"] or ""))
    judge = evaluator.judge
    return {
        "model": evaluator.pin.model,
        "pin": {"class": type(promise).__name__.lower(), "reason": promise.reason},
        "answered_by": [{key: row[key] for key in ("model", "fingerprint", "n")} for row in mine],
        "temperature": judge.temperature if judge else None,
        "seed": judge.seed if judge else None,
    }
