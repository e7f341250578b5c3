"""Searches every slice of one and two attributes for those that fail more than the rest.

Half of the sessions propose slices, the other half tests them. Reads a table that is filled
already: `traces_table` fills it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evals.statistics.intervals import NORMAL
from evals.statistics.subgroups import (
    Bools,
    Clusters,
    Floats,
    Ints,
    compute_mid_p,
    convert_p,
    find_cutoff,
    measure_clusters,
    shrink_evidence,
)

if TYPE_CHECKING:
    import duckdb

SMALLEST = 20
"""Rows with a verdict that a slice has at least, in each half."""
FALSE_PROPOSALS = 0.1
"""Of the slices that the first half proposes, the share that may be chance."""
PARENT_LEVEL = 0.01
"""The largest p of a pair against what is left of each of its two parents."""
MOST = 20
"""Slices of one evaluator that are proposed at most."""
EXAMINED = 300
MOST_VALUES = 50
"""Values of an attribute that make slices, the most frequent ones."""
LONGEST_VALUE = 100
"""Characters of a value that makes a slice."""
NONE = 255
"""Marks an attribute that a group is not of; 0 is a value that makes no slice."""

Codes = NDArray[np.uint8]


class Member(NamedTuple):
    """One attribute of a slice, and its value: positions in `Table.attributes` and its values."""

    attribute: int
    value: int
    """From 1."""


Group = tuple[Member, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows that one evaluator has scored."""

    codes: Codes
    """The value of each attribute, (attributes, rows); 0: none that makes a slice."""
    failed: Floats
    """1 for a fail, 0 for a pass."""
    sessions: Ints
    is_held_out: Bools
    weights: Floats | None = None
    """The traces that each row represents; None where it is as many for each."""

    def select_group(self, group: Group) -> Bools:
        """Returns which rows are in a slice."""
        inside = np.ones(len(self.failed), dtype=np.bool_)
        for member in group:
            inside &= self.codes[member.attribute] == member.value
        return inside

    def select_rows(self, chosen: Bools) -> Rows:
        """Returns some of the rows, their sessions numbered from 0."""
        _, sessions = np.unique(self.sessions[chosen], return_inverse=True)
        weights = None if self.weights is None else self.weights[chosen]
        held_out = self.is_held_out[chosen]
        return Rows(self.codes[:, chosen], self.failed[chosen], sessions, held_out, weights)

    def compute_rate(self, inside: Bools) -> float:
        """Computes the share of fails among some rows, weighted where rows are."""
        if self.weights is None:
            return float(self.failed[inside].mean())
        return float(np.average(self.failed[inside], weights=self.weights[inside]))


@dataclass(frozen=True, eq=False)
class Table:
    """A coded table: the values of each attribute, and the rows of each evaluator."""

    values: Sequence[Sequence[str]]
    """The values of each attribute that make slices, the most frequent first."""
    rows: Sequence[Rows]
    """Of each evaluator."""
    groups: Sequence[Groups]
    """Of each evaluator, in the half that proposes."""


class Groups(NamedTuple):
    """All slices of one and two attributes with their counts."""

    first: Ints
    """The attribute of each."""
    first_value: Ints
    second: Ints
    """The other attribute; `NONE` where it has one."""
    second_value: Ints
    n: Ints
    failed: Ints

    def get_group(self, index: int) -> Group:
        """Returns a slice."""
        first = Member(int(self.first[index]), int(self.first_value[index]))
        if self.second[index] == NONE:
            return (first,)
        return (first, Member(int(self.second[index]), int(self.second_value[index])))


class Proposal(NamedTuple):
    """A slice that one half proposes, and how the other half tests it."""

    group: Group
    p: float
    """In the half that tests, against the rows that are in no slice proposed before."""


def read_table(db: duckdb.DuckDBPyConnection, attributes: int, evaluators: int) -> Table:
    """Codes the values of `attributed`, and counts all slices by grouping sets.

    Args:
        db: has the table `attributed`: number, is_held_out, session, a0, a1, ... (text), and for
            each evaluator f0, f1, ... (1: failed, 0: passed, null: not scored) and w0, w1, ...
            (weights).
        attributes: how many there are.
        evaluators: how many there are.
    """
    values = [list_values(db, f"a{i}") for i in range(attributes)]
    coded = ", ".join(
        f"coalesce(list_position($v{i}::varchar[], a{i}), 0)::utinyint as c{i}"
        for i in range(attributes)
    )
    columns = ", ".join(f"f{k}, w{k}" for k in range(evaluators))
    db.execute(
        f"create or replace temp table coded as select number, is_held_out, session, {columns}"  # noqa: S608  our names
        f"{', ' if coded else ''}{coded} from attributed",
        {f"v{i}": one for i, one in enumerate(values)},
    )
    return Table(
        values, read_rows(db, attributes, evaluators), count_groups(db, values, evaluators)
    )


def list_values(db: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Lists the values of a column that can make slices; none where all rows have the same."""
    found = db.execute(
        f"select {column}, count(*) as n from attributed where {column} is not null "  # noqa: S608  our names
        f"and length({column}) <= {LONGEST_VALUE} group by all having n >= {2 * SMALLEST} "
        f"and n < (select count(*) from attributed) order by n desc, {column} limit {MOST_VALUES}"
    ).fetchall()
    return [value for value, _ in found]


def read_rows(db: duckdb.DuckDBPyConnection, attributes: int, evaluators: int) -> list[Rows]:
    """Reads the rows of each evaluator."""
    read = db.sql("from coded order by number").fetchnumpy()
    codes: Codes = (
        np.stack([np.asarray(read[f"c{i}"], np.uint8) for i in range(attributes)])
        if attributes
        else np.zeros((0, len(read["session"])), np.uint8)
    )
    held_out = np.asarray(read["is_held_out"], np.bool_)
    sessions = np.asarray(read["session"], np.int64)
    rows = list[Rows]()
    for k in range(evaluators):
        failed = np.ma.filled(np.ma.asarray(read[f"f{k}"]).astype(float), np.nan)
        scored = np.isfinite(failed)
        weights = np.ma.filled(np.ma.asarray(read[f"w{k}"]).astype(float), 1.0)[scored]
        is_equal = not len(weights) or float(weights.min()) == float(weights.max())
        rows.append(
            Rows(codes[:, scored], failed[scored], sessions[scored], held_out[scored],
                 None if is_equal else weights)
        )  # fmt: skip
    return rows


def count_groups(
    db: duckdb.DuckDBPyConnection, values: Sequence[Sequence[str]], evaluators: int
) -> list[Groups]:
    """Counts rows and fails of every slice in the half that proposes, by grouping sets."""
    used = [i for i, own in enumerate(values) if own]
    if not used:
        return [Groups(*(np.zeros(0, np.int64) for _ in range(6)))] * evaluators
    sets = [f"(c{i})" for i in used] + [f"(c{i}, c{j})" for i, j in itertools.combinations(used, 2)]
    columns = ", ".join(f"coalesce(c{i}, {NONE})::utinyint as c{i}" for i in used)
    counts = ", ".join(f"count(f{k}) as n{k}, sum(f{k}) as s{k}" for k in range(evaluators))
    most = " or ".join(f"count(f{k}) >= {SMALLEST}" for k in range(evaluators))
    counted = db.execute(
        f"select {columns}, {counts} from coded where not is_held_out "  # noqa: S608  our names
        f"group by grouping sets ({', '.join(sets)}) having {most}"
    ).fetchnumpy()
    matrix = np.stack([np.asarray(counted[f"c{i}"], np.int64) for i in used])
    is_own = matrix != NONE
    keep = ~((matrix == 0) & is_own).any(0)
    matrix, is_own = matrix[:, keep], is_own[:, keep]
    places = np.array(used)
    every: Ints = np.arange(matrix.shape[1], dtype=np.int64)
    low, high = is_own.argmax(0), len(used) - 1 - is_own[::-1].argmax(0)
    is_pair = low != high
    shape = (
        places[low], matrix[low, every],
        np.where(is_pair, places[high], NONE), np.where(is_pair, matrix[high, every], 0),
    )  # fmt: skip
    order = np.lexsort(shape[::-1])
    groups = list[Groups]()
    for k in range(evaluators):
        n, failed = (
            np.ma.filled(np.ma.asarray(counted[f"{name}{k}"]).astype(np.int64), 0)[keep][order]
            for name in "ns"
        )
        chosen = n >= SMALLEST
        first, first_value, second, second_value = (one[order][chosen] for one in shape)
        groups.append(Groups(first, first_value, second, second_value, n[chosen], failed[chosen]))
    return groups


def propose_slices(rows: Rows, groups: Groups) -> list[Proposal]:
    """Proposes slices by one half of the sessions, and tests them in the other.

    A slice passes Benjamini and Hochberg's procedure; a pair also fails more than what is left of
    each of its parents. Of slices that overlap the surest is taken, and what it has is removed.
    """
    half, other = rows.select_rows(~rows.is_held_out), rows.select_rows(rows.is_held_out)
    if len(half.failed) == 0 or len(other.failed) == 0:
        return []
    ours, theirs = Sample(half), Sample(other)
    found = list[Proposal]()
    for group in choose_groups(ours, groups):
        inside = other.select_group(group)
        if int((inside & ~theirs.taken).sum()) >= SMALLEST:
            found.append(Proposal(group, theirs.test_group(inside)))
        theirs.taken |= inside
    return found


def choose_groups(sample: Sample, groups: Groups) -> Iterator[Group]:
    """Yields the slices that a half proposes, the surest first."""
    failed = sample.rows.failed
    total, count = int(failed.sum()), len(failed)
    tested = groups.n < count
    likely = np.flatnonzero(tested & (groups.failed * count > groups.n * total))
    ps = compute_mid_p(groups.failed[likely], groups.n[likely], total, count)
    tests, cutoff = int(tested.sum()), find_cutoff(ps, int(tested.sum()), FALSE_PROPOSALS)
    order = np.argsort(ps, kind="stable")[:EXAMINED]
    sure = [int(likely[i]) for i in order if ps[i] <= cutoff]
    adjusted = {i: sample.test_group(sample.rows.select_group(groups.get_group(i))) for i in sure}
    cutoff = find_cutoff(np.array(list(adjusted.values())), tests, FALSE_PROPOSALS)
    chosen = 0
    for i in sorted(sure, key=lambda i: (adjusted[i], i)):
        group = groups.get_group(i)
        inside = sample.rows.select_group(group)
        if chosen < MOST and adjusted[i] <= cutoff and sample.stands_out(group, inside, cutoff):
            chosen += 1
            sample.taken |= inside
            yield group


class Sample:
    """A half of the rows, and which of them are in a slice that was proposed."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.taken: Bools = np.zeros(len(rows.failed), dtype=np.bool_)
        self.clusters: Clusters = measure_clusters(rows.failed, rows.sessions)

    def stands_out(self, group: Group, inside: Bools, cutoff: float) -> bool:
        """Whether a slice still fails more without the rows taken, a pair than its parents too."""
        left = inside & ~self.taken
        if int(left.sum()) < SMALLEST or self.test_group(inside) > cutoff:
            return False
        parents = [self.rows.select_group((member,)) for member in group] if len(group) > 1 else []
        return all(self.test_group(inside, parent) <= PARENT_LEVEL for parent in parents)

    def test_group(self, inside: Bools, within: Bools | None = None) -> float:
        """Tests whether a slice fails more than the other rows, or than the others of a parent.

        Returns:
            The one-sided p, without the rows taken; 1 where there are no other rows.
        """
        around = ~self.taken if within is None else within & ~self.taken
        own = inside & around
        failed, n = self.rows.failed[around], int(own.sum())
        if not 0 < n < len(failed) or not 0 < failed.sum() < len(failed):
            return 1.0
        own_failed = np.array([int(self.rows.failed[own].sum())])
        ps = compute_mid_p(own_failed, np.array([n]), int(failed.sum()), len(failed))
        p = float(ps[0])
        if p >= 0.5:
            return 1.0
        z = convert_p(p)
        if self.rows.weights is not None:
            z = min(z, self.test_weighted(self.rows.weights, own, around))
        factor = shrink_evidence(own[around], failed, self.renumber(around))
        return NORMAL.cdf(-z * factor)

    def renumber(self, around: Bools) -> Clusters:
        """Returns the sessions of some rows."""
        return self.clusters._replace(codes=self.clusters.codes[around])

    def test_weighted(self, weights: Floats, inside: Bools, around: Bools) -> float:
        """Tests the weighted rates of a slice and of the other rows; returns z."""
        weight = weights * around
        total, own = float(weight.sum()), float(weight[inside].sum())
        rate = float((weight * self.rows.failed).sum()) / total
        scores = weight * (inside - own / total) * (self.rows.failed - rate)
        spread = float((scores**2).sum()) ** 0.5
        return float(scores.sum()) / spread if spread else 0.0
