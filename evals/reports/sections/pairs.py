"""Judges that compare two answers: how often the night's answers were better than the other ones.

With the effects of position and length; the estimates are `evals.statistics.preferences`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.reports.decide.rows import read_rows
from evals.reports.json_form import Count, Share
from evals.reports.phrases import round_figure
from evals.reports.section import NightData, Parts, Section, make_empty
from evals.table_rows import PairRow


@dataclass(frozen=True, slots=True)
class PairShare:
    """A share of pairs with its 95% interval, clustered by session."""

    value: Share
    low: Share
    high: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What one judge concluded of the night's pairs, each shown in both orders."""

    dimension: str
    evaluator: str
    evaluator_version: str
    gold: str
    """Where the other answers are from: `previous` (what the prompt before answered), `labels` or
    a gold set."""
    pairs: Count
    """Those with a verdict in both orders."""
    won: Count
    """Of them, those in which the night's answer was better in both orders."""
    lost: Count
    tied: Count
    """Neither was better, or it depended on the order."""
    inconsistent: Count
    """Of the tied, those in which it depended on the order."""
    uneven: Count
    """Pairs of different lengths."""
    preferred: PairShare | None
    """How often the night's answer is preferred; a tie counts one half."""
    first: PairShare | None
    """How often the answer shown first is preferred: one half without an effect of position."""
    longer: PairShare | None
    """How often the longer answer is preferred, among pairs of different lengths."""
    equal_length: PairShare | None
    """How often the night's answer would be preferred if both were equally long: a logistic
    regression on position and length, see `evals/statistics/preferences.py`; null where fewer than
    ten pairs were judged alike in both orders, since the others show nothing of the answers."""


def collect(night: NightData) -> tuple[PairRow, ...]:
    """Reads the night's comparisons."""
    return tuple(read_rows(PairRow, night.read_table_rows("pairs")))


def build(rows: Sequence[PairRow], parts: Parts) -> tuple[Pairs, ...]:
    """Returns one row for each judge that compared two answers."""
    del parts
    return tuple(build_pairs(row) for row in sorted(rows, key=lambda row: row.dimension))


def build_pairs(row: PairRow) -> Pairs:
    """Returns a judge's comparisons as the report shows them."""
    return Pairs(
        dimension=row.dimension,
        evaluator=row.evaluator,
        evaluator_version=row.evaluator_version,
        gold=row.gold,
        pairs=row.pairs,
        won=row.won,
        lost=row.lost,
        tied=row.tied,
        inconsistent=row.inconsistent,
        uneven=row.uneven,
        preferred=show_share(row.preferred, row.preferred_low, row.preferred_high),
        first=show_share(row.first, row.first_low, row.first_high),
        longer=show_share(row.longer, row.longer_low, row.longer_high),
        equal_length=show_share(row.equal_length, row.equal_length_low, row.equal_length_high),
    )


def show_share(value: float | None, low: float | None, high: float | None) -> PairShare | None:
    """Returns a share, rounded; None where nothing was counted."""
    if value is None or low is None or high is None:
        return None
    return PairShare(round_figure(value), round_figure(low), round_figure(high))


SECTION = Section[tuple[PairRow, ...], tuple[Pairs, ...]](
    name="pairs",
    about="Judges that compare two answers in both orders: how often the night's answer is "
    "better, with the effects of position and length.",
    part=tuple[Pairs, ...],
    collect=collect,
    build=build,
    empty=make_empty,
    default=(),
)
