"""The judge workload of the benchmarks, by our runner and by the plain `openai` client.

Each is a process of its own. `python -m tests.bench.clients CLIENT URL CALLS CONCURRENCY`, with the
client `ours`, `openai` or `openai_patient`, prints its CPU seconds, start-up left out.
"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

PASSAGE = "The lamp costs 12 euros and is delivered within three days of the order. " * 15
NIGHT = date(2026, 10, 1)
MODEL = "bench-model-2026-01-01"
SYSTEM = "Does every claim of the output rest on the context? Critique first, then the verdict."


def build_traces(calls: int) -> list:
    """Builds traces of about 1.5 kB, all different."""
    from evals.records import Trace

    noon = datetime(2026, 10, 1, 12, tzinfo=UTC)
    return [
        Trace(f"t{n}", noon, "bench", f"Order {n}: twelve euros.", "How much?", context=PASSAGE)
        for n in range(calls)
    ]


def run_our_client(url: str, calls: int, concurrency: int) -> float:
    """Runs our runner with its journal and ledger, every answer durable."""
    from evals.evaluators import resolution
    from evals.evaluators.gold import GoldAndLabels
    from evals.runs import runner
    from evals.specs import load_catalog
    from evals.storage import ledger
    from evals.storage.lake import Lake
    from evals.worklist.night_contents import NightTraces

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = {
            "models.yaml": f"m: {{model: {MODEL}, base_url: '{url}', concurrency: {concurrency}}}",
            "apps/bench.yaml": "{app: bench, suite: bench}",
            "suites/bench.yaml": "{suite: bench, dimensions: "
            "[{dimension: grounded, question: Grounded, check: {judge: grounded}, sample: 1.0}]}",
            "judges/grounded.yaml": "{judge: grounded, asks: Grounded, model: m, "
            f"reads: [context, input, output], system: '{SYSTEM}'}}",
        }
        for name, text in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        lake, catalog = Lake(root / "home").open(), load_catalog(root)
        lake.write("traces", NIGHT, build_traces(calls))
        judge = resolution.resolve_app(catalog, "bench")[0]
        began = time.process_time()
        with ledger.open_journal(lake, "bench") as journal:
            run = runner.ScoringRun(lake, GoldAndLabels.of(root, []), journal)
            tally = runner.score_night(run, NightTraces(lake, NIGHT), judge)
        spent = time.process_time() - began
        assert tally.passed + tally.failed == calls, tally
        return spent


def run_openai(url: str, calls: int, concurrency: int, retries: int = 0) -> float:
    """Runs `AsyncOpenAI` behind a semaphore, without storing answers."""
    import openai

    from evals.evaluators import judges

    conversations = [
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{t.context}\n\n{t.input}\n\n{t.output}"},
        ]
        for t in build_traces(calls)
    ]
    schema = {"name": "verdict", "strict": True, "schema": judges.SCHEMA}

    async def send_all() -> None:
        client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=retries)
        limit = asyncio.Semaphore(concurrency)

        async def send(messages: list) -> None:
            async with limit:
                answer = await client.chat.completions.create(
                    model=MODEL,
                    messages=messages,
                    max_tokens=300,
                    temperature=0,
                    seed=1,
                    response_format={"type": "json_schema", "json_schema": schema},
                )
            assert json.loads(answer.choices[0].message.content or "")["verdict"] == "pass"

        await asyncio.gather(*(send(messages) for messages in conversations))
        await client.close()

    began = time.process_time()
    asyncio.run(send_all())
    return time.process_time() - began


def main() -> None:
    """Runs one workload by one client."""
    name, url, calls, concurrency, *paths = sys.argv[1:]
    patient = functools.partial(run_openai, retries=100)
    client = {"ours": run_our_client, "openai": run_openai, "openai_patient": patient}[name]
    result = json.dumps({"cpu_s": client(url, int(calls), int(concurrency))})
    sys.stdout.write(result + "\n")
    for path in paths:
        Path(path).write_text(result)


if __name__ == "__main__":
    main()
