"""One HTTP API spoken to with manners: keys from the environment, waits as told, tries again.

What is asked for is each system's own module's.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

ATTEMPTS = 8
TIMEOUT_S = (10.0, 120.0)
LONGEST_WAIT_S = 120.0
LONGEST_ANSWER = 256 * 2**20
"""Bytes; a page that is longer is refused before it fills the memory."""
PASSING = (408, 425, 429, 500, 502, 503, 504)


class SourceError(RuntimeError):
    """A system cannot be pulled from; the message says which, what it said and what to do."""


class Passing(Exception):
    """A call failed in a way that may pass."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Api:
    """An API under one address. Keys are in its headers and in no message."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        per_minute: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import requests

        self.name, self.url, self.sleep = name, url, sleep
        self.session = requests.Session()
        self.session.trust_env = False  # a .netrc would replace the key that was declared
        self.session.headers.update({"accept": "application/json", **(headers or {})})
        self.session.auth = auth
        self.pause = 60 / per_minute if per_minute else 0.0
        self.last = 0.0

    def close(self) -> None:
        """Ends its connections."""
        self.session.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET; parameters that are None are left out."""
        return self.call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of a POST that changes nothing."""
        return self.call("POST", path, json=body)

    def call(self, method: str, path: str, **more: Any) -> Any:
        """One call, tried again while its failure may pass.

        Raises:
            SourceError: it did not pass, or was refused.
        """
        import tenacity

        backoff = tenacity.wait_random_exponential(multiplier=0.25, max=30)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return backoff(state) + (error.wait_s if isinstance(error, Passing) else 0.0)

        trying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=wait,
            sleep=self.sleep,
            retry=tenacity.retry_if_exception_type(Passing),
            reraise=True,
        )
        try:
            return trying(self.once, method, path, **more)
        except Passing as error:
            what = f"{self.name}: {method} {path} failed {ATTEMPTS} times ({error})"
            raise SourceError(f"{what}; what was pulled is kept, run it again later") from None

    def once(self, method: str, path: str, **more: Any) -> Any:
        """One call."""
        import orjson
        import requests

        self.sleep(max(0.0, self.last + self.pause - time.monotonic()))
        self.last = time.monotonic()
        try:
            with self.session.request(
                method, self.url + path, timeout=TIMEOUT_S, stream=True, **more
            ) as answer:
                self.check(answer, method, path)
                return orjson.loads(body_of(answer))
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Passing(type(error).__name__) from None
        except (requests.exceptions.ChunkedEncodingError, orjson.JSONDecodeError):
            raise Passing("the answer broke off or is no JSON") from None

    def check(self, answer: Response, method: str, path: str) -> None:
        """Raises what an answer's status means."""
        status = answer.status_code
        if status in PASSING:
            raise Passing(f"status {status}", asked_to_wait(answer.headers.get("retry-after")))
        if status in (401, 403):
            raise SourceError(f"{self.name}: refused ({status}); check its keys in the environment")
        if status >= 400:
            raise SourceError(
                f"{self.name}: {method} {path} answered {status}; check `base_url` and the project "
                "names in sources.yaml"
            )


def body_of(answer: Response) -> bytes:
    """The answer's bytes.

    Raises:
        SourceError: there are too many.
    """
    parts, size = [], 0
    for part in answer.iter_content(2**20):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER:
            raise SourceError("a page is longer than 256 MiB; set a smaller `page_size`")
    return b"".join(parts)


def asked_to_wait(header: str | None) -> float:
    """Seconds of a Retry-After header, a number or a date; at most two minutes."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
