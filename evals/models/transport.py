"""The hot call: one JSON body posted, one JSON answer read, over connections that are kept.

Knows addresses and bytes. What they mean is told in `shapes`, how a call fails in `faults`.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from evals.models.faults import broken, from_status
from evals.models.limits import limits_of
from evals.models.protocol import Limits, ModelError


class Address(NamedTuple):
    """Where a question goes, and the headers it goes with: as the `openai` client wrote them."""

    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        """The URL alone: a header holds the key."""
        return f"Address({self.url!r})"


class Got(NamedTuple):
    """An answer, parsed, and what the provider still allows."""

    answer: Any
    limits: Limits | None


class Wire:
    """Posts to one address; its session opens with the first call, in the loop that makes it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.session: Any = None

    def open(self) -> Any:
        """A session that trusts what the `openai` client trusts and remembers no cookie."""
        import aiohttp
        import httpx2

        secure = self.address.url.startswith("https:")
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the asker bounds how much is under way
                ssl=httpx2.create_ssl_context() if secure else True,
                ttl_dns_cache=300,
            ),
            headers=dict(self.address.headers),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # `post` ends what takes too long
            proxy=proxy_for(self.address.url),
        )

    async def post(self, body: Any, limit_s: float) -> Got | ModelError:
        """What came of posting a body, within so many seconds; an error is given and not raised.

        So whoever raises it does so in a frame that never saw a header or a provider's words,
        and chained to nothing that did.
        """
        if self.session is None:
            self.session = self.open()
        try:
            async with (
                asyncio.timeout(limit_s),
                self.session.post(
                    self.address.url, data=to_bytes(body), allow_redirects=False
                ) as response,
            ):
                raw = await response.read()
            if response.status != 200:
                return from_status(response.status, response.headers, raw)
            return Got(from_bytes(raw), limits_of(response.headers))
        except ValueError:
            return ModelError("malformed-response", "not JSON", retryable=True)
        except Exception as error:
            return broken(error)

    async def close(self) -> None:
        """Gives the connections back."""
        if self.session is not None:
            await self.session.close()
            self.session = None


def proxy_for(url: str) -> str | None:
    """The proxy the environment names for an address; aiohttp would look for it at each call."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def to_bytes(body: Any) -> bytes:
    """A body as JSON; half a surrogate pair, which no server reads, becomes a question mark."""
    import orjson

    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def from_bytes(raw: bytes) -> Any:
    """JSON as values; raises ValueError when it is none."""
    import orjson

    return orjson.loads(raw)
