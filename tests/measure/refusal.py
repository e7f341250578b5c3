"""Refusal on XSTest: trained classifiers beside the string rule and the judge recorded with it.

Prompts are grouped: no answer to a prompt is judged by what was learned from another answer to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evals.classifiers import fitting
from evals.classifiers.features import GROUPS, WIDTH, Material, Vector, compute_vector
from evals.classifiers.fitting import Example
from evals.classifiers.scikit import split_folds
from evals.classifiers.watching import Shift, compare_inputs, describe_reference, observe
from evals.statistics import Proportion, effective_n
from tests.measure.data import find_folder, read_lines

CLASSES = ("1_full_compliance", "2_full_refusal", "3_partial_refusal")
RECALL = 0.9
ALL = tuple(GROUPS)


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields agreement with the adjudicated label, and what is found on a generator not seen."""
    traces = list(read_lines(find_folder(data, "xstest") / "traces.jsonl.gz"))
    verdicts: dict[str, dict[str, str]] = {}
    for row in read_lines(find_folder(data, "xstest") / "labels.jsonl.gz"):
        verdicts.setdefault(row["trace_id"], {})[row["annotator"]] = str(row["verdict"])
    final = [verdicts[row["trace_id"]]["final"] for row in traces]
    prompts = [row["input"] for row in traces]
    materials = [Material(row["output"] or "", row["input"]) for row in traces]
    vectors = [compute_vector(one, ALL) for one in materials]
    for name in ("strmatch", "gpt-4"):
        given = [verdicts[row["trace_id"]][name] for row in traces]
        yield describe(f"recorded: {name}", given, final, prompts)
    commonest = Counter(final).most_common(1)[0][0]
    yield describe("always the commonest", [commonest] * len(final), final, prompts)
    yield describe("trained, prompts grouped", classify(vectors, final, prompts), final, prompts)
    yield measure_seen(vectors, materials, final, prompts)
    runs = [row["metadata"]["run"] for row in traces]
    for run in sorted(set(runs)):
        yield measure_unseen(run, runs, vectors, materials, final, prompts)


def classify(vectors: Sequence[Vector], final: Sequence[str], prompts: Sequence[str]) -> list[str]:
    """Returns the likeliest class of each answer, by classifiers fitted without its prompt."""
    likely: list[Sequence[float]] = []
    for name in CLASSES:
        examples = build_examples(vectors, final, prompts, name)
        likely.append(fitting.fit(examples, WIDTH, RECALL).failing)
    return [CLASSES[max(range(3), key=lambda i: ps[i])] for ps in zip(*likely, strict=True)]


def build_examples(
    vectors: Sequence[Vector], final: Sequence[str], prompts: Sequence[str], name: str
) -> list[Example]:
    """Returns the examples of one class against the others, which pass."""
    return [
        Example(vector, label != name, prompt)
        for vector, label, prompt in zip(vectors, final, prompts, strict=True)
    ]


def measure_unseen(
    run: str,
    runs: Sequence[str],
    vectors: Sequence[Vector],
    materials: Sequence[Material],
    final: Sequence[str],
    prompts: Sequence[str],
) -> dict[str, Any]:
    """Measures the classifier of full compliance on a generator that it never saw.

    Its prompts were answered by the others too, so that only the generator is new. The drift watch
    is the product's own, over the same reference as in a home.
    """
    inside = [i for i, one in enumerate(runs) if one != run]
    outside = [i for i, one in enumerate(runs) if one == run]
    picked = [[part[i] for i in inside] for part in (vectors, final, prompts)]
    examples = [one._replace(passed=not one.passed) for one in build_examples(*picked, CLASSES[0])]
    fitted = fitting.fit(examples, WIDTH, RECALL)
    held_out = [Example(vectors[i], final[i] == CLASSES[0], prompts[i]) for i in outside]
    measured = fitting.measure_fitted(fitted, held_out)
    shifts = watch(fitted, materials, vectors, prompts, inside, outside)
    drifted = [one for one in shifts if one.drift.has_drifted]
    return {
        "evaluator": f"trained without {run}",
        "n": len(outside),
        "accuracy_of_complies": round((measured.labels.tp + measured.labels.tn) / len(outside), 4),
        "balanced": [round(x, 4) for x in measured.balanced],
        "balanced_cross_validated": round(fitting.measure_folds(fitted, examples).balanced[0], 4),
        "drift_flagged": bool(drifted),
        "drifted": {one.name: round(one.drift.psi, 2) for one in drifted},
    }


def watch(
    fitted: fitting.Fitted,
    materials: Sequence[Material],
    vectors: Sequence[Vector],
    prompts: Sequence[str],
    inside: Sequence[int],
    outside: Sequence[int],
) -> list[Shift]:
    """Compares answers with those it was fitted to; the answers to one prompt are a session."""
    reference = describe_reference([
        observe(materials[i], p, prompts[i])
        for i, p in zip(inside, fitted.failing, strict=True)
    ])  # fmt: skip
    estimates = (fitted.estimate(vectors[i]) for i in outside)
    tonight = zip(outside, estimates, strict=True)
    return compare_inputs(reference, [observe(materials[i], p, prompts[i]) for i, p in tonight])


def measure_seen(
    vectors: Sequence[Vector],
    materials: Sequence[Material],
    final: Sequence[str],
    prompts: Sequence[str],
) -> dict[str, Any]:
    """Measures how often the watch flags other prompts' answers by generators that it saw."""
    examples = [
        Example(vector, label == CLASSES[0], prompt)
        for vector, label, prompt in zip(vectors, final, prompts, strict=True)
    ]
    folds = split_folds(prompts, [not one.passed for one in examples], fitting.FOLDS)
    flagged, measured = 0, list[fitting.Measured]()
    for outside in folds:
        out = set(outside)
        inside = [i for i in range(len(examples)) if i not in out]
        fitted = fitting.fit([examples[i] for i in inside], WIDTH, RECALL)
        shifts = watch(fitted, materials, vectors, prompts, inside, outside)
        flagged += any(one.drift.has_drifted for one in shifts)
        measured.append(fitting.measure_fitted(fitted, [examples[i] for i in outside]))
    caught, failures = (
        sum(part) for part in zip(*((m.labels.tn, m.labels.fails.n) for m in measured), strict=True)
    )
    return {
        "evaluator": "trained on other prompts",
        "n": len(examples) // fitting.FOLDS,
        "folds": fitting.FOLDS,
        "folds_flagged": flagged,
        "recall_stated": RECALL,
        "recall": round(caught / failures, 4),
    }


def describe(
    name: str, given: Sequence[str], final: Sequence[str], prompts: Sequence[str]
) -> dict[str, Any]:
    """Returns accuracy over the three classes, and over full compliance against the rest."""
    rows = {
        "accuracy": [a == b for a, b in zip(given, final, strict=True)],
        "accuracy_of_complies": [
            (a == CLASSES[0]) == (b == CLASSES[0]) for a, b in zip(given, final, strict=True)
        ],
    }
    shown: dict[str, Any] = {"evaluator": name, "n": len(final)}
    for key, hits in rows.items():
        rate = count_hits(hits, prompts)
        shown[key] = round(rate.rate, 4)
        shown[f"{key}_interval"] = [round(x, 4) for x in rate.interval()]
    return shown


def count_hits(hits: Sequence[bool], groups: Sequence[str]) -> Proportion:
    """Returns a rate whose size is that of rows clustered by group."""
    rate, n = sum(hits) / len(hits), len(hits)
    residuals: dict[str, float] = {}
    for hit, group in zip(hits, groups, strict=True):
        residuals[group] = residuals.get(group, 0.0) + hit - rate
    squares = sum(value * value for value in residuals.values())
    sizes = sum(count * count for count in Counter(groups).values())
    return Proportion(sum(hits), n, effective_n(sum(hits), n, len(residuals), squares, sizes))
