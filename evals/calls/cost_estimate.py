"""Estimates what calls would cost, from the ledger, else from the texts alone.

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
from evals.storage.lake import Lake
from evals.storage.ledger import (
    list_answer_files,
    list_recent_answer_files,
    select_intact,
)
from evals.storage.parquet_files import stream_rows
from evals.worklist.worklist import WantedAnswer, Worklist

CHARS_PER_TOKEN = 4.0
"""For a judge without answers in the ledger: English text under common tokenizers, schema and
parameters included."""
CRITIQUE_TOKENS = 60
WORD_TOKENS = 2
SAMPLE_SIZE = 200
"""Questions built to measure how much longer they are than their contents; evenly spaced."""
MAX_FILES = 7
COLUMNS = ("code", "model", "chars", "tokens_in", "tokens_out", "tokens_cached")
Z_95 = 1.96
"""Half-width of a 95% interval, in standard errors."""
OWN = "the judge's answers so far"
OTHER = "the judge's answers from another model"
ALIKE = "other judges' answers from the model"
TEXTS = "the length of the texts"


class TokenUsage(NamedTuple):
    """How many tokens a judge's questions and answers use."""

    tokens_per_char: float
    tokens_per_call: float
    """Input tokens beside the text: schema, parameters, roles, as the provider counts them."""
    cached: float
    """The share of input tokens that the provider had cached."""
    tokens_out: float
    basis: str = TEXTS
    spread: float = 0.0
    """Standard deviation of an answer's tokens."""
    n: int = 0
    """Number of answers it is computed from."""


class Estimate(NamedTuple):
    """What calls would cost."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = 0.0
    """None: the catalog has no price for the model."""
    margin: float | None = 0.0
    """Half-width of the 95% interval in US dollars; None: no answers or no price."""
    most: float | None = 0.0
    """Upper bound in US dollars if each question is asked once; None as for `usd`."""
    basis: str = "nothing to ask"


def estimate_cost(lake: Lake, work: Worklist, wanted: Sequence[WantedAnswer]) -> Estimate:
    """Estimates what some of a worklist's questions would cost."""
    evaluator, pin, judge = work.evaluator, work.evaluator.pin, work.evaluator.judge
    if not wanted or pin is None or judge is None:
        return Estimate()
    plan = CallPlan(work, judge, pin, None, lake)
    wanted = [want for want in wanted if plan.fits_limit(want)]
    if not wanted:
        return Estimate()
    overhead_chars = count_overhead_chars(plan, wanted[0])
    usage = estimate_usage(lake, evaluator, overhead_chars)
    calls = len(wanted)
    tokens_in = round(
        estimate_chars(plan, wanted) * usage.tokens_per_char + calls * usage.tokens_per_call
    )
    tokens_out = round(calls * usage.tokens_out)
    price = pin.price_on(work.night)
    if price is None:
        return Estimate(calls, tokens_in, tokens_out, None, None, None, usage.basis)
    cached = round(tokens_in * usage.cached)
    usd = models.compute_cost(pin, work.night, tokens_in, tokens_out, cached)
    margin_tokens = compute_margin(usage, calls)
    margin = None if margin_tokens is None else margin_tokens * price.output / 1e6
    most = sum(plan.max_cost(want) for want in wanted)
    return Estimate(calls, tokens_in, tokens_out, usd, margin, most, usage.basis)


def compute_margin(usage: TokenUsage, calls: int) -> float | None:
    """Returns the half-width of the 95% interval of all output tokens; None: unknown.

    It combines the error of the known mean with the spread of the answers to come.
    """
    if usage.basis != OWN or usage.n < 2:
        return None
    return Z_95 * usage.spread * math.sqrt(calls**2 / usage.n + calls)


def count_known_answers(lake: Lake, evaluator: Evaluator) -> int:
    """Counts the judge's own answers, from its model, that an estimate is based on."""
    usage = estimate_usage(lake, evaluator, 0)
    return usage.n if usage.basis == OWN else 0


def count_overhead_chars(plan: CallPlan, want: WantedAnswer) -> int:
    """Counts the characters a call sends beside its text: schema, parameters, roles."""
    question = plan.build_question(want)
    body = models.choose_shape(plan.pin, models.Key(None)).build_body(question.request)
    return len(orjson.dumps(body)) - sum(
        len(orjson.dumps(message["content"])) for message in question.request.messages
    )


def estimate_chars(plan: CallPlan, wanted: Sequence[WantedAnswer]) -> float:
    """Estimates the characters of all questions, from a sample and each content's length."""
    contents = plan.work.contents
    sample = wanted[:: -(-len(wanted) // SAMPLE_SIZE)]
    sent = sum(plan.build_question(want).chars - plan.frame_bytes for want in sample)
    share = sent / max(sum(contents.count_bytes(want.key) for want in sample), 1)
    return plan.frame_bytes * len(wanted) + share * sum(
        contents.count_bytes(want.key) for want in wanted
    )


def estimate_usage(lake: Lake, evaluator: Evaluator, overhead_chars: int) -> TokenUsage:
    """Estimates a judge's usage from its earlier answers, else from the most similar ones.

    Args:
        lake: has the ledger.
        evaluator: the judge.
        overhead_chars: how many each call sends beside its text.
    """
    version, judge, pin = evaluator.answer_version or "", evaluator.judge, evaluator.pin
    own = list_answer_files(lake, version)[::-1]
    others = list_recent_answer_files(lake, MAX_FILES)
    earlier = list(read_sample(others, evaluator.name))
    same = [row for row in earlier if pin and row["model"] == pin.model]
    other_judges = list(read_sample(others, pin.model, "model")) if pin and not earlier else []
    own_rows = list(read_sample(own[:MAX_FILES]))
    for basis, rows in ((OWN, own_rows), (OWN, same), (OTHER, earlier), (ALIKE, other_judges)):
        tokens_in = sum(row["tokens_in"] for row in rows)
        if tokens_in:
            per_char = fit_tokens_per_char(
                [(row["chars"], row["tokens_in"]) for row in rows], overhead_chars
            )
            per_call = (tokens_in - per_char * sum(row["chars"] for row in rows)) / len(rows)
            cached = sum(row["tokens_cached"] or 0 for row in rows) / tokens_in
            lengths = [row["tokens_out"] for row in rows]
            mean = statistics.fmean(lengths)
            spread = statistics.stdev(lengths) if len(lengths) > 1 else 0.0
            return TokenUsage(per_char, per_call, cached, mean, basis, spread, len(rows))
    words = CRITIQUE_TOKENS if judge and judge.mode == "schema" else WORD_TOKENS
    words = min(words, judge.max_tokens if judge else words)
    return TokenUsage(1 / CHARS_PER_TOKEN, overhead_chars / CHARS_PER_TOKEN, 0.0, words)


def fit_tokens_per_char(calls: Sequence[tuple[int, int]], overhead_chars: int) -> float:
    """Fits tokens per character by least squares over (characters, tokens) of calls.

    The intercept is the overhead of each call, so short texts predict long ones. A provider counts
    all, some or nothing of the overhead, which bounds the slope.
    """
    chars, tokens = (math.fsum(column) / len(calls) for column in zip(*calls, strict=True))
    least, most = tokens / (chars + overhead_chars), tokens / chars
    spread = math.fsum((c - chars) ** 2 for c, _ in calls)
    together = math.fsum((c - chars) * (t - tokens) for c, t in calls)
    return min(max(together / spread, least), most) if spread else least


def read_sample(
    paths: Iterable[Path], value: str | None = None, column: str = "evaluator"
) -> Iterator[dict[str, Any]]:
    """Reads up to 5000 answers of known usage: of one evaluator or model, or of all."""
    picked = None if value is None else (column, [value])
    batches = (stream_rows(path, COLUMNS, picked) for path in select_intact(paths))
    rows = (row for batch in itertools.chain.from_iterable(batches) for row in batch)
    known = (row for row in rows if row["code"] is None and row["chars"] and row["tokens_in"])
    return itertools.islice(known, 5000)
