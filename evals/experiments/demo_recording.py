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
    """One exchange shown to the model before the question."""

    input: str
    output: str


class Release(Spec):
    """What an application asked its model from one night on."""

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
        """Names the prompt alone: sampling does not change it."""
        shots = [[shot.input, shot.output] for shot in self.examples]
        return digest([self.system, self.user, shots, self.nearest, self.answer_schema])

    def messages(self, text: str, context: str | None) -> list[dict[str, str]]:
        """The chat as sent for one input."""
        found: list[dict[str, str]] = []
        if self.system:
            system = self.system.replace("{context}", context or "")
            found.append({"role": "system", "content": system})
        for shot in self.shown(text):
            found.append({"role": "user", "content": self.fill(shot.input, context)})
            found.append({"role": "assistant", "content": shot.output})
        return [*found, {"role": "user", "content": self.fill(text, context)}]

    def shown(self, text: str) -> tuple[Example, ...]:
        """The examples for an input, the nearest last; words in common measure nearness."""
        if self.nearest is None:
            return self.examples
        asked = words(text)
        found = sorted(
            self.examples, key=lambda shot: (overlap(words(shot.input), asked), shot.input)
        )
        return tuple(found[-self.nearest :])

    def fill(self, text: str, context: str | None) -> str:
        """The user's turn for a text."""
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
class Planned:
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
    """The releases of each application, oldest first.

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
    """The release in force on a night."""
    return max((r for r in releases if r.since <= night), key=lambda r: r.since)


def read_inputs(catalog: Path) -> list[DemoInput]:
    """The invented inputs."""
    path = catalog / "demo" / "inputs.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def plan(inputs: list[DemoInput]) -> list[Planned]:
    """Every request of every night in order of time; hashes choose, so it is always the same."""
    nights = [FIRST_NIGHT + timedelta(days=day) for day in range(NIGHTS)]
    apps = sorted({row["app"] for row in inputs})
    found = [
        request
        for app in apps
        for night in nights
        for request in plan_night(app, night, [row for row in inputs if row["app"] == app])
    ]
    return sorted(found, key=lambda request: (request.ts, request.trace_id))


def plan_night(app: str, night: date, inputs: list[DemoInput]) -> Iterator[Planned]:
    """20 to 28 requests in sessions of one to a few turns, each session from one source."""
    count = 20 + number(app, str(night)) % 9
    chosen = sorted(inputs, key=lambda row: digest([app, str(night), row["input"]]))[:count]
    chosen.sort(key=lambda row: str(row["metadata"]["source"]))
    session, turn, source = 0, 0, None
    for position, row in enumerate(chosen, 1):
        trace_id = f"{app}-{night:%m%d}-{position:02}"
        if row["metadata"]["source"] != source or number(trace_id) % 5 >= 2:
            session, turn, source = session + 1, 0, row["metadata"]["source"]
        session_id = f"{app}-{night:%m%d}-s{session:02}"
        start = datetime.combine(night, datetime.min.time(), UTC)
        minutes = number(session_id) % 1400 + 2 * turn
        turn += 1
        yield Planned(
            trace_id=trace_id,
            ts=start + timedelta(minutes=minutes, seconds=number(trace_id) % 60),
            app=app,
            session_id=session_id,
            user_id=f"user-{number(session_id, 'user') % 150:03}",
            input=row["input"],
            context=row.get("context"),
            metadata=row["metadata"],
        )


def words(text: str) -> frozenset[str]:
    """The distinct words of a text, in lower case."""
    return frozenset(re.findall(r"\w+", text.lower()))


def overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """The Jaccard similarity of two sets of words, from 0 to 1."""
    return len(first & second) / max(1, len(first | second))


def number(*parts: str) -> int:
    """A number that depends on nothing but the words."""
    return int(digest(list(parts)), 16)


def ask(client: Any, pin: ModelPin, request: Planned, release: Release) -> dict[str, JsonLike]:
    """Sends one request to the model and returns its trace."""
    params = {**release.params, "seed": number(request.trace_id) % 100_000}
    messages = release.messages(request.input, request.context)
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


def record(
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

    releases, planned = read_releases(catalog), plan(read_inputs(catalog))
    base_url = start_server(find_weights(pin), pin.model)
    rows: list[dict[str, JsonLike]] = []
    with openai.OpenAI(base_url=base_url, api_key="none", timeout=pin.timeout_s) as client:
        for request in sorted(planned, key=lambda request: request.app):
            release = release_on(releases[request.app], request.ts.date())
            rows.append(ask(client, pin, request, release))
            if progress:
                progress(len(rows), len(planned))
    write(out, sorted(rows, key=lambda row: (str(row["ts"]), str(row["trace_id"]))))
    return len(rows)


def write(out: Path, rows: Sequence[Mapping[str, JsonLike]]) -> None:
    """Rows as gzipped JSON Lines, aside and then renamed; equal rows give equal bytes."""
    lines = b"".join(encode_canonical(row) + b"\n" for row in rows)
    replace(out, gzip.compress(lines, 9, mtime=0))


def main() -> None:
    """The command line: `python -m evals.experiments.demo_recording --out FILE`."""
    parser = argparse.ArgumentParser(description="Record the demo's traces again.")
    parser.add_argument("--catalog", type=Path, default=CATALOG)
    parser.add_argument("--out", type=Path, help="default: the catalog's demo/inbox")
    chosen = parser.parse_args()
    out = chosen.out or chosen.catalog / "demo" / "inbox" / "traces.jsonl.gz"

    def show(done: int, total: int) -> None:
        sys.stderr.write(f"\r{done} of {total}")  # noqa: TID251  figures

    count = record(out, chosen.catalog, show)
    sys.stderr.write(f"\n{count} traces in {out}\n")  # noqa: TID251  our own


if __name__ == "__main__":
    main()
