"""Proposes thresholds for judges from people's labels.

Reads and writes the lake; `alignment` decides, and a person promotes. Queues are `night_queue`'s.
"""

from __future__ import annotations

import dataclasses
from datetime import date

from evals.labels import alignment
from evals.labels.mapped_labels import map_labels
from evals.records import Score
from evals.specs import Catalog, Judge
from evals.storage import night_state
from evals.storage.documents.candidates import Candidate, MeasuredCandidate, write_candidate
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.marts import list_locked_files


def propose_candidates(lake: Lake, catalog: Catalog) -> list[Candidate]:
    """Proposes a threshold for each judge with a graded score and labels; promotes nothing."""
    pairs = collect_judged_pairs(lake, catalog)
    proposed: list[Candidate] = []
    for name, judge in sorted(catalog.judges.items()):
        if judge.mode != "logprobs":
            continue
        proposed.append(propose_candidate(lake, judge, pairs.get(name, {})))
    return proposed


def propose_candidate(
    lake: Lake, judge: Judge, splits: dict[str, list[tuple[float, bool]]]
) -> Candidate:
    """Proposes and stores one judge's candidate; returns it, or the reason there is none."""
    try:
        proposed = alignment.propose_threshold(splits.get("dev", []), splits.get("test", []))
    except ValueError as error:
        return Candidate(judge=judge.judge, now=judge.threshold, proposed=None, why=str(error))
    row: MeasuredCandidate = {
        "judge": judge.judge,
        "now": judge.threshold,
        "proposed": proposed.threshold,
        "dev": dataclasses.asdict(proposed.dev),
        "test": dataclasses.asdict(proposed.test) if proposed.test else None,
        "why": f"set `threshold: {proposed.threshold:.4g}` in judges/{judge.judge}.yaml to promote",
    }
    write_candidate(lake, judge.judge, row)
    return row


def collect_judged_pairs(
    lake: Lake, catalog: Catalog
) -> dict[str, dict[str, list[tuple[float, bool]]]]:
    """Collects graded scores and human verdicts by judge and split, over every labelled night."""
    labels = read_labels(lake)
    labelled = "trace_id", {label.subject_id for label in labels}
    by_judge: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for night in lake.list_nights("traces"):
        traces = list(lake.stream_night("traces", night, labelled))
        session = {trace.trace_id: trace.session_id or trace.trace_id for trace in traces}
        human_verdicts = {
            (row.trace_id, row.dimension): row.verdict == "pass"
            for row in map_labels(lake, catalog, labels, night)
            if row.verdict
        }
        for score in read_current_scores(lake, catalog, night):
            human = human_verdicts.get((score.trace_id, score.dimension))
            if human is None or score.value is None or score.status != "scored":
                continue
            split = alignment.choose_split(session[score.trace_id])
            splits = by_judge.setdefault(score.evaluator, {"dev": [], "test": [], "pool": []})
            splits[split].append((score.value, human))
    return by_judge


def read_current_scores(lake: Lake, catalog: Catalog, night: date) -> list[Score]:
    """Reads a night's scores of judges whose answer version is current."""
    from evals.runs.model_servers import ModelServers

    locked = night_state.read_state(lake, night).evaluators
    servers = ModelServers(lake, catalog)
    current = {
        (e.name, app): e.answer_version
        for app in locked
        if app not in catalog.broken
        for e in servers.resolve_app(app)
        if e.answer_version
    }
    rows = (
        s for f in list_locked_files(lake, "scores", [night]) for s in lake.stream_file("scores", f)
    )
    wanted = (row for row in rows if row.answer_version is not None)
    return [row for row in wanted if current.get((row.evaluator, row.app)) == row.answer_version]
