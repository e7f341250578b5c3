"""The products that export traces: the writer of each, and the fields that its format lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.evals.traces import span_logs
from tests.evals.traces.call_exports import (
    write_bedrock,
    write_helicone,
    write_litellm,
    write_openai,
    write_vertex,
)
from tests.evals.traces.exchange import Exchange
from tests.evals.traces.span_exports import (
    write_langfuse,
    write_langsmith,
    write_openinference,
    write_otlp,
    write_phoenix,
)


class Product(NamedTuple):
    """A product's writer, and the fields that its format cannot hold."""

    write: Callable[[Exchange], str]
    file: str
    missing: frozenset[str] = frozenset()


PRODUCTS = {
    "otlp": Product(write_otlp, "spans.jsonl", frozenset({"cost_usd", "tags"})),
    "openinference": Product(write_openinference, "spans.jsonl"),
    "phoenix": Product(write_phoenix, "phoenix.jsonl"),
    "langfuse": Product(write_langfuse, "traces.json"),
    "langsmith": Product(write_langsmith, "runs.jsonl"),
    "openai": Product(write_openai, "log.jsonl", frozenset({"step"})),
    "bedrock": Product(
        write_bedrock, "calls.jsonl", frozenset({"step", "cost_usd", "tags", "model"})
    ),
    "vertex": Product(
        write_vertex, "calls.jsonl", frozenset({"step", "cost_usd", "tags", "messages"})
    ),
    "helicone": Product(write_helicone, "calls.jsonl", frozenset({"step", "tags"})),
    "litellm": Product(write_litellm, "calls.jsonl", frozenset({"step"})),
    "mlflow": Product(span_logs.mlflow, "mlflow.jsonl", frozenset({"app", "tags"})),
    "opik": Product(span_logs.opik, "opik.jsonl"),
    "weave": Product(span_logs.weave, "calls.jsonl", frozenset({"tags"})),
    "braintrust": Product(span_logs.braintrust, "logs.json", frozenset({"app", "model_requested"})),
    "openai_agents": Product(
        span_logs.openai_agents, "agents.jsonl", frozenset({"app", "model", "cost_usd", "tags"})
    ),
}
