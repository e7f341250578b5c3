"""Whether a judge's provider failed in a night, from the rows that have no verdict.

An outage is no score and changes no rate; `alarms` words it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

LEFT = frozenset({"provider-down", "rate-limited"})
"""Reasons to skip questions that the provider would not have answered."""

ENDING = LEFT | {"quota-exhausted"}
"""Codes by which a provider ends the calls of a run, whatever it answered before."""

ABOUT_ONE_ANSWER = frozenset(
    {
        "other-model", "too-long", "not-shown-whole", "content-filter", "model-refused",
        "cut-short", "unparseable", "two-verdicts", "no-probability",
        "batch-expired", "batch-cancelled", "batch-missing",
    }
)  # fmt: skip
"""Codes of errors that say nothing about whether the provider works, or have an alarm already."""

ENOUGH = 3
"""So many such errors, and no verdict beside them, are no matter of one answer."""


class Unscored(NamedTuple):
    """How many rows of an evaluator have no verdict, by code."""

    status: str
    code: str
    n: int


class Outage(NamedTuple):
    """A provider that failed."""

    code: str
    """What its calls failed with most."""
    n: int
    """Rows without a verdict because of it."""


def find_outage(rows: Iterable[Unscored], scored: int) -> Outage | None:
    """Finds whether nothing was scored since each call failed, or the provider ended the calls.

    Args:
        rows: the rows of one judge's night without a verdict.
        scored: how many have one.
    """
    faults, single = Counter[str](), Counter[str]()
    for status, code, n in rows:
        if code in LEFT or status == "error":
            (single if code in ABOUT_ONE_ANSWER else faults)[code] += n
    if not scored and single.total() >= ENOUGH:
        faults += single
    if not faults or (scored and not ENDING & faults.keys()):
        return None
    causes = Counter({code: n for code, n in faults.items() if code != "provider-down"})
    (code, _), *_ = (causes or faults).most_common(1)
    return Outage(code, faults.total())
