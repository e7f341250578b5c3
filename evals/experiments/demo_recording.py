"""Records the demo: real answers of the pinned local model to invented inputs, night by night.

The calendar is simulated and the inputs are data in the catalog; nothing here judges an answer.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from pydantic import Field

from evals.models.embedded import find_weights, start_server
from evals.records import Json, JsonLike, digest, encode_canonical
from evals.specs import CatalogError, ModelPin, Spec, load_catalog, parse, read_mapping
from evals.storage.files import replace

CATALOG = Path(__file__).parents[1] / "catalog"
FIRST_NIGHT = date(2026, 10, 1)
NIGHTS = 14
PIN = "smollm2"


class Example(Spec):
    """An example exchange that is sent to the model before the input."""

    input: str
    output: str


class Release(Spec):
    """A prompt of an application, with its parameters, from the night of its release on."""

    version: str
    since: date
    git_commit: str
    system: str | None = None
    user: str
    params: dict[str, Any]
    versions: dict[str, str] = Field(default_factory=dict)
    answer_schema: dict[str, Any] | None = None
    nearest: int | None = None
    """How many examples are shown, those nearest the input; None: all, in order."""
    examples: tuple[Example, ...] = ()

    def prompt_hash(self) -> str:
        """Returns a hash of the prompt alone, without the sampling parameters."""
        shots = [[shot.input, shot.output] for shot in self.examples]
        return digest([self.system, self.user, shots, self.nearest, self.answer_schema])

    def build_messages(self, text: str, context: str | None) -> list[dict[str, str]]:
        """Builds the messages that are sent for one input."""
        messages: list[dict[str, str]] = []
        if self.system:
            system = self.system.replace("{context}", context or "")
            messages.append({"role": "system", "content": system})
        for shot in self.choose_examples(text):
            messages.append({"role": "user", "content": self.fill_prompt(shot.input, context)})
            messages.append({"role": "assistant", "content": shot.output})
        return [*messages, {"role": "user", "content": self.fill_prompt(text, context)}]

    def choose_examples(self, text: str) -> tuple[Example, ...]:
        """Chooses the examples with most words in common with an input, the nearest last."""
        if self.nearest is None:
            return self.examples
        words = split_words(text)
        ordered = sorted(
            self.examples,
            key=lambda shot: (measure_overlap(split_words(shot.input), words), shot.input),
        )
        return tuple(ordered[-self.nearest :])

    def fill_prompt(self, text: str, context: str | None) -> str:
        """Fills an input and its context into the user prompt."""
        return self.user.replace("{context}", context or "").replace("{input}", text)

    def response_format(self) -> dict[str, Json]:
        """Returns the API's arguments that require the answer schema, where there is one."""
        if self.answer_schema is None:
            return {}
        schema: Json = {"name": "answer", "strict": True, "schema": self.answer_schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


class DemoInput(TypedDict):
    """One invented input."""

    app: str
    input: str
    context: NotRequired[str | None]
    metadata: dict[str, Json]


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of the simulated calendar, before it is sent."""

    trace_id: str
    ts: datetime
    app: str
    session_id: str
    user_id: str
    input: str
    context: str | None
    metadata: dict[str, Json]


def read_releases(catalog: Path) -> dict[str, tuple[Release, ...]]:
    """Reads the releases of each application, oldest first.

    Raises:
        CatalogError: naming the file, line and key that is wrong.
    """
    path = catalog / "demo" / "prompts.yaml"
    return {
        app: tuple(parse(Release, path, value, (app, i)) for i, value in enumerate(values))
        for app, values in read_mapping(path, "applications, each with its releases").items()
        if isinstance(values, list)
    }


def release_on(releases: tuple[Release, ...], night: date) -> Release:
    """Returns the release that an application used on a night."""
    return max((r for r in releases if r.since <= night), key=lambda r: r.since)


def read_inputs(catalog: Path) -> list[DemoInput]:
    """Reads the invented inputs."""
    path = catalog / "demo" / "inputs.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def plan_requests(inputs: list[DemoInput]) -> list[PlannedRequest]:
    """Plans the requests of all nights in order of time; deterministic, since hashes choose."""
    nights = [FIRST_NIGHT + timedelta(days=day) for day in range(NIGHTS)]
    apps = sorted({row["app"] for row in inputs})
    requests = [
        request
        for app in apps
        for night in nights
        for request in plan_night(app, night, [row for row in inputs if row["app"] == app])
    ]
    return sorted(requests, key=lambda request: (request.ts, request.trace_id))


def plan_night(app: str, night: date, inputs: list[DemoInput]) -> Iterator[PlannedRequest]:
    """Plans 20 to 28 requests in sessions of a few turns, each session from one source."""
    count = 20 + hash_number(app, str(night)) % 9
    chosen = sorted(inputs, key=lambda row: digest([app, str(night), row["input"]]))[:count]
    chosen.sort(key=lambda row: str(row["metadata"]["source"]))
    session, turn, source = 0, 0, None
    for position, row in enumerate(chosen, 1):
        trace_id = f"{app}-{night:%m%d}-{position:02}"
        if row["metadata"]["source"] != source or hash_number(trace_id) % 5 >= 2:
            session, turn, source = session + 1, 0, row["metadata"]["source"]
        session_id = f"{app}-{night:%m%d}-s{session:02}"
        start = datetime.combine(night, datetime.min.time(), UTC)
        minutes = hash_number(session_id) % 1400 + 2 * turn
        turn += 1
        yield PlannedRequest(
            trace_id=trace_id,
            ts=start + timedelta(minutes=minutes, seconds=hash_number(trace_id) % 60),
            app=app,
            session_id=session_id,
            user_id=f"user-{hash_number(session_id, 'user') % 150:03}",
            input=row["input"],
            context=row.get("context"),
            metadata=row["metadata"],
        )


def split_words(text: str) -> frozenset[str]:
    """Returns the distinct words of a text, in lower case."""
    return frozenset(re.findall(r"\w+", text.lower()))


def measure_overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Measures the Jaccard similarity of two sets of words, from 0 to 1."""
    return len(first & second) / max(1, len(first | second))


def hash_number(*parts: str) -> int:
    """Returns a number that depends on the texts alone."""
    return int(digest(list(parts)), 16)


def ask_model(
    client: Any, pin: ModelPin, request: PlannedRequest, release: Release
) -> dict[str, JsonLike]:
    """Sends one request to the model and returns its trace."""
    params = {**release.params, "seed": hash_number(request.trace_id) % 100_000}
    messages = release.build_messages(request.input, request.context)
    began = time.perf_counter()
    answer = client.chat.completions.create(
        model=pin.model, messages=messages, **params, **release.response_format()
    )
    latency_ms = round((time.perf_counter() - began) * 1000, 1)
    choice = answer.choices[0]
    if release.answer_schema:
        params["json_schema"] = digest(release.answer_schema)
    return {
        "trace_id": request.trace_id,
        "ts": request.ts.isoformat().replace("+00:00", "Z"),
        "app": request.app,
        "session_id": request.session_id,
        "user_id": request.user_id,
        "input": request.input,
        "messages": messages,
        "context": request.context,
        "output": (choice.message.content or "").strip(),
        "model_requested": pin.model,
        "model": answer.model,
        "provider": "llama.cpp",
        "params": params,
        "prompt_name": request.app,
        "prompt_version": release.version,
        "prompt_hash": release.prompt_hash(),
        "git_commit": release.git_commit,
        "versions": release.versions,
        "finish_reason": choice.finish_reason,
        "tokens_in": answer.usage.prompt_tokens,
        "tokens_out": answer.usage.completion_tokens,
        "latency_ms": latency_ms,
        "cost_usd": 0.0,
        "tags": ["demo"],
        "metadata": request.metadata,
    }


def record_demo(
    out: Path, catalog: Path = CATALOG, progress: Callable[[int, int], None] | None = None
) -> int:
    """Asks the pinned model every planned request and writes the traces.

    One application is asked after the other, so that the model keeps its prompt in memory.

    Args:
        out: The gzipped JSON Lines file to write.
        catalog: The catalog whose `demo/` holds the inputs and prompts.
        progress: Called with how many are done, and how many there are.

    Returns:
        The number of traces.

    Raises:
        Unavailable: when the model's weights are absent or not the pinned ones.
        CatalogError: when the catalog pins no such model.
    """
    pin = load_catalog(catalog).models.get(PIN)
    if pin is None:
        raise CatalogError(f"{catalog / 'models.yaml'}:1: no pin {PIN!r} to record with")
    import openai

    releases, planned = read_releases(catalog), plan_requests(read_inputs(catalog))
    base_url = start_server(find_weights(pin), pin.model)
    rows: list[dict[str, JsonLike]] = []
    with openai.OpenAI(base_url=base_url, api_key="none", timeout=pin.timeout_s) as client:
        for request in sorted(planned, key=lambda request: request.app):
            release = release_on(releases[request.app], request.ts.date())
            rows.append(ask_model(client, pin, request, release))
            if progress:
                progress(len(rows), len(planned))
    write_traces(out, sorted(rows, key=lambda row: (str(row["ts"]), str(row["trace_id"]))))
    return len(rows)


def write_traces(out: Path, rows: Sequence[Mapping[str, JsonLike]]) -> None:
    """Writes rows as gzipped JSON Lines, atomically; equal rows give equal bytes."""
    lines = b"".join(encode_canonical(row) + b"\n" for row in rows)
    replace(out, gzip.compress(lines, 9, mtime=0))


def main() -> None:
    """Records the demo: `python -m evals.experiments.demo_recording --out FILE`."""
    parser = argparse.ArgumentParser(description="Record the demo's traces again.")
    parser.add_argument("--catalog", type=Path, default=CATALOG)
    parser.add_argument("--out", type=Path, help="default: the catalog's demo/inbox")
    chosen = parser.parse_args()
    out = chosen.out or chosen.catalog / "demo" / "inbox" / "traces.jsonl.gz"

    def show_progress(done: int, total: int) -> None:
        sys.stderr.write(f"\r{done} of {total}")  # noqa: TID251  figures

    count = record_demo(out, chosen.catalog, show_progress)
    sys.stderr.write(f"\n{count} traces in {out}\n")  # noqa: TID251  our own


if __name__ == "__main__":
    main()
