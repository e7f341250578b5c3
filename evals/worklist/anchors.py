"""Anchors: answers of earlier nights that a judge is asked about again.

A judge with another version judges answers that the version before it judged, and one that is the
same judges some of its own oldest answers once more. What their verdicts show is the report's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import Result, content_of
from evals.records import Failure, Outcome, Trace
from evals.specs import Evaluator, load_catalog
from evals.storage import night_state
from evals.storage.lake import Lake
from evals.storage.parquet_files import stream_rows
from evals.storage.queries import query_tables, quote_text
from evals.storage.record_tables import build_records
from evals.table_rows import AnchorKind, AnchorRow, MappedLabel
from evals.worklist.night_contents import hash_content
from evals.worklist.sampling import compute_place

RECENT = timedelta(days=28)
"""Nights before a change whose answers are anchors."""
OLDEST = timedelta(days=84)
"""How old labels and anchors may be."""
FIRST_NIGHTS = 7
"""Nights that a version judged before some of their answers are asked again."""
CYCLE = 20
"""Nights after which the same answer is asked again."""
LEAST_OF_VERDICT = 5
"""A fifth of the anchors has the rarer verdict of the version before, where there are so many."""
SHARE = 10
"""One anchor a night for so many answers of its own."""
SCORED = ("trace_id", "status", "verdict", "content_key", "inclusion")


class Anchor(NamedTuple):
    """An answer that a judge is asked about again."""

    kind: AnchorKind
    night: date
    """Its own."""
    trace_id: str
    before: str
    """The verdict that it had."""
    before_version: str
    before_key: str | None
    """The content that had it."""
    weight: float | None
    """How many answers it represents; None: it was chosen for its label."""
    label: str | None = None
    """What people decided of it."""
    split: str | None = None
    probability: float | None = None
    """The chance that it was labelled and then chosen; None: not known."""


class AnchoredContent(NamedTuple):
    """An anchor with what is asked about it."""

    anchor: Anchor
    key: str
    """The key of its answer."""
    content_key: str
    data: bytes


@dataclass(frozen=True)
class Past:
    """The nights that an evaluator judged before one of them, by the version that judged them."""

    lake: Lake
    evaluator: Evaluator
    night: date
    versions: Mapping[date, Sequence[str]]

    @classmethod
    def of(cls, lake: Lake, evaluator: Evaluator, night: date) -> Past:
        """Finds the earlier files of an evaluator's scores."""
        stem, found = f"{evaluator.name}@{evaluator.app}@", dict[date, list[str]]()
        for name in lake.store.list_names(f"scores/date=*/{stem}*.parquet"):
            folder, file = name.split("/")[-2:]
            day = date.fromisoformat(folder.removeprefix("date="))
            if night - OLDEST <= day < night:
                found.setdefault(day, []).append(file.removeprefix(stem).removesuffix(".parquet"))
        return cls(lake, evaluator, night, dict(sorted(found.items())))

    def list_own(self) -> list[date]:
        """Lists the nights that this version judged."""
        own = self.evaluator.version
        return [day for day, versions in self.versions.items() if own in versions]

    def find_other(self) -> str | None:
        """Finds the version that the last of these nights was reported with."""
        if not self.versions:
            return None
        last, versions = list(self.versions.items())[-1]
        locked = night_state.read_intact_state(self.lake, last).evaluators
        name = locked.get(self.evaluator.app, {}).get(self.evaluator.name)
        return name if name in versions else versions[-1]

    def list_nights(self, version: str, first: date) -> list[date]:
        """Lists the nights from one on that a version judged."""
        return [day for day, own in self.versions.items() if version in own and day >= first]

    def read_scored(
        self, kind: AnchorKind, version: str, nights: Iterable[date]
    ) -> Iterator[Anchor]:
        """Reads the answers of some nights that a version passed or failed."""
        stem = f"{self.evaluator.name}@{self.evaluator.app}@{version}.parquet"
        for night in nights:
            path = self.lake.locate_partition("scores", night) / stem
            for row in (row for rows in stream_rows(path, SCORED) for row in rows):
                if row["status"] == "scored" and row["verdict"] in ("pass", "fail"):
                    yield Anchor(
                        kind, night, row["trace_id"], row["verdict"], version, row["content_key"],
                        1 / (row["inclusion"] or 1.0),
                    )  # fmt: skip


def build_night_anchors(
    lake: Lake, references: GoldAndLabels, evaluator: Evaluator, night: date, sampled: int
) -> tuple[AnchoredContent, ...]:
    """Builds the anchors that a judge is asked about beside a night's traces.

    None of a judge that compares two answers.

    Args:
        lake: has the earlier nights.
        references: gold and the catalog's place.
        evaluator: the judge.
        night: the night.
        sampled: how many of its own traces the judge is asked about.
    """
    limits = load_catalog(references.root).anchors
    if evaluator.compares or not (limits.changed or limits.nightly):
        return ()
    if was_judged_without(lake, evaluator, night):
        return ()
    past = Past.of(lake, evaluator, night)
    if own := past.list_own():
        most = min(limits.nightly, sampled // SHARE) if may_drift(evaluator) else 0
        anchors = choose_same(past, own, most)
    else:
        anchors = choose_changed(past, min(limits.changed, sampled))
    return tuple(read_contents(lake, references, evaluator, night, anchors))


def may_drift(evaluator: Evaluator) -> bool:
    """Whether a judge's model may change under its name: no digest names its weights."""
    return evaluator.pin is not None and bool(evaluator.pin.server_name)


def was_judged_without(lake: Lake, evaluator: Evaluator, night: date) -> bool:
    """Whether a night has scores and no anchors, as those of earlier versions of Andon."""
    name = f"{evaluator.name}@{evaluator.app}@{evaluator.version}.parquet"
    tables = ("scores", "anchors")
    scores, anchors = ((lake.locate_partition(one, night) / name).exists() for one in tables)
    return scores and not anchors


def choose_changed(past: Past, most: int) -> list[Anchor]:
    """Chooses answers that the version before judged: at random by its verdict, and labelled ones.

    None where no earlier night was judged.
    """
    version = past.find_other()
    if version is None or not most:
        return []
    recent = past.list_nights(version, past.night - RECENT)
    by_verdict: dict[str, list[Anchor]] = {"pass": [], "fail": []}
    for one in past.read_scored("changed", version, recent):
        by_verdict[one.before].append(one)
    counts = share_anchors({name: len(ones) for name, ones in by_verdict.items()}, most)
    order = {name: sort_by_hash(past, ones) for name, ones in by_verdict.items()}
    chosen = {one.trace_id: one for name, n in counts.items() for one in order[name][:n]}
    labels = read_test_labels(past, version)
    for one in choose_labelled(past, version, labels, most):
        drawn = chosen.get(one.trace_id)
        chosen[one.trace_id] = one._replace(weight=drawn.weight) if drawn else one
    return list(chosen.values())


def share_anchors(sizes: Mapping[str, int], most: int) -> dict[str, int]:
    """Returns how many anchors have each verdict: as often as all have, the rarer a fifth."""
    whole = sum(sizes.values())
    if whole <= most:
        return dict(sizes)
    rarer = min(sizes, key=lambda name: sizes[name])
    least = max(-(-most // LEAST_OF_VERDICT), round(most * sizes[rarer] / whole))
    own = min(sizes[rarer], least)
    return {name: own if name == rarer else min(size, most - own) for name, size in sizes.items()}


def sort_by_hash(past: Past, anchors: Iterable[Anchor]) -> list[Anchor]:
    """Sorts anchors in an order of their own, the same whichever version judges."""
    dimension, subject = past.evaluator.dimension, past.evaluator.subject
    return sorted(
        anchors, key=lambda one: compute_place(one.trace_id, dimension, subject, "anchor")
    )


def read_test_labels(past: Past, version: str) -> dict[str, MappedLabel]:
    """Reads what people decided in the test split, on nights that a version judged."""
    nights = past.list_nights(version, past.night - OLDEST)
    rows: list[MappedLabel] = past.lake.read("labels_mapped", nights)
    app, dimension = past.evaluator.app, past.evaluator.dimension
    return {
        row.trace_id: row
        for row in rows
        if (row.app, row.dimension, row.split) == (app, dimension, "test") and row.verdict
    }


def choose_labelled(
    past: Past, version: str, labels: Mapping[str, MappedLabel], most: int
) -> Iterator[Anchor]:
    """Chooses labelled answers, as many that people passed as they failed where there are many."""
    if not labels:
        return
    nights = sorted({row.date for row in labels.values()})
    scored = [one for one in past.read_scored("changed", version, nights) if one.trace_id in labels]
    for verdict in ("pass", "fail"):
        own = [one for one in scored if labels[one.trace_id].verdict == verdict]
        for one in sort_by_hash(past, own)[: most // 2]:
            row, share = labels[one.trace_id], min(1.0, (most // 2) / len(own))
            chance = row.probability and row.probability / (one.weight or 1.0) * share
            yield one._replace(weight=None, label=verdict, split=row.split, probability=chance)


def choose_same(past: Past, own: Sequence[date], most: int) -> list[Anchor]:
    """Chooses some of a version's oldest answers, others each night until all had their turn."""
    if len(own) < FIRST_NIGHTS or not most:
        return []
    pool: dict[str | None, Anchor] = {}
    for night in own:
        if len(pool) >= CYCLE * most:
            break
        found = past.read_scored("same", past.evaluator.version, [night])
        pool |= {one.before_key: one for one in found if one.before_key not in pool}
    ordered = sort_by_hash(past, pool.values())[: CYCLE * most]
    start = len(own) * most % max(len(ordered), 1)
    turns = itertools.islice(itertools.cycle(ordered), start, start + min(most, len(ordered)))
    return list(turns)


def read_contents(
    lake: Lake,
    references: GoldAndLabels,
    evaluator: Evaluator,
    night: date,
    anchors: Sequence[Anchor],
) -> Iterator[AnchoredContent]:
    """Reads what is asked about anchors; one whose answer is gone, or corrected since, is none.

    A judge that is the same is asked under a key of the night: its earlier answers stay.
    """
    traces = read_traces(lake, evaluator.app, anchors)
    for anchor in anchors:
        trace = traces.get(anchor.trace_id)
        if trace is None:
            continue
        data = content_of(evaluator, trace, references.gold_for(evaluator, trace))
        key = content_key = hash_content(data)
        if anchor.kind == "same":
            if key != anchor.before_key:
                continue
            key = f"{key}.again-{night:%Y%m%d}"
        yield AnchoredContent(anchor, key, content_key, data)


def read_traces(lake: Lake, app: str, anchors: Sequence[Anchor]) -> dict[str, Trace]:
    """Reads the traces of some anchors."""
    if not anchors:
        return {}
    nights = sorted({one.night for one in anchors} & {*lake.list_nights("traces")})
    listed = ", ".join(quote_text(one.trace_id) for one in anchors)
    sql = f"select * from traces where app = {quote_text(app)} and trace_id in ({listed})"  # noqa: S608  quoted
    rows = query_tables(lake, sql, {"traces": nights}) if nights else []
    return {trace.trace_id: trace for trace in build_records(Trace, rows)}


def build_row(
    night: date, evaluator: Evaluator, asked: AnchoredContent, result: Result
) -> AnchorRow:
    """Builds the row of an anchor's two verdicts."""
    anchor, code = asked.anchor, None
    if not isinstance(result, Outcome):
        code = result.code if isinstance(result, Failure) else result.reason
    return AnchorRow(
        date=night,
        app=evaluator.app,
        dimension=evaluator.dimension,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        kind=anchor.kind,
        trace_id=anchor.trace_id,
        content_key=asked.content_key,
        trace_date=anchor.night,
        before_version=anchor.before_version,
        before=anchor.before,
        verdict=("pass" if result.passed else "fail") if isinstance(result, Outcome) else None,
        code=code,
        weight=anchor.weight,
        label=anchor.label,
        split=anchor.split,
        probability=anchor.probability,
    )
