"""What an audit concludes of evaluators, each with its evidence and what to do.

Reads nothing; `evidence` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from evals.audit.evidence import Audited, Pair, Record
from evals.evaluators import registry
from evals.evaluators.peers import list_peers
from evals.statistics import Proportion

Kind = Literal[
    "code-would-do",
    "unvalidated-judge",
    "overlap",
    "never-gates",
    "generic",
    "never-fails",
    "no-verdicts",
]
KINDS: dict[Kind, str] = {
    "code-would-do": "judges where code would do",
    "unvalidated-judge": "judges that people's labels do not support",
    "overlap": "dimensions that fail the same answers",
    "never-gates": "scores that decide nothing",
    "generic": "metrics that could be anybody's",
    "never-fails": "dimensions that no answer fails",
    "no-verdicts": "evaluators without a verdict",
}
"""Each kind of finding, as a heading."""

ENOUGH_FAILURES = 20
"""Failed answers below which an overlap is not concluded."""
SAME = 0.8
"""The lower bound of the share of failures in common from which two dimensions overlap."""
ENOUGH_VERDICTS = 300
"""Verdicts without a failure from which the rate of failures is below 1% (rule of three)."""
ENOUGH_NIGHTS = 7
"""Nights after which a score that decides nothing is a finding."""

FORM = re.compile(
    r"\b(json|xml|yaml|markdown|html|csv|valid (sql|syntax)|parses?|schema|regex|url|urls|links?"
    r"|at most \d+|at least \d+|fewer than|more than \d+|(number|count) of (words|characters|lines)"
    r"|characters|words long|(begin|start|end)s? with|upper ?case|lower ?case|format(ted)?)\b",
    re.IGNORECASE,
)
"""Words of questions about form, which code can answer."""
GENERIC = frozenset(
    {
        "accuracy",
        "clarity",
        "coherence",
        "completeness",
        "conciseness",
        "correctness",
        "faithfulness",
        "fluency",
        "groundedness",
        "hallucination",
        "harmlessness",
        "helpfulness",
        "informativeness",
        "naturalness",
        "overall",
        "quality",
        "rating",
        "readability",
        "relevance",
        "relevancy",
        "score",
        "tone",
        "usefulness",
    }
)
"""Names of metrics that say nothing of how this application fails."""


class Finding(NamedTuple):
    """One conclusion of an audit."""

    kind: Kind
    app: str
    evaluator: str
    evidence: str
    advice: str


def conclude(audited: Audited) -> list[Finding]:
    """Returns every finding, by kind and application."""
    order = list(KINDS)
    found = [
        finding
        for record in audited.records
        for rule in RULES
        if (finding := rule(record)) is not None
    ]
    found += conclude_pairs(audited)
    return sorted(found, key=lambda one: (order.index(one.kind), one.app, one.evaluator))


def find_form_judge(record: Record) -> Finding | None:
    """Finds a judge whose question is about form."""
    evaluator = record.evaluator
    asked = FORM.search(evaluator.question)
    if not evaluator.asks_model or asked is None:
        return None
    return Finding(
        "code-would-do",
        *record.key,
        f"its question is about form (`{asked[0]}`){describe_cost(record)}",
        "write it as an assertion: `andon evaluator list --available` lists those there are",
    )


def find_unvalidated(record: Record) -> Finding | None:
    """Finds a judge or classifier that does not agree with people, or not yet."""
    if record.aligned is not False or not registry.needs_alignment(record.evaluator.kind):
        return None
    needs = record.needs or "label answers from its review queue"
    return Finding(
        "unvalidated-judge",
        *record.key,
        f"watch only{describe_cost(record)}",
        needs,
    )


def find_ungated(record: Record) -> Finding | None:
    """Finds a score that decides nothing though nothing is missing for it."""
    is_policy = record.evaluator.kind == registry.POLICY
    if record.decides or record.aligned is False or record.nights < ENOUGH_NIGHTS or is_policy:
        return None
    if record.is_read or not record.is_declared:  # it decides through another, or by default
        return None
    if registry.is_recorded(record.evaluator.kind) or not record.scored:
        return None
    return Finding(
        "never-gates",
        *record.key,
        f"{record.scored:,} verdicts in {count_nights(record)}, and the gate reads none of them"
        f"{describe_cost(record)}",
        "let it decide (`gate: true`, the gate's `dimensions`), or remove it",
    )


def find_generic(record: Record) -> Finding | None:
    """Finds a judge whose dimension is named like a metric of any application."""
    evaluator = record.evaluator
    words = set(re.split(r"[^a-z]+", evaluator.dimension.lower()))
    if not evaluator.asks_model or not words <= GENERIC | {""}:
        return None
    return Finding(
        "generic",
        *record.key,
        f"`{evaluator.dimension}` does not name a way in which this application fails",
        "read failing answers, name what broke, and ask one yes-or-no question about each",
    )


def find_never_failing(record: Record) -> Finding | None:
    """Finds a dimension that no answer fails, of enough answers to say so."""
    is_policy = record.evaluator.kind == registry.POLICY
    if record.failed or record.scored < ENOUGH_VERDICTS or is_policy or not record.is_declared:
        return None
    high = 1 - Proportion(record.scored, record.scored).interval()[0]
    return Finding(
        "never-fails",
        *record.key,
        f"0 of {record.scored:,} verdicts in {count_nights(record)} failed (at most {high:.2%})"
        f"{describe_cost(record)}",
        "try it on an answer that is wrong with `andon evaluator test`; ask something harder, or "
        "ask it of a small sample",
    )


def find_silent(record: Record) -> Finding | None:
    """Finds an evaluator that gave no verdict in any night."""
    if record.scored or not record.nights or registry.is_recorded(record.evaluator.kind):
        return None
    if not record.errored and record.codes.keys() and record.codes.keys() <= NEEDS_NOTHING:
        return None
    codes = sorted(record.codes, key=lambda code: -record.codes[code])
    why = f" ({', '.join(f'{code} {record.codes[code]:,}' for code in codes)})" if codes else ""
    return Finding(
        "no-verdicts",
        *record.key,
        f"{count_nights(record)}: {record.errored:,} errors, {record.skipped:,} skipped{why}",
        next((ADVICE[code] for code in codes if code in ADVICE), OTHERWISE),
    )


NEEDS_NOTHING = frozenset({"not-asked-inline"})
"""Codes of what can have no verdict as things are: a moderation endpoint is asked in the request
path alone, and its verdicts come from the guard's log."""
ADVICE = {
    "not-trained": "label answers, then `andon classifier train` and `andon classifier promote`",
    "no-gold": "add gold to the inputs that are asked, or remove the dimension",
    "no-answer": "it reads answers, and no trace has one: check the mapping of the export",
    "budget": "the budget is spent before it is asked: `andon plan` shows what a night needs",
}
OTHERWISE = "`andon evaluator test` shows why on single answers"


RULES: tuple[Callable[[Record], Finding | None], ...] = (
    find_form_judge,
    find_unvalidated,
    find_ungated,
    find_generic,
    find_never_failing,
    find_silent,
)


def conclude_pairs(audited: Audited) -> Iterator[Finding]:
    """Yields the pairs that fail the same answers; with code on one side, the judge is the one."""
    records = {record.key: record for record in audited.records}
    for pair in audited.pairs:
        one, other = records.get((pair.app, pair.one)), records.get((pair.app, pair.other))
        if one and other and is_same(pair) and not is_by_design(one, other):
            yield describe_pair(pair, one, other)


def is_by_design(one: Record, other: Record) -> bool:
    """Whether two are meant to fail the same answers.

    One concludes from the other or samples by it, or a check looks at night at what a guardrail
    does in the request path.
    """
    names = {one.evaluator.dimension, other.evaluator.dimension}
    is_linked = any(names & {*list_peers(record.evaluator)} for record in (one, other))
    is_policy = [record.evaluator.kind == registry.POLICY for record in (one, other)]
    return is_linked or is_policy[0] is not is_policy[1]


def is_same(pair: Pair) -> bool:
    """Whether two evaluators fail the same answers, beyond chance."""
    shared = Proportion(pair.both_failed, pair.failed) if pair.failed else None
    return bool(shared and pair.failed >= ENOUGH_FAILURES and shared.interval()[0] >= SAME)


def describe_pair(pair: Pair, one: Record, other: Record) -> Finding:
    """Describes two evaluators that fail the same answers."""
    evidence = (
        f"of {pair.failed:,} answers that either failed, both failed {pair.both_failed:,} "
        f"({pair.both_failed / pair.failed:.0%}; {pair.n:,} judged by both)"
    )
    judges = [record for record in (one, other) if record.evaluator.asks_model]
    if len(judges) == 1:
        judge = judges[0]
        code = other if judge is one else one
        name = code.evaluator.name
        return Finding(
            "code-would-do",
            *judge.key,
            f"the same as {name}: {evidence}{describe_cost(judge)}",
            f"keep {name}, which is code, and drop the judge or ask it of a small sample",
        )
    return Finding(
        "overlap",
        *one.key,
        f"with {other.evaluator.name}: {evidence}",
        "keep the one that is cheaper or easier to explain",
    )


def count_nights(record: Record) -> str:
    """Counts the nights that an evaluator was reported in, in words."""
    return f"{record.nights} night{'' if record.nights == 1 else 's'}"


def describe_cost(record: Record) -> str:
    """Describes what an evaluator cost; empty where it cost nothing."""
    return f"; ${record.usd:.2f} for {record.calls:,} calls" if record.usd else ""


def group_by_kind(findings: Iterable[Finding]) -> dict[Kind, list[Finding]]:
    """Groups findings by kind, in the order they come."""
    groups: dict[Kind, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.kind, []).append(finding)
    return groups
