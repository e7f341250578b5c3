"""Posts JSON bodies and reads JSON answers over kept-alive connections: the hot path of a call.

Knows addresses and bytes only. `api_shapes` knows what they mean, `faults` how a call fails.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from evals.models.faults import error_from_exception, error_from_status
from evals.models.limits import parse_limits
from evals.models.protocol import Limits, ModelError
from evals.records import Json, JsonLike

if TYPE_CHECKING:
    import aiohttp


CONTENT_ENCODING = "Content-Encoding"
MOST_BYTES = 16 * 2**20
"""The most bytes of an answer that are read, after decompression; the client bounds headers."""


class Address(NamedTuple):
    """The URL and headers of a request, as the `openai` client builds them."""

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        """Shows the URL alone: a header holds the key."""
        return f"Address({self.url!r})"


class JsonResponse(NamedTuple):
    """A decoded answer, and the provider's rate limits."""

    answer: Json
    limits: Limits | None


class JsonTransport:
    """Posts to one address; the first call opens its session, in that call's event loop."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.session: aiohttp.ClientSession | None = None

    def open_session(self) -> aiohttp.ClientSession:
        """Opens a session with the `openai` client's TLS settings and without cookies."""
        import aiohttp
        import httpx2

        secure = self.address.url.startswith("https:")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # `evals.calls` bounds how many calls run at once
                ssl=httpx2.create_ssl_context() if secure else True,
                ttl_dns_cache=300,
            ),
            headers=dict(self.address.headers),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # `post` has its own timeout
            proxy=find_proxy(self.address.url),
        )

    async def post(self, body: JsonLike, limit_s: float) -> JsonResponse | ModelError:
        """Posts a body and returns the answer or the error, within so many seconds.

        Errors are returned, not raised: the caller raises them in a frame without headers or
        the provider's error text, and not chained to an exception that holds them.
        """
        if self.session is None:
            self.session = self.open_session()
        try:
            async with (
                asyncio.timeout(limit_s),
                self.session.post(
                    self.address.url, data=encode_json(body), allow_redirects=False
                ) as response,
            ):
                raw = await read_body(response)
            if raw is None:
                return ModelError("malformed-response", "it is too large", retryable=True)
            if response.status != 200:
                return error_from_status(response.status, response.headers, raw)
        except Exception as error:  # before the answer is decoded: some are a ValueError, too
            return error_from_exception(error)
        try:
            return JsonResponse(decode_json(raw), parse_limits(response.headers))
        except ValueError:
            code = "web-page" if raw.lstrip()[:1] == b"<" else "malformed-response"
            return ModelError(code, "not JSON", retryable=True)

    async def close(self) -> None:
        """Closes the connections."""
        if self.session is not None:
            await self.session.close()
            self.session = None


async def read_body(response: aiohttp.ClientResponse) -> bytes | None:
    """Reads a body; None where it is larger than an answer may be.

    A body of unknown length, as a compressed one is, is read piece by piece.
    """
    length = response.content_length
    if length is not None and length <= MOST_BYTES and CONTENT_ENCODING not in response.headers:
        return await response.read()
    pieces: list[bytes] = []
    left = MOST_BYTES
    async for piece in response.content.iter_any():
        left -= len(piece)
        if left < 0:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def find_proxy(url: str) -> str | None:
    """Finds the proxy for an address once; aiohttp would read the environment at each call."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def encode_json(body: JsonLike) -> bytes:
    """Encodes a body as JSON; an unpaired surrogate, which no server reads, becomes `?`."""
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def decode_json(raw: bytes) -> Json:
    """Decodes JSON.

    Raises:
        ValueError: when it is not valid.
    """
    import orjson

    return orjson.loads(raw)
