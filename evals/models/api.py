"""The client of a pin: builds the address and headers with `openai`, sends requests over aiohttp.

Retries, concurrency and pacing belong to `evals.calls`.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from datetime import date
from typing import TYPE_CHECKING, TypedDict, cast

from evals.models.answer_fields import require_list, require_object, require_text
from evals.models.api_shapes import choose_shape
from evals.models.faults import error_from_openai
from evals.models.protocol import Key, ModelError, Reply, Request
from evals.models.transport import MOST_BYTES, Address, JsonTransport
from evals.records import Json
from evals.specs import ModelPin

if TYPE_CHECKING:
    import httpx2
    import openai

MOST_PACKED_BYTES = 2**18
"""The most compressed bytes of an answer that is read whole: a thousand times as many unpacked."""

CONNECTION = ("accept-encoding", "connection", "content-length", "host")
"""Headers of one connection or one body; each request has its own."""


class OpenAIClient:
    """A client of one pin, without retries of its own.

    The `openai` client builds the address and the headers, for OpenAI, Azure and compatible
    servers. Requests then go to that address as bytes over aiohttp, at a fraction of the CPU of
    the typed client (`make bench` prints both). Files, batches and the model list go through
    `client`.
    """

    def __init__(self, pin: ModelPin, base_url: str | None, key: Key) -> None:
        self.pin, self.base_url, self.key = pin, base_url, key
        self.shape = choose_shape(pin, key)
        self.path = self.shape.path
        self.build_body, self.parse_answer = self.shape.build_body, self.shape.parse_answer
        self.wire = JsonTransport(find_address(pin, base_url, key, self.path))

    async def ask(self, request: Request, limit_s: float | None = None) -> Reply:
        """Sends one request; see `Client.ask`."""
        reply = await self.ask_or_error(request, limit_s or self.pin.timeout_s)
        if isinstance(reply, ModelError):
            raise reply
        return reply

    async def ask_or_error(self, request: Request, limit_s: float) -> Reply | ModelError:
        """Sends one request and returns the error instead of raising it; see `JsonTransport`.

        A server that refuses so many log probabilities is asked again for fewer.
        """
        body = self.build_body(request)
        got = await self.wire.post(body, limit_s)
        if isinstance(got, ModelError) and self.shape.lower_candidates(body, got.code):
            got = await self.wire.post(self.build_body(request), limit_s)
        if isinstance(got, ModelError):
            return got
        reply = self.shape.parse_or_error(request, got.answer)
        if isinstance(reply, ModelError):
            reply.limits = got.limits
            return reply
        return reply._replace(limits=got.limits) if got.limits else reply

    @functools.cached_property
    def client(self) -> openai.AsyncOpenAI:
        """The full `openai` client, for files, batches and the model list."""
        import openai

        common, azure = client_settings(self.pin, self.key), azure_settings(self.pin)
        transport = openai.DefaultAioHttpClient(event_hooks={"response": [bound_body]})
        if azure:
            return openai.AsyncAzureOpenAI(**common, **azure, http_client=transport)
        return openai.AsyncOpenAI(**common, base_url=self.base_url, http_client=transport)

    async def list_expiries(self) -> dict[str, date | None]:
        """Reads the provider's model list; see `Client.list_expiries`.

        Sent by the library and parsed here: the library reads any other answer as an empty list.
        """
        try:
            answer = await self.client.get("/models", cast_to=object)
            return parse_model_list(cast("Json", answer))
        except Exception as error:
            fault = error_from_openai(error)
        raise fault

    async def close(self) -> None:
        """Closes all connections."""
        await self.wire.close()
        if "client" in vars(self):
            await self.client.close()


class ClientSettings(TypedDict):
    """Arguments every `openai` client is constructed with."""

    api_key: str
    max_retries: int
    timeout: float


class AzureSettings(TypedDict):
    """Further arguments of an Azure client."""

    azure_endpoint: str
    azure_deployment: str
    api_version: str


def client_settings(pin: ModelPin, key: Key) -> ClientSettings:
    """Returns the arguments a pin's `openai` client is constructed with."""
    return {"api_key": key.reveal() or "none", "max_retries": 0, "timeout": pin.timeout_s}


def azure_settings(pin: ModelPin) -> AzureSettings | None:
    """Returns the further arguments where the pin is deployed on Azure, else None."""
    if pin.azure is None:
        return None
    return {
        "azure_endpoint": pin.azure.endpoint,
        "azure_deployment": pin.azure.deployment,
        "api_version": pin.azure.api_version,
    }


def find_address(pin: ModelPin, base_url: str | None, key: Key, path: str) -> Address:
    """Finds the address and headers the `openai` client would use; sends nothing."""
    import httpx2
    import openai

    requests: list[httpx2.Request] = []

    def record(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={})

    common, azure = client_settings(pin, key), azure_settings(pin)
    nowhere = httpx2.Client(transport=httpx2.MockTransport(record), trust_env=False)
    with (
        openai.AzureOpenAI(**common, **azure, http_client=nowhere)
        if azure
        else openai.OpenAI(**common, base_url=base_url, http_client=nowhere)
    ) as client:
        client.post(path, body={"model": pin.model}, cast_to=object)
    headers = {
        name: value
        for name, value in requests[0].headers.items()
        if name not in CONNECTION and not name.startswith("x-stainless-")
    }
    if key.reveal() is None:
        headers.pop("authorization", None)
    return Address(str(requests[0].url), headers)


async def bound_body(response: httpx2.Response) -> None:
    """Bounds the body of an answer that is read whole; a download bounds itself."""
    if not response.request.url.path.endswith("/content"):
        response.stream = build_bounded_stream(response)


def build_bounded_stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    """Builds a stream that raises `BodyTooLarge` beyond the most bytes of a body."""
    import httpx2

    inner = cast("httpx2.AsyncByteStream", response.stream)
    most = MOST_PACKED_BYTES if "content-encoding" in response.headers else MOST_BYTES

    class BoundedStream(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most
            async for piece in inner:
                left -= len(piece)
                if left < 0:
                    raise BodyTooLarge
                yield piece

        async def aclose(self) -> None:
            await inner.aclose()

    return BoundedStream()


class BodyTooLarge(ValueError):
    """A body is larger than an answer may be."""


def parse_model_list(answer: Json) -> dict[str, date | None]:
    """Parses a model list into each model and its last day, if it has one.

    Raises:
        SHAPE_ERRORS: when it is no list of models.
    """
    rows = [require_object(row) for row in require_list(require_object(answer)["data"])]
    return {require_text(row["id"]): parse_day(row.get("shutdown_date")) for row in rows}


def parse_day(value: Json) -> date | None:
    """Parses a date or a timestamp in ISO form; None for anything else."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
