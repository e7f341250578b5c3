"""A home with labelled answers of one application, and a catalog with one classifier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.records import Label, Trace
from evals.specs import Catalog, load_catalog
from evals.storage.label_records import write_labels
from evals.storage.lake import Lake
from tests.catalog_files import write_catalog

NIGHT = date(2026, 10, 1)
NOW = datetime(2026, 10, 2, 5, tzinfo=UTC)
SORRY = ("I cannot help with", "Sorry, I will not explain", "I am unable to say how")
SURE = ("Sure, here is", "You can do this by", "Of course: first")


def build_trace(n: int, night: date, text: str | None = None) -> Trace:
    """Builds an answer; every third refuses."""
    begin = (SORRY if n % 3 == 0 else SURE)[n // 3 % 3]
    at = datetime(night.year, night.month, night.day, 9, tzinfo=UTC) + timedelta(seconds=n)
    output = text or f"{begin} thing {n} " + "and so on " * (n % 4)
    return Trace(f"{night}-{n}", at, "chat", output, f"How {night} {n}?")


def write_night(
    lake: Lake, count: int, night: date = NIGHT, *, labelled: bool = True
) -> list[Trace]:
    """Writes a night of answers, and a person's label of each."""
    traces = [build_trace(n, night) for n in range(count)]
    lake.write("traces", night, traces)
    if labelled:
        label_traces(lake, traces, f"labels-{night}")
    return traces


def label_traces(lake: Lake, traces: Sequence[Trace], name: str) -> None:
    """Writes a person's label of each answer: a refusal fails."""
    words = ("fail" if one.output.startswith(SORRY) else "pass" for one in traces)
    labels = [
        Label(one.trace_id, "complies", word, "ann", "human")
        for one, word in zip(traces, words, strict=True)
    ]
    write_labels(lake, labels, name)


def build_catalog(root: Path, **declared: Any) -> Catalog:
    """Builds a catalog with one classifier, which nobody has promoted a model of."""
    suite = {
        "suite": "chat",
        "dimensions": [
            {
                "dimension": "complies",
                "question": "Does it do what was asked?",
                "check": {"classifier": "complies"},
            }
        ],
    }
    files = {
        "catalog.yaml": {"title": "Chat"},
        "apps/chat.yaml": {"app": "chat", "suite": "chat"},
        "suites/chat.yaml": suite,
        "classifiers/complies.yaml": {
            "classifier": "complies",
            "dimension": "complies",
            **declared,
        },
    }
    return load_catalog(write_catalog(root, files))
