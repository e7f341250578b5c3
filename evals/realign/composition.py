"""Composes candidates for a judge from the few-shot pool of its labels; asks nothing.

Labels of dev and test are in no candidate's text: they choose, and they measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.evaluators.similar_texts import SimilarTexts
from evals.realign.critiques import Critique, group_critiques
from evals.realign.labelled_answers import LabelledAnswer, select_split
from evals.specs import Example, Judge

FIXED = 6
"""Examples that every request has, half of each verdict."""
SHOWN, LARGEST_POOL = 4, 40
"""Of a pool, examples chosen for each trace; and the pool's size."""
LEAST_OF_VERDICT = 2
"""Examples of each verdict without which none are shown."""
LEAST_CRITIQUES = 3
LONGEST = 4000
"""Characters of an example's fields together."""
READABLE = {"input", "context", "output"}
"""Fields that an example has."""
HEADING = "What people wrote when they decided on such answers:"


class Draft(NamedTuple):
    """A judge as it might be."""

    kind: str
    judge: Judge
    changed: tuple[str, ...]
    """The keys of its file that differ."""
    traces: tuple[str, ...] = ()
    """The traces whose texts or critiques are in it."""
    note: str = ""
    """How it was made."""


def compose_drafts(judge: Judge, answers: Sequence[LabelledAnswer]) -> Iterator[Draft]:
    """Yields the drafts that a judge's labels suffice for.

    Args:
        judge: as it is in the catalog.
        answers: those that people decided on; only the pool's are used.
    """
    pool = select_split(answers, "pool")
    rubric = draft_rubric(judge, pool)
    fixed, similar = draft_examples(judge, pool), draft_similar(judge, pool)
    yield from filter(None, (rubric, fixed, similar))
    if rubric and fixed:
        both = fixed.judge.model_copy(update={"system": rubric.judge.system})
        traces = tuple(sorted({*rubric.traces, *fixed.traces}))
        changed = ("system", *fixed.changed)
        yield Draft("rubric-examples", both, changed, traces, f"{rubric.note}; {fixed.note}")


def draft_rubric(judge: Judge, pool: Sequence[LabelledAnswer]) -> Draft | None:
    """Adds what people wrote to a judge's instructions; None without enough critiques."""
    written = [
        Critique(text, one.passed, one.trace.trace_id) for one in pool for text in one.critiques
    ]
    if len(written) < LEAST_CRITIQUES:
        return None
    criteria = group_critiques(written)
    lines = "\n".join(one.describe() for one in criteria)
    system = f"{judge.system.rstrip()}\n\n{HEADING}\n{lines}"
    traces = tuple(sorted({trace for one in criteria for trace in one.traces}))
    note = f"{len(written)} critiques in {len(criteria)} criteria"
    changed = judge.model_copy(update={"system": system})
    return Draft("rubric", changed, ("system",), traces, note)


def draft_examples(judge: Judge, pool: Sequence[LabelledAnswer]) -> Draft | None:
    """Shows every request the same few examples, as different from each other as there are."""
    chosen = choose_different(judge, pool, FIXED)
    return build_draft(judge, "examples", chosen, None) if chosen else None


def draft_similar(judge: Judge, pool: Sequence[LabelledAnswer]) -> Draft | None:
    """Shows each trace the examples that are most similar to it; None of a pool too small."""
    chosen = choose_different(judge, pool, LARGEST_POOL)
    return build_draft(judge, "similar", chosen, SHOWN) if len(chosen) > FIXED else None


def build_draft(
    judge: Judge, kind: str, chosen: Sequence[LabelledAnswer], shown: int | None
) -> Draft:
    """Builds the draft of some examples."""
    examples = tuple(map(build_example, chosen))
    changes = {"examples": examples, "shown": shown, "pool": None}
    traces = tuple(sorted(one.trace.trace_id for one in chosen))
    note = f"{len(examples)} examples" + (f", {shown} of them for each trace" if shown else "")
    return Draft(kind, judge.model_copy(update=changes), (*changes,), traces, note)


def build_example(answer: LabelledAnswer) -> Example:
    """Builds the example of a labelled answer."""
    trace = answer.trace
    return Example(
        input=trace.input,
        context=trace.context,
        output=trace.output,
        verdict="pass" if answer.passed else "fail",
        critique=" ".join(answer.critiques),
    )


def choose_different(
    judge: Judge, pool: Sequence[LabelledAnswer], count: int
) -> list[LabelledAnswer]:
    """Chooses answers of each verdict by turns, each the least similar to those before it.

    None where the judge reads what an example does not have, or where a verdict has too few.
    """
    if not {*judge.reads} <= READABLE:
        return []
    short = [one for one in pool if len(join_fields(judge, one)) <= LONGEST]
    verdicts = [one.passed for one in short]
    if min(verdicts.count(True), verdicts.count(False)) < LEAST_OF_VERDICT:
        return []
    similar = SimilarTexts([join_fields(judge, one) for one in short]).compare_all()
    chosen: list[int] = []
    for turn in range(count):
        left = [n for n in range(len(short)) if n not in chosen]
        wanted = [n for n in left if verdicts[n] is (turn % 2 == 1)]
        if not wanted:
            break
        chosen.append(min(wanted, key=lambda n: (closeness(similar[n], chosen, left), n)))
    return [short[n] for n in chosen]


def closeness(row: Sequence[float], chosen: Sequence[int], left: Sequence[int]) -> float:
    """Returns how similar an answer is to the chosen ones; the first is the most typical one."""
    if chosen:
        return max(row[n] for n in chosen)
    return -sum(row[n] for n in left)


def join_fields(judge: Judge, answer: LabelledAnswer) -> str:
    """Joins the fields of an answer that the judge reads."""
    return "\n".join(str(getattr(answer.trace, name) or "") for name in judge.reads)
