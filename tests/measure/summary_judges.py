"""Judges of summaries by dimension, as the catalog declares them, with the smallest pinned model.

A night of the product asks them. Consistency has labels of people (RAGTruth); answers that fail
the other two dimensions are made, as in `summaries`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files
from evals.worklist.sampling import compute_place
from tests.measure.data import find_folder, read_lines
from tests.measure.refusal import count_hits
from tests.measure.summaries import FILLER, Answer, lengthen, replace_text

ROOT = Path(__file__).parents[2]
NIGHT = date(2026, 10, 1)
MODEL = "smollm2"
EACH, LONGEST = 50, 1_000
"""Good and bad answers of each dimension, over passages of at most so many characters."""
QUESTIONS = {
    "consistency": (
        "Does the summary state only what the source does?",
        ["context", "output"],
        "Go through the summary sentence by sentence. Does each statement follow from the source?",
    ),
    "relevance": (
        "Does the summary have what matters in its source, and nothing beside it?",
        ["input", "context", "output"],
        "Does the answer have what matters in the source for the question, and nothing beside it?",
    ),
    "density": (
        "Is the summary as short as what it contains allows?",
        ["output"],
        "Is the text as short as what it contains allows, without filler and repeats?",
    ),
}
"""By dimension: the question to people, what the judge reads, and its prompt."""


class Labelled(NamedTuple):
    """An answer that passes or fails."""

    answer: Answer
    passed: bool


def measure(data: Path) -> Iterator[dict[str, Any]]:
    """Yields each judge's agreement with the labels, with intervals clustered by passages."""
    labelled = dict(zip(QUESTIONS, build_sides(data), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        home = run_night(Path(folder), labelled)
        verdicts = read_verdicts(Lake(home))
    for dimension, rows in labelled.items():
        yield describe(dimension, rows, verdicts)


def build_sides(data: Path) -> tuple[list[Labelled], list[Labelled], list[Labelled]]:
    """Builds the good and the bad answers of consistency, relevance and density."""
    folder = find_folder(data, "ragtruth_subset")
    marked = {row["trace_id"]: bool(row["spans"]) for row in read_lines(folder / "labels.jsonl.gz")}
    rows = [
        row
        for row in read_lines(folder / "traces.jsonl.gz")
        if row["context"] and len(row["context"]) <= LONGEST
    ]
    rows.sort(key=lambda row: compute_place(row["trace_id"], "measure"))
    answers = [(Answer(r["input"] or "", r["context"], r["output"]), r["trace_id"]) for r in rows]
    good = [one for one, trace_id in answers if not marked[trace_id]][:EACH]
    made_up = [one for one, trace_id in answers if marked[trace_id]][:EACH]
    rng = random.Random(0)
    beside = [replace_text(one, good, rng) for one in good]
    padded = [one._replace(text=lengthen(one.text, FILLER, rng)) for one in good]
    consistency, relevance, density = (
        [Labelled(one, passed) for side, passed in ((good, True), (bad, False)) for one in side]
        for bad in (made_up, beside, padded)
    )
    return consistency, relevance, density


def run_night(folder: Path, labelled: Mapping[str, Sequence[Labelled]]) -> Path:
    """Asks the judges in a night of the product; returns its home."""
    shipped = yaml.safe_load((ROOT / "evals/catalog/models.yaml").read_text())
    files: dict[str, Any] = {
        "catalog.yaml": {"title": "Summaries", "since": NIGHT},
        "models.yaml": {MODEL: shipped[MODEL]},
    }
    rows: list[dict[str, Any]] = []
    for dimension, (question, reads, system) in QUESTIONS.items():
        files |= {
            f"apps/{dimension}.yaml": {"app": dimension, "suite": dimension},
            f"suites/{dimension}.yaml": {
                "suite": dimension,
                "dimensions": [
                    {"dimension": dimension, "question": question, "check": {"judge": dimension}}
                ],
            },
            f"judges/{dimension}.yaml": {
                "judge": dimension, "asks": question, "model": MODEL, "reads": reads,
                "system": f"{system} Answer with one word: Yes or No.", "mode": "logprobs",
                "threshold": 0.5, "max_tokens": 1, "max_chars": 3_000, "too_long": "cut",
            },
        }  # fmt: skip
        rows += [
            {
                "trace_id": name_trace(dimension, number), "app": dimension,
                "ts": f"{NIGHT}T12:00:00Z", "input": one.answer.question or "Summarise the source.",
                "context": one.answer.source, "output": one.answer.text,
            }
            for number, one in enumerate(labelled[dimension])
        ]  # fmt: skip
    for name, content in files.items():
        path = folder / "catalog" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "orchestration.cli.main", "nightly", "--date", str(NIGHT)]
    places = {"--catalog": "catalog", "--inbox": "traces.jsonl", "--home": "home"}
    options = [word for key, name in places.items() for word in (key, str(folder / name))]
    subprocess.run([*command, *options], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return folder / "home"


def name_trace(dimension: str, number: int) -> str:
    """Names the trace of an answer."""
    return f"{dimension}-{number:03}"


def read_verdicts(lake: Lake) -> dict[str, bool]:
    """Reads the judges' verdicts by trace; answers without one are left out."""
    return {
        score.trace_id: score.verdict == "pass"
        for file in list_locked_files(lake, "scores", [NIGHT])
        for score in lake.stream_file("scores", file)
        if score.verdict and score.dimension in QUESTIONS
    }


def describe(
    dimension: str, rows: Sequence[Labelled], verdicts: Mapping[str, bool]
) -> dict[str, Any]:
    """Returns one judge's TPR and TNR, and their mean."""
    given = [
        (one, verdicts[name])
        for number, one in enumerate(rows)
        if (name := name_trace(dimension, number)) in verdicts
    ]
    sides = {
        side: [(passed is side, one.answer.source) for one, passed in given if one.passed is side]
        for side in (True, False)
    }
    tpr, tnr = (count_hits(*zip(*sides[side], strict=True)) for side in (True, False))
    return {
        "judge": dimension,
        "model": MODEL,
        "labels": "people" if dimension == "consistency" else "made",
        "n": len(rows),
        "judged": len(given),
        "tpr": [round(tpr.rate, 4), *(round(x, 4) for x in tpr.interval())],
        "tnr": [round(tnr.rate, 4), *(round(x, 4) for x in tnr.interval())],
        "balanced": round((tpr.rate + tnr.rate) / 2, 4),
    }
