"""The labelled examples of a failure mode: its failing traces, and traces in which nothing broke.

They become the test of the evaluator that is drafted for the mode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime

from evals.error_analysis.notes import read_trace
from evals.privacy.row_filter import PrivacyFilter
from evals.records import Verdict
from evals.specs import Catalog
from evals.specs.cases import Case, CaseOrigin, name_case, record_trace
from evals.storage.documents.failure_modes import FailureMode
from evals.storage.documents.open_notes import OpenNote
from evals.storage.lake import Lake

PASSING = 50
"""Traces without a failure that become examples, at most."""


def collect_examples(
    lake: Lake,
    catalog: Catalog,
    mode: FailureMode,
    notes: Sequence[OpenNote],
    dimension: str,
    now: datetime,
) -> list[Case]:
    """Collects a mode's examples: what failed in this way, and what was read and passed.

    A trace that failed in another way is none: a note names what broke first, so nobody looked.
    """
    failing = [note for note in notes if note.key in mode.notes]
    broken = {note.trace_id for note in notes if note.verdict == "fail"}
    passing = [one for one in notes if one.verdict == "pass" and one.trace_id not in broken]
    chosen: list[tuple[OpenNote, Verdict]] = [
        *((note, "fail") for note in failing),
        *((note, "pass") for note in passing[:PASSING]),
    ]
    return list(build_examples(lake, catalog, chosen, dimension, now))


def build_examples(
    lake: Lake,
    catalog: Catalog,
    chosen: Iterable[tuple[OpenNote, Verdict]],
    dimension: str,
    now: datetime,
) -> Iterable[Case]:
    """Builds an example of each trace that is still stored, once."""
    privacy = PrivacyFilter.load(lake, catalog)
    seen: set[str] = set()
    for note, verdict in chosen:
        trace = None if note.trace_id in seen else read_trace(lake, note.night, note.trace_id)
        if trace is None:
            continue
        seen.add(note.trace_id)
        redacted = dataclasses.replace(trace, **privacy.redact_texts(trace, None))
        yield Case(
            id=name_case(trace.trace_id, dimension),
            app=trace.app,
            dimension=dimension,
            verdict=verdict,
            why=note.text,
            trace=record_trace(redacted),
            origin=CaseOrigin(
                trace_id=trace.trace_id,
                night=note.night,
                prompt_version=trace.prompt_version,
                model=trace.model,
                added_by=note.author,
                added_on=now.date(),
            ),
        )
