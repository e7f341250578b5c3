"""What asking would cost, told before it is asked: from the ledger, else from the texts alone.

Makes no call; what may be spent is `budget`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from evals import models
from evals.asking.questions import Asking
from evals.files import parquet_batches
from evals.lake import Lake
from evals.specs import Evaluator
from evals.survey import Survey, Wanted

CHARS_PER_TOKEN = 4.0
"""Where the ledger has no answer of this judge yet: English text under common tokenizers."""
CRITIQUE_TOKENS = 60
WORD_TOKENS = 2
RENDERED = 200
"""Questions made to see how much longer they are than their contents; the first in hash order."""
FILES = 7
COLUMNS = ("code", "chars", "tokens_in", "tokens_out")


class Habit(NamedTuple):
    """What a judge's questions and answers take."""

    tokens_per_char: float
    tokens_out: float
    known: bool
    """Whether it is the ledger's, of this judge and model."""


class Estimate(NamedTuple):
    """What asking would come to."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    """None: the catalog has no price of the model."""
    basis: str = "nothing to ask"


def estimate(lake: Lake, work: Survey, wanted: Sequence[Wanted]) -> Estimate:
    """What asking some of a survey's questions would come to."""
    evaluator, pin, judge = work.evaluator, work.evaluator.pin, work.evaluator.judge
    if not wanted or pin is None or judge is None:
        return Estimate()
    asking = Asking(work, judge, pin, None, lake.home)
    wanted = [want for want in wanted if asking.fits(want)]
    habit = habit_of(lake, evaluator)
    tokens_in = round(chars(lake, work, wanted) * habit.tokens_per_char)
    tokens_out = round(len(wanted) * habit.tokens_out)
    usd = None
    if pin.price_on(work.night) is not None:
        usd = models.cost(pin, work.night, tokens_in, tokens_out)
    basis = "the judge's answers so far" if habit.known else "the length of the texts"
    return Estimate(len(wanted), tokens_in, tokens_out, usd, basis)


def chars(lake: Lake, work: Survey, wanted: Sequence[Wanted]) -> float:
    """Characters all questions would send, from the first ones and the length of every content."""
    judge, pin = work.evaluator.judge, work.evaluator.pin
    assert judge is not None  # noqa: S101  the caller looked
    assert pin is not None  # noqa: S101
    asking = Asking(work, judge, pin, None, lake.home)
    made = wanted[:RENDERED]
    sent = sum(asking.question(want).chars - asking.frame for want in made)
    held = sum(work.contents.at[want.key][1] for want in made)
    whole = sum(work.contents.at[want.key][1] for want in wanted)
    return asking.frame * len(wanted) + sent / max(held, 1) * whole


def habit_of(lake: Lake, evaluator: Evaluator) -> Habit:
    """What the judge took before, under this version or else under an earlier one."""
    version = evaluator.answer_version or ""
    folders = sorted((lake.home / "answers").glob("date=*"), reverse=True)
    own = [path for folder in folders for path in folder.glob(f"{version}.parquet")]
    others = [path for folder in folders[:FILES] for path in sorted(folder.glob("*.parquet"))]
    for rows in (answered(own[:FILES]), answered(others, evaluator.name)):
        chars = tokens_in = tokens_out = count = 0
        for row in rows:
            chars, count = chars + row["chars"], count + 1
            tokens_in, tokens_out = tokens_in + row["tokens_in"], tokens_out + row["tokens_out"]
        if chars and tokens_in:
            return Habit(tokens_in / chars, tokens_out / count, True)
    judge = evaluator.judge
    said = CRITIQUE_TOKENS if judge and judge.mode == "schema" else WORD_TOKENS
    return Habit(1 / CHARS_PER_TOKEN, min(said, judge.max_tokens if judge else said), False)


def answered(paths: Iterable[Path], evaluator: str | None = None) -> Iterator[dict[str, int]]:
    """Some thousand answers of the files, of one evaluator or of all."""
    only = None if evaluator is None else ("evaluator", [evaluator])
    rows = (
        row for path in paths for found in parquet_batches(path, COLUMNS, only) for row in found
    )
    return itertools.islice((row for row in rows if row["code"] is None and row["chars"]), 5000)
