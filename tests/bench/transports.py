"""The ways a question can take to a model, measured side by side: window and CPU a call.

`python -m tests.bench.transports [CALLS] [MILLISECONDS]`. Each way is a process of its own and
takes its turn in every repetition; nothing is kept, no ledger is written.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bench.__main__ import line, server
from tests.bench.clients import MODEL, PASSAGE, SYSTEM

CALLS, CONCURRENCY, LATENCY_MS, REPETITIONS = 2000, 64, 100.0, 3
Ask = Callable[[Any], Awaitable[Any]]


def questions(calls: int) -> list[Any]:
    """The workload's requests, all different."""
    from evals.evaluators import judges
    from evals.models import Request

    return [
        Request(
            (
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"{PASSAGE}\n\nHow much?\n\nOrder {n}: twelve euros."},
            ),
            300,
            0.0,
            1,
            schema=judges.SCHEMA,
        )
        for n in range(calls)
    ]


async def under_way(ask: Ask, asked: list[Any], concurrency: int) -> None:
    """All questions, so many at once."""
    queue = list(asked)

    async def worker() -> None:
        while queue:
            await ask(queue.pop())

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def ours(url: str, asked: list[Any], concurrency: int) -> None:
    """`evals.models.OpenAIClient`."""
    from evals.models import Key, OpenAIClient
    from evals.specs import ModelPin

    client = OpenAIClient(ModelPin(name="m", model=MODEL, base_url=url), url, Key("none"))
    await under_way(client.ask, asked, concurrency)
    await client.close()


async def through_openai(url: str, asked: list[Any], concurrency: int, **how: Any) -> None:
    """`AsyncOpenAI`, typed answers."""
    import openai

    from evals.models import Key, choose_shape
    from evals.specs import ModelPin

    shape = choose_shape(ModelPin(name="m", model=MODEL), Key(None))
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, **how)

    async def ask(request: Any) -> None:
        answer = await client.chat.completions.create(**shape.build_body(request))
        assert json.loads(answer.choices[0].message.content or "")["verdict"] == "pass"

    await under_way(ask, asked, concurrency)
    await client.close()


async def through_openai_aiohttp(url: str, asked: list[Any], concurrency: int) -> None:
    """`AsyncOpenAI` over its aiohttp transport."""
    import openai

    await through_openai(url, asked, concurrency, http_client=openai.DefaultAioHttpClient())


async def bare_aiohttp(url: str, asked: list[Any], concurrency: int) -> None:
    """Bare aiohttp and orjson, nothing checked."""
    import aiohttp
    import orjson

    from evals.models import Key, choose_shape
    from evals.specs import ModelPin

    shape = choose_shape(ModelPin(name="m", model=MODEL), Key(None))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(request: Any) -> None:
            body = orjson.dumps(shape.build_body(request))
            head = {"content-type": "application/json"}
            async with session.post(f"{url}/chat/completions", data=body, headers=head) as answer:
                said = orjson.loads(await answer.read())
            assert orjson.loads(said["choices"][0]["message"]["content"])["verdict"] == "pass"

        await under_way(ask, asked, concurrency)


WAYS: dict[str, Callable[[str, list[Any], int], Awaitable[None]]] = {
    "ours": ours,
    "openai": through_openai,
    "openai_aiohttp": through_openai_aiohttp,
    "aiohttp": bare_aiohttp,
}


def one(way: str, url: str, calls: int) -> None:
    """One way, in this process: prints its CPU seconds, imports and first call left out."""
    asked = questions(calls)

    async def measured() -> float:
        await WAYS[way](url, asked[:1], 1)
        urllib.request.urlopen(url.replace("/v1", "/stats")).read()  # noqa: S310  our own server
        began = time.process_time()
        await WAYS[way](url, asked, CONCURRENCY)
        return time.process_time() - began

    runner: Any = asyncio.run
    if os.environ.get("BENCH_UVLOOP"):
        import uvloop

        runner = uvloop.run
    sys.stdout.write(json.dumps(runner(measured())) + "\n")


def measure(way: str, url: str, calls: int) -> tuple[float, float]:
    """Seconds from the first request to the last answer, and CPU seconds a call."""
    command = [sys.executable, "-m", "tests.bench.transports", "--one", way, f"{url}/v1"]
    done = subprocess.run([*command, str(calls)], check=True, capture_output=True, text=True)
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310  our own server
        stats = json.loads(answer.read())
    assert stats["calls"] == calls, stats
    return stats["window_s"], json.loads(done.stdout) / calls


def main() -> None:
    """Every way, in turns."""
    if sys.argv[1:2] == ["--one"]:
        return one(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    latency = float(sys.argv[2]) if len(sys.argv) > 2 else LATENCY_MS
    ideal = calls / CONCURRENCY * latency / 1000
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with server(latency) as url:
        for _ in range(REPETITIONS):
            for way in WAYS:
                found[way].append(measure(way, url, calls))
    middle = {
        way: tuple(statistics.median(part) for part in zip(*runs, strict=True))
        for way, runs in found.items()
    }
    for way, (window, cpu) in middle.items():
        line(f"{way}_window", window, "s", "ideal", ideal / window)
        line(f"{way}_cpu_per_call", cpu * 1000, "ms", "aiohttp", cpu / middle["aiohttp"][1])
    return None


if __name__ == "__main__":
    main()
