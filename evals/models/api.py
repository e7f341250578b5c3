"""The `openai` client of a pin: who is asked, with which key, and the lean way a question takes.

When to ask, how often and how many at once is the runner's.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import date
from typing import Any

from evals.models.api_shapes import shape_of
from evals.models.faults import from_openai
from evals.models.protocol import Key, ModelError, Reply, Request
from evals.models.transport import Address, Wire
from evals.specs import ModelPin

CONNECTION = ("accept-encoding", "connection", "content-length", "host")
"""Headers that belong to one connection or one body."""


class OpenAIClient:
    """A pin's server behind the `openai` client, its retries left to the runner.

    The `openai` client writes the first request, and with it the address and every header, for
    OpenAI, Azure and whoever speaks like them. Questions then go to that address as bytes over
    aiohttp: a fraction of the CPU that typed requests and answers cost (`make bench` prints
    both). What is no question (files, batches, the model list) goes through `client`.
    """

    def __init__(self, pin: ModelPin, base_url: str | None, key: Key) -> None:
        self.pin, self.base_url, self.key = pin, base_url, key
        self.shape = shape_of(pin, key)
        self.path = self.shape.path
        self.body, self.read = self.shape.body, self.shape.read
        self.wire = Wire(addressed(pin, base_url, key, self.path))

    async def ask(self, request: Request, limit_s: float | None = None) -> Reply:
        """One question; see `Client.ask`."""
        reply = await self.answer(request, limit_s or self.pin.timeout_s)
        if isinstance(reply, ModelError):
            raise reply
        return reply

    async def answer(self, request: Request, limit_s: float) -> Reply | ModelError:
        """The answer to a question, or why there is none; see `Wire.post`."""
        got = await self.wire.post(self.body(request), limit_s)
        if isinstance(got, ModelError):
            return got
        reply = self.shape.told(request, got.answer)
        if isinstance(reply, ModelError):
            reply.limits = got.limits
            return reply
        return reply._replace(limits=got.limits) if got.limits else reply

    @functools.cached_property
    def client(self) -> Any:
        """The whole `openai` client, for all that is not a question."""
        import openai

        make = openai.AsyncAzureOpenAI if self.pin.azure else openai.AsyncOpenAI
        transport = openai.DefaultAioHttpClient()
        return make(**settings(self.pin, self.base_url, self.key), http_client=transport)

    async def ends(self) -> dict[str, date]:
        """The models of the provider's list that have a last day; see `Client.ends`."""
        import openai

        try:
            listed = self.client.models.list()
            return {model.id: day async for model in listed for day in last_day(model)}
        except (openai.OpenAIError, ValueError, TypeError) as error:
            fault = from_openai(error)
        raise fault

    async def close(self) -> None:
        """Gives connections back."""
        await self.wire.close()
        if "client" in vars(self):
            await self.client.close()


def settings(pin: ModelPin, base_url: str | None, key: Key) -> dict[str, Any]:
    """What the `openai` client is made with."""
    common = {"api_key": key.reveal() or "none", "max_retries": 0, "timeout": pin.timeout_s}
    if pin.azure is None:
        return common | {"base_url": base_url}
    return common | {
        "azure_endpoint": pin.azure.endpoint,
        "azure_deployment": pin.azure.deployment,
        "api_version": pin.azure.api_version,
    }


def addressed(pin: ModelPin, base_url: str | None, key: Key, path: str) -> Address:
    """Where the `openai` client would send a question, and with which headers; sends nothing."""
    import httpx2
    import openai

    written: list[Any] = []

    def kept(request: httpx2.Request) -> httpx2.Response:
        written.append(request)
        return httpx2.Response(200, json={})

    make = openai.AzureOpenAI if pin.azure else openai.OpenAI
    nowhere = httpx2.Client(transport=httpx2.MockTransport(kept), trust_env=False)
    with make(**settings(pin, base_url, key), http_client=nowhere) as client:
        client.post(path, body={"model": pin.model}, cast_to=object)
    headers = {
        name: value
        for name, value in written[0].headers.items()
        if name not in CONNECTION and not name.startswith("x-stainless-")
    }
    if key.reveal() is None:
        headers.pop("authorization", None)
    return Address(str(written[0].url), headers)


def last_day(model: Any) -> Iterator[date]:
    """The model's shutdown date, if the list tells one."""
    told = getattr(model, "shutdown_date", None)
    if isinstance(told, str):
        yield date.fromisoformat(told[:10])
