"""An HTTP client for one API: keys from the environment, a pace, and retries with waits.

Which paths are requested is decided by each system's own module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlsplit

import orjson

from evals.models.limits import parse_wait
from evals.records import Json, JsonLike

if TYPE_CHECKING:
    from requests import Response
    from tenacity import RetryCallState

Param: TypeAlias = str | int | Sequence[str] | None
"""A query parameter; one that is None is left out."""

ATTEMPTS = 8
TIMEOUT_S = (10.0, 120.0)
DEFAULT_WAIT_S = 10.0
"""The wait after a 429 without Retry-After: most servers count requests by the minute."""
MAX_WAIT_S = 120.0
"""A server that asks for a longer wait is called again by the next pull."""
MAX_ANSWER_BYTES = 128 * 2**20
MAX_ANSWER_S = 900.0
"""A page above either limit is refused before it fills the memory or the night."""
TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class SourceError(RuntimeError):
    """A system cannot be pulled from; the message names it, the reason and what to do."""


class Refused(SourceError):
    """The API answered 4xx: the path, the project or the cursor does not exist."""


class Transient(Exception):
    """A call failed in a way that may pass; `wait_s` is how long the server asked to wait."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Api:
    """A client for the API at one address. Its keys are in headers and in no message."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        variables: Sequence[str] = (),
        per_minute: int | None = None,
    ) -> None:
        import requests

        self.name, self.url, self.variables = name, url, variables
        self.session = requests.Session()
        self.session.trust_env = False  # a .netrc would replace the key that was declared
        self.session.headers.update({"accept": "application/json", **(headers or {})})
        self.session.auth = auth
        self.session.get_redirect_target = lambda resp: None  # the key goes to no other host
        self.gap_s = 60 / per_minute if per_minute else 0.0
        self.last_call = 0.0

    def close(self) -> None:
        """Closes the connections."""
        self.session.close()

    def get(self, path: str, item: str | None = None, /, **params: Param) -> Json:
        """Returns the JSON of a GET: of a listing, or of one item below the path by its id."""
        below = "" if item is None else "/" + quote(item, safe="")
        given = {key: value for key, value in params.items() if value is not None}
        return self.call("GET", path, below, params=given)

    def post(self, path: str, body: Mapping[str, JsonLike]) -> Json:
        """Returns the JSON of a POST that only reads."""
        return self.call("POST", path, body=body)

    def call(
        self,
        method: str,
        path: str,
        below: str = "",
        *,
        params: Mapping[str, str | int | Sequence[str]] | None = None,
        body: Mapping[str, JsonLike] | None = None,
    ) -> Json:
        """Makes one call, and repeats it while it fails in a way that may pass.

        Raises:
            SourceError: it was refused, or failed at every attempt.
        """
        import tenacity

        backoff = tenacity.wait_random_exponential(multiplier=0.25, max=30)

        def choose_wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return backoff(state) + (error.wait_s if isinstance(error, Transient) else 0.0)

        retry = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=choose_wait,
            sleep=sleep,
            retry=tenacity.retry_if_exception_type(Transient),
            reraise=True,
        )
        what = f"{self.name}: {method} {path}"
        try:
            return retry(self.send, what, method, self.url + path + below, params, body)
        except Transient as error:
            raise SourceError(
                f"{what} failed {ATTEMPTS} times ({error}); what was pulled is kept, run it again "
                "later"
            ) from None

    def send(
        self,
        what: str,
        method: str,
        url: str,
        params: Mapping[str, str | int | Sequence[str]] | None,
        body: Mapping[str, JsonLike] | None,
    ) -> Json:
        """Makes one call, keeping the declared pace; `what` begins every error message."""
        import requests
        import urllib3

        sleep(max(0.0, self.last_call + self.gap_s - monotonic()))
        self.last_call = monotonic()
        try:
            with self.session.request(
                method, url, params=params, json=body, timeout=TIMEOUT_S, stream=True
            ) as answer:
                self.check_status(answer, what)
                content = read_body(answer, what)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Transient(type(error).__name__) from None  # its message may contain the key
        try:
            return parse_json(content)
        except (ValueError, RecursionError):
            if content.lstrip()[:1] == b"<":
                raise SourceError(
                    f"{what} answered no JSON but a web page; check `base_url` in sources.yaml, "
                    "and whether a login or a proxy is in between"
                ) from None
            raise Transient("the answer is no JSON") from None

    def check_status(self, answer: Response, what: str) -> None:
        """Raises the error that an answer's status means; nothing below 300.

        Raises:
            Transient: the call may succeed later.
            SourceError: it will not.
        """
        status = answer.status_code
        if status in TRANSIENT_STATUSES:
            wait_s = parse_wait(answer.headers)
            if wait_s and wait_s > MAX_WAIT_S:
                raise SourceError(
                    f"{what} answered {status} and asks to wait {wait_s:.0f} s or more; what was "
                    "pulled is kept, run it again then"
                )
            by_default = DEFAULT_WAIT_S if status == 429 else 0.0
            raise Transient(f"status {status}", by_default if wait_s is None else wait_s)
        if status in (401, 403):
            check = f"check {' and '.join(self.variables)} in the environment"
            name = "name its key's variable in `key_env` of sources.yaml"
            raise SourceError(f"{what} was refused ({status}); {check if self.variables else name}")
        if 300 <= status < 400:
            where = find_host(answer.headers.get("location", ""))
            raise SourceError(
                f"{what} is redirected to {where}, where its key is not sent; set `base_url` in "
                "sources.yaml to the final address"
            )
        if status >= 400:
            raise Refused(
                f"{what} answered {status}; check `base_url` and the project names in sources.yaml"
            )


def read_body(answer: Response, what: str) -> bytes:
    """Reads the answer's bytes.

    Raises:
        SourceError: there are too many, or they come too slowly.
    """
    parts: list[bytes] = []
    size, began = 0, monotonic()
    while part := answer.raw.read1(2**20, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES or monotonic() - began > MAX_ANSWER_S:
            raise SourceError(
                f"{what}: a page is longer than {MAX_ANSWER_BYTES >> 20} MiB or takes more than "
                f"{MAX_ANSWER_S:.0f} s; set a smaller `page_size` in sources.yaml"
            )
    return b"".join(parts)


def parse_json(body: bytes) -> Json:
    """Parses JSON; accepts NaN and half a surrogate pair, so that one such row costs no page.

    A number that is not finite is kept as its text.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, parse_constant=str, parse_float=parse_float)


def parse_float(text: str) -> float | str:
    """Parses a number; returns its text where it is too large for a float."""
    number = float(text)
    return number if math.isfinite(number) else text


def write_json(value: JsonLike) -> bytes:
    """Writes a value as one line of JSON, half surrogate pairs included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def find_host(location: str) -> str:
    """Returns the host of a redirect's address, printable characters only."""
    try:
        host = urlsplit(location).hostname or "another path"
    except ValueError:
        return "a malformed address"
    return "".join(c for c in host if c.isprintable())[:100]
