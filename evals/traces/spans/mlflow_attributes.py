"""MLflow's attributes of spans in the terms of OpenInference and GenAI, in whichever file they are.

MLflow writes each value as JSON text. `facts` interprets the result.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from evals.records import Json
from evals.traces.spans.observations import (
    EMPTY,
    Object,
    describe_model_call,
    describe_sides,
    find_documents,
    list_objects,
    name_model,
    parse_text,
    to_text,
)

TYPE, INPUTS, OUTPUTS = "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs"
REQUEST_ID = "mlflow.traceRequestId"
KINDS = {
    **dict.fromkeys(("LLM", "CHAT_MODEL"), "LLM"),
    **dict.fromkeys(("PARSER", "WORKFLOW", "TASK", "MEMORY"), "CHAIN"),
}
"""The kinds of OpenInference for MLflow's types of spans; any other type is one by itself."""
RENAMED = {
    "mlflow.llm.provider": "gen_ai.provider.name",
    "mlflow.chat.tools": "gen_ai.tool.definitions",
    "mlflow.trace.session": "session.id",
    "mlflow.trace.user": "user.id",
}
READ = frozenset(
    [
        *(TYPE, INPUTS, OUTPUTS, REQUEST_ID, "mlflow.llm.model", "mlflow.chat.tokenUsage"),
        *("mlflow.llm.cost", "mlflow.linkedPrompts", "mlflow.experimentId"),
        *("mlflow.spanFunctionName", "mlflow.spanLogLevel", "mlflow.spanStartTimeNs"),
        *("mlflow.message.format", "mlflow.spanDescription"),
    ]
)
"""Attributes that are read, or concern MLflow's own pages."""


def has_mlflow_attributes(attributes: Mapping[str, Json]) -> bool:
    """Whether MLflow wrote a span."""
    return TYPE in attributes or REQUEST_ID in attributes


def convert_attributes(attributes: Mapping[str, Json]) -> Object:
    """Converts the attributes of a span that MLflow wrote; those of other conventions stay."""
    decoded = {key: decode_value(value) for key, value in attributes.items() if value is not None}
    inputs, outputs = decoded.get(INPUTS), decoded.get(OUTPUTS)
    word = to_text(decoded.get(TYPE)).upper()
    kind = KINDS.get(word, word)
    result: Object = {
        RENAMED.get(key, key): value for key, value in decoded.items() if key not in READ
    }
    converted: Object = {
        "openinference.span.kind": kind or None,
        **describe_sides(inputs, outputs, is_table=False),
        **describe_usage(decoded),
        **describe_prompt(decoded.get("mlflow.linkedPrompts")),
    }
    if kind == "LLM":
        call = describe_model_call(inputs, outputs)
        filled = {key: value for key, value in converted.items() if value not in EMPTY}
        converted = {**call, **filled, **name_model(call, decoded.get("mlflow.llm.model"))}
    elif kind == "RETRIEVER":
        converted["retrieval.documents"] = find_documents(outputs)
    return result | {key: value for key, value in converted.items() if value not in EMPTY}


def decode_value(value: Json) -> Json:
    """Decodes a value that MLflow wrote as JSON text; returns any other value as it is."""
    if type(value) is not str or not value:
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def describe_usage(decoded: Object) -> Object:
    """Describes the tokens and the cost of a call."""
    usage, cost = decoded.get("mlflow.chat.tokenUsage"), decoded.get("mlflow.llm.cost")
    usage = usage if type(usage) is dict else {}
    return {
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.total_tokens": usage.get("total_tokens"),
        "gen_ai.usage.cost": cost.get("total_cost") if type(cost) is dict else None,
    }


def describe_prompt(value: Json) -> Object:
    """Describes the first prompt that a trace or a span is linked to."""
    prompts = list_objects(parse_text(value))
    if not prompts:
        return {}
    return {
        "gen_ai.prompt.name": prompts[0].get("name"),
        "gen_ai.prompt.version": prompts[0].get("version"),
    }
