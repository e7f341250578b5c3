"""The words of inputs: which of them mark failing answers, and which mark a slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evals.statistics.subgroups import weigh_words

if TYPE_CHECKING:
    import duckdb

READ = 2000
"""Characters of an input whose words are counted."""
SHORTEST, LONGEST = 3, 40
"""Characters of a word."""
LEAST = 20
"""Inputs that have a word which makes a slice, in the half that proposes."""
MOST = 8
"""Keywords that make slices, and those that mark one."""
FEWEST = 5
"""Inputs of a slice that have a word which marks it."""
CLEAR = 1.645
"""The z from which a word marks something."""


def count_words(db: duckdb.DuckDBPyConnection) -> None:
    """Makes the table `words`: the distinct words of each input by its number in `rows`."""
    pattern = r"[\p{L}\p{M}\p{N}_]+"
    db.execute(
        "create or replace temp table words as select number, is_held_out, word from ("  # noqa: S608  our names
        "select number, is_held_out, unnest(list_distinct(regexp_extract_all("
        f"lower(left(input, {READ})), '{pattern}'))) as word from rows) "
        f"where length(word) between {SHORTEST} and {LONGEST} "
        "and not regexp_full_match(word, '[0-9_]+')"
    )


def find_keywords(db: duckdb.DuckDBPyConnection, evaluators: int) -> list[str]:
    """Finds words that mark failing answers in the half that proposes, each evaluator's in turn."""
    columns = ", ".join(
        f"count(*) filter (f{k} = 1) as x{k}, count(*) filter (f{k} = 0) as y{k}"
        for k in range(evaluators)
    )
    read = db.execute(
        f"select word, count(*) as n, {columns} from words join rows using (number) "  # noqa: S608  our names
        "where not words.is_held_out group by word having n >= 2 order by word"
    ).fetchnumpy()
    frequent = np.asarray(read["n"], np.int64) >= LEAST
    queues = list[list[str]]()
    for k in range(evaluators):
        inside, outside = (np.asarray(read[f"{side}{k}"], float) for side in "xy")
        queues.append(rank_words(list(read["word"]), inside, outside, frequent))
    found = dict[str, None]()
    for turn in range(MOST):
        for queue in queues:
            if turn < len(queue) and len(found) < MOST:
                found[queue[turn]] = None
    return list(found)


def find_marks(db: duckdb.DuckDBPyConnection, predicate: str) -> list[str]:
    """Finds the words that mark the inputs of a slice beside all others."""
    read = db.execute(
        "select word, count(*) filter (is_in) as x, count(*) filter (not is_in) as y from words "  # noqa: S608  our own predicate
        f"join (select number, coalesce(try({predicate}), false) as is_in from rows) "
        "using (number) "
        "group by word having count(*) >= 2 order by word"
    ).fetchnumpy()
    inside, outside = (np.asarray(read[side], float) for side in "xy")
    return rank_words(list(read["word"]), inside, outside, inside >= FEWEST)


def rank_words(
    words: list[str], inside: np.ndarray[tuple[int], np.dtype[np.float64]],
    outside: np.ndarray[tuple[int], np.dtype[np.float64]],
    allowed: np.ndarray[tuple[int], np.dtype[np.bool_]],
) -> list[str]:  # fmt: skip
    """Returns the words that mark the inside, the clearest first."""
    if not len(words) or not inside.sum() or not outside.sum():
        return []
    z = np.where(allowed, weigh_words(inside, outside), 0.0)
    order = np.argsort(-z, kind="stable")[:MOST]
    return [words[i] for i in order if z[i] >= CLEAR]
