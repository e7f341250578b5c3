"""The ways a request can take to a model, measured side by side: window and CPU a call.

`python -m tests.bench.transports [CALLS] [MILLISECONDS]`. Each way is a process of its own and
takes its turn in every repetition; no answer is stored.
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

from tests.bench.__main__ import print_figure, start_server
from tests.bench.clients import MODEL, PASSAGE, SYSTEM

CALLS, CONCURRENCY, LATENCY_MS, REPETITIONS = 2000, 64, 100.0, 3
Ask = Callable[[Any], Awaitable[Any]]


def build_requests(calls: int) -> list[Any]:
    """Builds the workload's requests, all different."""
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


async def send_concurrently(ask: Ask, requests: list[Any], concurrency: int) -> None:
    """Sends all requests, so many at once."""
    queue = list(requests)

    async def worker() -> None:
        while queue:
            await ask(queue.pop())

    await asyncio.gather(*(worker() for _ in range(concurrency)))


async def call_by_our_client(url: str, requests: list[Any], concurrency: int) -> None:
    """Calls by `evals.models.OpenAIClient`."""
    from evals.models import Key, OpenAIClient
    from evals.specs import ModelPin

    client = OpenAIClient(ModelPin(name="m", model=MODEL, base_url=url), url, Key("none"))
    await send_concurrently(client.ask, requests, concurrency)
    await client.close()


async def call_by_openai(url: str, requests: list[Any], concurrency: int, **options: Any) -> None:
    """Calls by `AsyncOpenAI`, with typed answers."""
    import openai

    from evals.models import Key, choose_shape
    from evals.specs import ModelPin

    shape = choose_shape(ModelPin(name="m", model=MODEL), Key(None))
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, **options)

    async def ask(request: Any) -> None:
        answer = await client.chat.completions.create(**shape.build_body(request))
        assert json.loads(answer.choices[0].message.content or "")["verdict"] == "pass"

    await send_concurrently(ask, requests, concurrency)
    await client.close()


async def call_by_openai_aiohttp(url: str, requests: list[Any], concurrency: int) -> None:
    """Calls by `AsyncOpenAI` over its aiohttp transport."""
    import openai

    await call_by_openai(url, requests, concurrency, http_client=openai.DefaultAioHttpClient())


async def call_by_aiohttp(url: str, requests: list[Any], concurrency: int) -> None:
    """Calls by bare aiohttp and orjson, without checks."""
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
                reply = orjson.loads(await answer.read())
            assert orjson.loads(reply["choices"][0]["message"]["content"])["verdict"] == "pass"

        await send_concurrently(ask, requests, concurrency)


WAYS: dict[str, Callable[[str, list[Any], int], Awaitable[None]]] = {
    "ours": call_by_our_client,
    "openai": call_by_openai,
    "openai_aiohttp": call_by_openai_aiohttp,
    "aiohttp": call_by_aiohttp,
}


def run_way(way: str, url: str, calls: int) -> None:
    """Runs one way in this process; prints its CPU seconds without imports and first call."""
    requests = build_requests(calls)

    async def measure_cpu() -> float:
        await WAYS[way](url, requests[:1], 1)
        urllib.request.urlopen(url.replace("/v1", "/stats")).read()  # noqa: S310  our own server
        began = time.process_time()
        await WAYS[way](url, requests, CONCURRENCY)
        return time.process_time() - began

    runner: Any = asyncio.run
    if os.environ.get("BENCH_UVLOOP"):
        import uvloop

        runner = uvloop.run
    sys.stdout.write(json.dumps(runner(measure_cpu())) + "\n")


def measure_way(way: str, url: str, calls: int) -> tuple[float, float]:
    """Measures seconds from the first request to the last answer, and CPU seconds a call."""
    command = [sys.executable, "-m", "tests.bench.transports", "--one", way, f"{url}/v1"]
    completed = subprocess.run([*command, str(calls)], check=True, capture_output=True, text=True)
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310  our own server
        stats = json.loads(answer.read())
    assert stats["calls"] == calls, stats
    return stats["window_s"], json.loads(completed.stdout) / calls


def main() -> None:
    """Measures every way, in turns."""
    if sys.argv[1:2] == ["--one"]:
        return run_way(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    latency = float(sys.argv[2]) if len(sys.argv) > 2 else LATENCY_MS
    ideal = calls / CONCURRENCY * latency / 1000
    figures: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with start_server(latency) as url:
        for _ in range(REPETITIONS):
            for way in WAYS:
                figures[way].append(measure_way(way, url, calls))
    middle = {
        way: tuple(statistics.median(part) for part in zip(*runs, strict=True))
        for way, runs in figures.items()
    }
    for way, (window, cpu) in middle.items():
        print_figure(f"{way}_window", window, "s", "ideal", ideal / window)
        print_figure(f"{way}_cpu_per_call", cpu * 1000, "ms", "aiohttp", cpu / middle["aiohttp"][1])
    return None


if __name__ == "__main__":
    main()
