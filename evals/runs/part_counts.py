"""What a night's answers have right and wrong, part by part: the table `parts`.

Reports show it beside the pass rate. The figures are `evals.statistics.ratios`'.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from evals.evaluators import registry
from evals.evaluators.comparisons import Comparison
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.protocol import EvaluatorByCode
from evals.statistics import ratios
from evals.statistics.ratios import PartCounts, Sessions
from evals.storage.lake import Lake
from evals.storage.tables import PartRow
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
    by_part: defaultdict[str, dict[str, PartCounts]] = defaultdict(dict)
    traces = 0
    for trace in night.read_traces(work.evaluator, ("session_id",)) if compare else ():
        sampled = work.sample.get(trace.trace_id)
        compared = compare(trace) if compare and sampled and not sampled.is_skipped else None
        if compared is not None:
            traces += 1
            add_comparison(by_part, trace.session_id or trace.trace_id, compared)
    return list(build_rows(work, merge_rare(by_part), traces)) if traces else []


def add_comparison(
    by_part: defaultdict[str, dict[str, PartCounts]], session: str, compared: Comparison
) -> None:
    """Adds one answer's parts to the counts of its session."""
    for field in PartCounts._fields:
        for name in getattr(compared, field):
            counts = by_part[name].get(session, PartCounts())
            by_part[name][session] = counts._replace(**{field: getattr(counts, field) + 1})


def merge_rare(by_part: dict[str, dict[str, PartCounts]]) -> dict[str, Sessions]:
    """Merges parts that gold never has a value for, and those beyond the most, into one."""
    totals = {name: ratios.sum_counts(sessions) for name, sessions in by_part.items()}
    gold = {name: c.right + c.wrong + c.missed for name, c in totals.items()}
    single = len(totals) == 1
    ordered = sorted((n for n in gold if gold[n] or single), key=lambda name: (-gold[name], name))
    own = set(ordered[:MOST_PARTS])
    merged: dict[str, Sessions] = {name: by_part[name] for name in sorted(own)}
    others: dict[str, PartCounts] = {}
    for name in by_part.keys() - own:
        for session, counts in by_part[name].items():
            others[session] = others.get(session, PartCounts()).add(counts)
    return {**merged, **({OTHERS: others} if others else {})}


def build_rows(work: Worklist, parts: dict[str, Sessions], traces: int) -> Iterator[PartRow]:
    """Builds a row for each part; of several parts also for all together and for their mean."""
    together: dict[str, PartCounts] = {}
    for sessions in parts.values():
        for session, counts in sessions.items():
            together[session] = together.get(session, PartCounts()).add(counts)
    if len(parts) > 1:
        named = [sessions for name, sessions in parts.items() if name != OTHERS]
        yield build_row(work, MICRO, "", [together], traces)
        yield build_row(work, MACRO, "", named, traces)
    for name, sessions in parts.items():
        yield build_row(work, "part", name, [sessions], traces)


def build_row(work: Worklist, level: str, name: str, parts: list[Sessions], traces: int) -> PartRow:
    """Builds one row; of several parts the figures are means."""
    evaluator = work.evaluator
    counts = PartCounts()
    for sessions in parts:
        counts = counts.add(ratios.sum_counts(sessions))
    figures = [ratios.estimate_mean(parts, figure) for figure in ratios.FIGURES.values()]
    return PartRow(
        work.night,
        evaluator.app,
        evaluator.dimension,
        evaluator.name,
        evaluator.version,
        level,
        name,
        traces,
        len({session for sessions in parts for session in sessions}),
        *counts,
        *(bound for figure in figures for bound in figure),
    )
