"""Asks models one question at a time, many at once: bounded, retried, each answer kept at once.

What is asked and in which order is `questions`'.
"""

from __future__ import annotations

import asyncio
import random

from evals import models
from evals.asking.questions import Asked, Asking, Question
from evals.records import Answer, Skip

CALL_ATTEMPTS = 4
"""Times one call is tried within a run before it counts as failed."""

BACKOFF_S = 0.25
LONGEST_WAIT_S = 60.0


def ask(asking: Asking) -> Asked:
    """Asks every question of one evaluator's night."""
    if not asking.wanted:
        return Asked()
    try:
        client = models.open_client(asking.pin)
    except models.Unavailable as error:
        return Asked(rest=Skip(error.reason))
    return asyncio.run(ask_all(client, asking))


async def ask_all(client: models.Client, asking: Asking) -> Asked:
    """Asks every question, at most `concurrency` at a time."""
    queue, calls, usd = asking.questions(), 0, 0.0

    async def worker() -> None:
        nonlocal calls, usd
        for question in queue:
            answer = await ask_one(client, asking, question)
            asking.keep(answer)
            calls, usd = calls + 1, usd + answer.cost_usd

    workers = min(asking.pin.concurrency, len(asking))
    try:
        await asyncio.gather(*(worker() for _ in range(workers)))
    finally:
        await client.close()
    return Asked(calls, usd)


async def ask_one(client: models.Client, asking: Asking, question: Question) -> Answer:
    """An answer or the last error, never neither."""
    try:
        return asking.answered(question, await retried(client, question.request))
    except models.ModelError as error:
        return asking.failed(question, error)


async def retried(client: models.Client, request: models.Request) -> models.Reply:
    """One call, tried again while its error may pass; waits as long as the provider asks.

    The loop is our own: a retry library's bookkeeping costs every call, and few are retried.
    """
    for attempt in range(1, CALL_ATTEMPTS):
        try:
            return await client.ask(request)
        except models.ModelError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(wait_s(error, attempt))
    return await client.ask(request)


def wait_s(error: models.ModelError, attempt: int) -> float:
    """Full jitter over a doubling backoff, on top of what the provider asks for."""
    jitter = random.uniform(0, BACKOFF_S * 2**attempt)  # noqa: S311  not a secret
    return min(error.wait_s or 0.0, LONGEST_WAIT_S) + jitter
