"""What people wrote about answers, grouped into criteria; deterministic, and without a model.

How similar they are is `evals.evaluators.similar_texts`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from evals.evaluators.similar_texts import SimilarTexts

ALIKE = 0.4
"""The cosine from which two critiques are about the same thing."""
MOST = 8
"""Criteria that are added to a judge's instructions."""
LONGEST = 300
"""Characters of a criterion."""


class Critique(NamedTuple):
    """What somebody wrote about an answer."""

    text: str
    passed: bool
    trace_id: str


class Criterion(NamedTuple):
    """Critiques about the same thing, by the one that is most like the others."""

    text: str
    passed: bool
    traces: tuple[str, ...]

    def describe(self) -> str:
        """Describes it as a line of a judge's instructions."""
        words = " ".join(self.text.split())
        cut = words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
        count = len(self.traces)
        return f"- {'Pass' if self.passed else 'Fail'}: {cut}" + (
            f" ({count} answers)" if count > 1 else ""
        )


def group_critiques(critiques: Sequence[Critique]) -> list[Criterion]:
    """Groups critiques of one verdict that are alike, the largest groups first."""
    groups = [one for passed in (False, True) for one in group_alike(critiques, passed=passed)]
    groups.sort(key=lambda one: (-len(one.traces), one.passed, one.text))
    return groups[:MOST]


def group_alike(critiques: Sequence[Critique], *, passed: bool) -> list[Criterion]:
    """Groups the critiques of one verdict: each joins the first group it is like."""
    own = sorted({one for one in critiques if one.passed is passed})
    if not own:
        return []
    similar = SimilarTexts([one.text for one in own]).compare_all()
    groups: list[list[int]] = []
    for n in range(len(own)):
        group = next((g for g in groups if similar[n][g[0]] >= ALIKE), None)
        if group is None:
            groups.append([n])
        else:
            group.append(n)
    return [build_criterion(own, group, similar) for group in groups]


def build_criterion(
    critiques: Sequence[Critique], group: Sequence[int], similar: Sequence[Sequence[float]]
) -> Criterion:
    """Builds a criterion of a group: its most central critique speaks for it."""
    central = max(group, key=lambda n: (sum(similar[n][m] for m in group), -n))
    traces = tuple(sorted({critiques[n].trace_id for n in group}))
    return Criterion(critiques[central].text, critiques[central].passed, traces)
