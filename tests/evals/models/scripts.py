"""Sends a request of the model client to a server that follows a script."""

import asyncio
from typing import Any

from evals import models
from evals.models import Reply, Request
from evals.specs import ModelPin
from tests.evals.models import model_server as server

REQUEST = Request(({"role": "user", "content": "?"},), 10, 0.0, 1)
YES_NO = Request(REQUEST.messages, 1, 0.0, 1, yes_no=True)
BY_SCHEMA = Request(REQUEST.messages, 10, 0.0, 1, schema={"type": "object"})
Bodies = list[dict[str, Any]]


def send_request(pin: ModelPin, request: Request = REQUEST, key: str | None = "k") -> Reply:
    """Sends one request to a pin's server."""

    async def send() -> Reply:
        client = models.OpenAIClient(pin, pin.base_url, models.Key(key))
        try:
            return await client.ask(request)
        finally:
            await client.close()

    return asyncio.run(send())


def run_script(
    script: Any, request: Request = REQUEST, seen: Bodies | None = None, **keys: Any
) -> Reply:
    """Sends one request to a server that follows a script."""
    with server.serve_script(script) as running:
        pin = ModelPin(**{"name": "m", "model": "m-1", "base_url": running.url, **keys})
        try:
            return send_request(pin, request)
        finally:
            (seen if seen is not None else []).extend(running.bodies)


def script_completion(text: str | None, **changes: Any) -> Any:
    """Builds a script of one chat completion."""
    return lambda body, n: server.ServerReply(200, server.build_completion(body, text, **changes))


def script_response(text: str, **changes: Any) -> Any:
    """Builds a script of one Response."""
    return lambda body, n: server.ServerReply(200, server.build_response(body, text, **changes))
