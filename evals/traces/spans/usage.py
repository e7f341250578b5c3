"""Tokens and cost of a trace: sums over the innermost spans that count them, as parents repeat.

`facts` reads what one span counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evals.records import Json
from evals.traces.spans.facts import SpanFacts
from evals.traces.spans.spans import SpanTree

TOKENS_OTHER = "tokens_other"
"""The metadata key of tokens that only a total counts, such as those of a model's reasoning."""
NOT_GENERATIVE = ("embedding", "reranker")
"""Kinds of models that write no answer."""


def sum_usage(every_facts: Sequence[SpanFacts], tree: SpanTree) -> dict[str, Json]:
    """Sums tokens and cost over the innermost spans that have them: parents repeat children."""
    calls = [(n, facts) for n, facts in enumerate(every_facts) if facts.kind not in NOT_GENERATIVE]
    tokens_in = {n: facts.tokens_in for n, facts in calls if facts.tokens_in is not None}
    tokens_out = {n: facts.tokens_out for n, facts in calls if facts.tokens_out is not None}
    costs = {n: facts.cost for n, facts in enumerate(every_facts) if facts.cost is not None}
    totals: dict[str, Json] = {
        "tokens_in": sum_innermost(tree, tokens_in),
        "tokens_out": sum_innermost(tree, tokens_out),
        "cost_usd": sum_innermost(tree, costs),
    }
    return {key: value for key, value in totals.items() if value is not None}


def count_other_tokens(every_facts: Sequence[SpanFacts], tree: SpanTree) -> int:
    """Counts the tokens of totals that are neither input nor output, of the innermost spans."""
    counts = {
        n: facts.tokens_other
        for n, facts in enumerate(every_facts)
        if facts.kind not in NOT_GENERATIVE and facts.has_tokens
    }
    return int(sum_innermost(tree, counts) or 0)


def sum_innermost(tree: SpanTree, amounts: Mapping[int, float]) -> float | None:
    """Sums the amounts of spans below which no other span has one; None where there are none."""
    if not amounts:
        return None
    outer = tree.find_ancestors(amounts) if len(amounts) > 1 else ()
    return sum(amount for n, amount in amounts.items() if n not in outer)
