"""What a night's comparisons show of a judge of two answers: the table `pairs`.

The figures are `evals.statistics.preferences`'; the scores are `runner`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from evals.evaluators import registry
from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.judges import as_text
from evals.records import Outcome
from evals.runs.paid_verdicts import list_all_keys
from evals.specs import Evaluator
from evals.statistics.preferences import JudgedPair, measure_preferences
from evals.storage import ledger
from evals.storage.lake import Lake
from evals.table_rows import PairRow
from evals.worklist.night_contents import NightTraces
from evals.worklist.previous_answers import add_previous
from evals.worklist.worklist import Worklist, list_asked_keys, name_score_file


def write_pairs(lake: Lake, night: NightTraces, work: Worklist, references: GoldAndLabels) -> None:
    """Writes a judge's row of the table `pairs`; none of a judge of single answers."""
    evaluator = work.evaluator
    if evaluator.compares:
        gold = add_previous(lake, night.night, evaluator, references)
        pairs = list(read_pairs(lake, night, work, gold))
        lake.write("pairs", work.night, [build_row(work, pairs)], name_score_file(evaluator))


def read_pairs(
    lake: Lake, night: NightTraces, work: Worklist, references: GoldAndLabels
) -> Iterator[JudgedPair]:
    """Reads the sampled pairs that have a verdict in both orders."""
    evaluator = work.evaluator
    values = read_values(lake, evaluator, work.evaluated_keys)
    for trace in night.read_traces(evaluator, ("session_id",)):
        sampled = work.sample.get(trace.trace_id)
        other = references.gold_for(evaluator, trace)
        if sampled is None or sampled.is_skipped or other is None:
            continue
        keys = list_asked_keys(evaluator, sampled.key)
        if all(key in values for key in keys):
            yield JudgedPair(
                *(values[key] for key in keys),
                longer_by=len(trace.output) - len(as_text(other)),
                session=trace.session_id or trace.trace_id,
                weight=1 / sampled.inclusion,
            )


def read_values(lake: Lake, evaluator: Evaluator, keys: list[str]) -> Mapping[str, float]:
    """Reads how far the trace's answer was preferred, by the key of each paid answer."""
    model = registry.model_of(evaluator)
    values: dict[str, float] = {}
    with ledger.open_index(
        lake, evaluator.answer_version or "", list_all_keys(evaluator, keys)
    ) as paid:
        for answer in paid.read_answers():
            result = model.read_answer(evaluator, answer)
            if isinstance(result, Outcome) and result.value is not None:
                values[answer.content_key] = result.value
    return values


def build_row(work: Worklist, pairs: list[JudgedPair]) -> PairRow:
    """Builds the row of an evaluator's night."""
    evaluator, measured = work.evaluator, measure_preferences(pairs)
    counts = Counter(pair.value for pair in pairs)
    return PairRow(
        date=work.night,
        app=evaluator.app,
        dimension=evaluator.dimension,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        gold=evaluator.gold or "",
        pairs=len(pairs),
        won=counts[1.0],
        lost=counts[0.0],
        tied=counts[0.5],
        inconsistent=sum(pair.shown_first != pair.shown_last for pair in pairs),
        uneven=sum(pair.longer_by != 0 for pair in pairs),
        **{
            f"{name}{end}": None if figure is None else round(figure[place], 6)
            for name, figure in measured._asdict().items()
            for place, end in enumerate(("", "_low", "_high"))
        },
    )
