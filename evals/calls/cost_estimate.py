"""Estimates what asking would cost, from the ledger, else from the texts alone.

Makes no call; `day_budget` decides what may be spent.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from evals import models
from evals.calls.requests import CallPlan
from evals.specs import Evaluator
from evals.storage.files import parquet_batches
from evals.storage.lake import Lake
from evals.storage.ledger import answer_files, recent_answer_files
from evals.worklist.worklist import WantedAnswer, Worklist

CHARS_PER_TOKEN = 4.0
"""Where the ledger has no answer of this judge yet: English text under common tokenizers; the
schema and what else is sent beside the text is read by the model, too."""
CRITIQUE_TOKENS = 60
WORD_TOKENS = 2
SAMPLE_SIZE = 200
"""Questions made to see how much longer they are than their contents; evenly from all."""
MAX_FILES = 7
COLUMNS = ("code", "model", "chars", "tokens_in", "tokens_out", "tokens_cached")
Z_95 = 1.96
"""Standard errors about a mean within which it lies 95 times of 100."""
OWN = "the judge's answers so far"
OTHER = "the judge's answers from another model"
ALIKE = "other judges' answers from the model"
TEXTS = "the length of the texts"


class TokenUsage(NamedTuple):
    """What a judge's questions and answers take."""

    tokens_per_char: float
    tokens_per_call: float
    """Those of what is sent beside the text, as far as the provider counts it."""
    cached: float
    """The share of input tokens that the provider had cached."""
    tokens_out: float
    basis: str = TEXTS
    spread: float = 0.0
    """Standard deviation of an answer's tokens."""
    n: int = 0
    """Answers it is told from."""


class Estimate(NamedTuple):
    """What asking would come to."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    """None: the catalog has no price of the model."""
    margin: float | None = 0.0
    """US dollars either way, 95 times of 100, for answers differ in length; None: a guess."""
    most: float | None = 0.0
    """US dollars it cannot pass, each question asked once; None as `usd`."""
    basis: str = "nothing to ask"


def estimate_cost(lake: Lake, work: Worklist, wanted: Sequence[WantedAnswer]) -> Estimate:
    """What asking some of a worklist's questions would come to."""
    evaluator, pin, judge = work.evaluator, work.evaluator.pin, work.evaluator.judge
    if not wanted or pin is None or judge is None:
        return Estimate()
    asking = CallPlan(work, judge, pin, None, lake)
    wanted = [want for want in wanted if asking.fits_limit(want)]
    if not wanted:
        return Estimate()
    beside = count_overhead_chars(asking, wanted[0])
    habit = estimate_usage(lake, evaluator, beside)
    calls = len(wanted)
    tokens_in = round(
        estimate_chars(asking, wanted) * habit.tokens_per_char + calls * habit.tokens_per_call
    )
    tokens_out = round(calls * habit.tokens_out)
    price = pin.price_on(work.night)
    if price is None:
        return Estimate(calls, tokens_in, tokens_out, None, None, None, habit.basis)
    cached = round(tokens_in * habit.cached)
    usd = models.compute_cost(pin, work.night, tokens_in, tokens_out, cached)
    away = compute_margin(habit, calls)
    margin = None if away is None else away * price.output / 1e6
    most = sum(asking.max_cost(want) for want in wanted)
    return Estimate(calls, tokens_in, tokens_out, usd, margin, most, habit.basis)


def compute_margin(habit: TokenUsage, calls: int) -> float | None:
    """Tokens that all answers together may be away from what is told of them; None: nobody knows.

    The error of the mean of those known, and the chance of those to come.
    """
    if habit.basis != OWN or habit.n < 2:
        return None
    return Z_95 * habit.spread * math.sqrt(calls**2 / habit.n + calls)


def count_known_answers(lake: Lake, evaluator: Evaluator) -> int:
    """How many of a judge's answers, from its model, an estimate is told from."""
    habit = estimate_usage(lake, evaluator, 0)
    return habit.n if habit.basis == OWN else 0


def count_overhead_chars(asking: CallPlan, want: WantedAnswer) -> int:
    """Characters a call sends beside its messages' text: the schema, parameters, roles."""
    question = asking.build_question(want)
    body = models.choose_shape(asking.pin, models.Key(None)).build_body(question.request)
    return len(orjson.dumps(body)) - sum(
        len(orjson.dumps(message["content"])) for message in question.request.messages
    )


def estimate_chars(asking: CallPlan, wanted: Sequence[WantedAnswer]) -> float:
    """Characters of all questions, from some of them and the length of every content."""
    held = asking.work.contents.at
    made = wanted[:: -(-len(wanted) // SAMPLE_SIZE)]
    sent = sum(asking.build_question(want).chars - asking.frame_bytes for want in made)
    share = sent / max(sum(held[want.key][1] for want in made), 1)
    return asking.frame_bytes * len(wanted) + share * sum(held[want.key][1] for want in wanted)


def estimate_usage(lake: Lake, evaluator: Evaluator, beside: int) -> TokenUsage:
    """What the judge took before, under this version or an earlier one; else what comes closest.

    Args:
        lake: where its answers rest.
        evaluator: the judge.
        beside: characters each call sends beside its text.
    """
    version, judge, pin = evaluator.answer_version or "", evaluator.judge, evaluator.pin
    own = answer_files(lake, version)[::-1]
    others = recent_answer_files(lake, MAX_FILES)
    earlier = list(read_sample(others, evaluator.name))
    same = [row for row in earlier if pin and row["model"] == pin.model]
    alike = list(read_sample(others, pin.model, "model")) if pin and not earlier else []
    mine = list(read_sample(own[:MAX_FILES]))
    for basis, found in ((OWN, mine), (OWN, same), (OTHER, earlier), (ALIKE, alike)):
        tokens_in = sum(row["tokens_in"] for row in found)
        if tokens_in:
            per_char = fit_tokens_per_char(
                [(row["chars"], row["tokens_in"]) for row in found], beside
            )
            per_call = (tokens_in - per_char * sum(row["chars"] for row in found)) / len(found)
            cached = sum(row["tokens_cached"] or 0 for row in found) / tokens_in
            said = [row["tokens_out"] for row in found]
            mean = statistics.fmean(said)
            spread = statistics.stdev(said) if len(said) > 1 else 0.0
            return TokenUsage(per_char, per_call, cached, mean, basis, spread, len(found))
    words = CRITIQUE_TOKENS if judge and judge.mode == "schema" else WORD_TOKENS
    words = min(words, judge.max_tokens if judge else words)
    return TokenUsage(1 / CHARS_PER_TOKEN, beside / CHARS_PER_TOKEN, 0.0, words)


def fit_tokens_per_char(asked: Sequence[tuple[int, int]], beside: int) -> float:
    """Tokens a character of text takes, by least squares over (characters, tokens) of calls.

    What is left is each call's own, so that a night of short texts tells of one of long ones. A
    provider counts all, some or nothing of what is sent beside the text: that bounds it.
    """
    chars, tokens = (math.fsum(column) / len(asked) for column in zip(*asked, strict=True))
    least, most = tokens / (chars + beside), tokens / chars
    spread = math.fsum((c - chars) ** 2 for c, _ in asked)
    together = math.fsum((c - chars) * (t - tokens) for c, t in asked)
    return min(max(together / spread, least), most) if spread else least


def read_sample(
    paths: Iterable[Path], only: str | None = None, column: str = "evaluator"
) -> Iterator[dict[str, Any]]:
    """Some thousand answers of the files, of one evaluator or model, or of all."""
    picked = None if only is None else (column, [only])
    rows = (
        row for path in paths for found in parquet_batches(path, COLUMNS, picked) for row in found
    )
    return itertools.islice((row for row in rows if row["code"] is None and row["chars"]), 5000)
