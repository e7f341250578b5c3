"""What a night's answers have right and wrong, part by part: the table `parts`.

Reports show it beside the pass rate. The figures are `evals.statistics.ratios`'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from evals.evaluators import registry
from evals.evaluators.comparisons import Comparison
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByCode
from evals.statistics import ratios
from evals.statistics.ratios import PartCounts, Sessions
from evals.storage.lake import Lake
from evals.table_rows import PartRow
from evals.worklist.night_contents import NightTraces
from evals.worklist.worklist import Worklist, name_score_file

MOST_PARTS = 100
"""Parts that have rows of their own, those of gold with the most answers; an answer may name any
number of others, which all are `OTHERS`."""
OTHERS = "(others)"
MICRO, MACRO = "micro", "macro"


def write_part_counts(
    lake: Lake, night: NightTraces, work: Worklist, references: GoldAndLabels
) -> None:
    """Writes an evaluator's rows of the table `parts`; none where it compares no parts."""
    evaluator, name = work.evaluator, name_score_file(work.evaluator)
    kind = registry.type_of(evaluator)
    if not isinstance(kind, EvaluatorByCode) or kind.compare(evaluator, references) is None:
        return
    path = lake.locate_partition("parts", work.night) / f"{name}.parquet"
    if work.remaining or not path.exists():
        lake.write("parts", work.night, list_rows(night, work, references), name)


def list_rows(night: NightTraces, work: Worklist, references: GoldAndLabels) -> list[PartRow]:
    """Counts the parts of all sampled answers that have gold."""
    kind = registry.code_of(work.evaluator)
    compare = kind.compare(work.evaluator, references)
    compared: list[Compared] = []
    for trace in night.read_traces(work.evaluator, ("session_id",)) if compare else ():
        sampled = work.sample.get(trace.trace_id)
        found = compare(trace) if compare and sampled and not sampled.is_skipped else None
        if found is not None and sampled is not None:
            session = trace.session_id or trace.trace_id
            compared.append(Compared(session, found, 1 / sampled.inclusion))
    return list(build_rows(work, count_parts(compared), len(compared))) if compared else []


class Compared(NamedTuple):
    """An answer compared with gold."""

    session: str
    parts: Comparison
    weight: float
    """How many answers it represents: some strata may be sampled more than others."""


class Counted(NamedTuple):
    """One part, or several together, in the sessions of a night."""

    counts: Sessions
    weighted: Sessions
    """The same with each answer's weight, which is 1 on average."""

    @classmethod
    def sum(cls, parts: Iterable[Counted]) -> Counted:
        """Returns several parts as one."""
        whole = cls({}, {})
        for part in parts:
            whole = cls(*(add_sessions(*sides) for sides in zip(whole, part, strict=True)))
        return whole


def add_sessions(first: Sessions, second: Sessions) -> Sessions:
    """Returns the sums of the counts by session."""
    added = dict(first)
    for session, counts in second.items():
        added[session] = added.get(session, PartCounts()).add(counts)
    return added


def count_parts(compared: Sequence[Compared]) -> dict[str, Counted]:
    """Counts each part by session, with and without weights."""
    mean = fmean(one.weight for one in compared)
    plain: defaultdict[str, dict[str, PartCounts]] = defaultdict(dict)
    weighted: defaultdict[str, dict[str, PartCounts]] = defaultdict(dict)
    for one in compared:
        add_comparison(plain, one.session, one.parts)
        add_comparison(weighted, one.session, one.parts, one.weight / mean)
    return {name: Counted(plain[name], weighted[name]) for name in plain}


def add_comparison(
    by_part: defaultdict[str, dict[str, PartCounts]],
    session: str,
    compared: Comparison,
    weight: float = 1,
) -> None:
    """Adds one answer's parts to the counts of its session."""
    for field in PartCounts._fields:
        for name in getattr(compared, field):
            counts = by_part[name].get(session, PartCounts())
            by_part[name][session] = counts._replace(**{field: getattr(counts, field) + weight})


def merge_rare(by_part: Mapping[str, Counted]) -> dict[str, Counted]:
    """Merges parts that gold never has a value for, and those beyond the most, into one."""
    totals = {name: ratios.sum_counts(part.counts) for name, part in by_part.items()}
    gold = {name: c.right + c.wrong + c.missed for name, c in totals.items()}
    single = len(totals) == 1
    ordered = sorted((n for n in gold if gold[n] or single), key=lambda name: (-gold[name], name))
    own = set(ordered[:MOST_PARTS])
    merged = {name: by_part[name] for name in sorted(own)}
    others = Counted.sum(by_part[name] for name in by_part if name not in own)
    return {**merged, **({OTHERS: others} if others.counts else {})}


def build_rows(work: Worklist, by_part: Mapping[str, Counted], traces: int) -> Iterator[PartRow]:
    """Builds a row for each part; of several parts also for all together and for their mean."""
    parts = merge_rare(by_part)
    if len(parts) > 1:
        named = [part for name, part in parts.items() if name != OTHERS]
        yield build_row(work, MICRO, "", [Counted.sum(parts.values())], traces)
        yield build_row(work, MACRO, "", named, traces)
    for name, part in parts.items():
        yield build_row(work, "part", name, [part], traces)


def build_row(
    work: Worklist, level: str, name: str, parts: Sequence[Counted], traces: int
) -> PartRow:
    """Builds one row; of several parts the figures are means."""
    evaluator = work.evaluator
    counts = PartCounts()
    for part in parts:
        counts = counts.add(ratios.sum_counts(part.counts))
    figures = [
        ratios.estimate_mean(
            [part.weighted for part in parts],
            figure,
            counted_parts=[part.counts for part in parts],
        )
        for figure in ratios.FIGURES.values()
    ]
    return PartRow(
        work.night,
        evaluator.app,
        evaluator.dimension,
        evaluator.name,
        evaluator.version,
        level,
        name,
        traces,
        len({session for part in parts for session in part.counts}),
        *map(int, counts),
        *(bound for figure in figures for bound in figure),
    )
