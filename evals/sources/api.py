"""One HTTP API spoken to with manners: keys from the environment, waits as told, tries again.

What is asked for is each system's own module's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson

from evals.models.limits import parse_wait

if TYPE_CHECKING:
    from requests import Response
    from tenacity import RetryCallState

ATTEMPTS = 8
TIMEOUT_S = (10.0, 120.0)
UNSAID_WAIT_S = 10.0
"""How long a busy server is left alone that does not say until when: most count by the minute."""
LONGEST_WAIT_S = 120.0
"""Who asks for more is asked again by the next pull."""
LONGEST_ANSWER = 128 * 2**20
LONGEST_ANSWER_S = 900.0
"""Bytes and seconds; a page that takes more is refused before it fills the memory or the night."""
PASSING = (408, 425, 429, 500, 502, 503, 504)


class SourceError(RuntimeError):
    """A system cannot be pulled from; the message says which, what it said and what to do."""


class Refused(SourceError):
    """What was asked for is not there, or not to be had like this."""


class Transient(Exception):
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
        self.pause = 60 / per_minute if per_minute else 0.0
        self.last = 0.0

    def close(self) -> None:
        """Ends its connections."""
        self.session.close()

    def get(self, path: str, one: str | None = None, /, **params: Any) -> Any:
        """The JSON of a GET, of `one` below the path by its id; what is None is left out."""
        below = "" if one is None else "/" + quote(one, safe="")
        given = {key: value for key, value in params.items() if value is not None}
        return self.call("GET", path, below, params=given)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON of a POST that changes nothing."""
        return self.call("POST", path, json=body)

    def call(self, method: str, path: str, below: str = "", **more: Any) -> Any:
        """One call, tried again while its failure may pass.

        Raises:
            SourceError: it did not pass, or was refused.
        """
        import tenacity

        backoff = tenacity.wait_random_exponential(multiplier=0.25, max=30)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return backoff(state) + (error.wait_s if isinstance(error, Transient) else 0.0)

        trying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            wait=wait,
            sleep=sleep,
            retry=tenacity.retry_if_exception_type(Transient),
            reraise=True,
        )
        what = f"{self.name}: {method} {path}"
        try:
            return trying(self.once, what, method, self.url + path + below, **more)
        except Transient as error:
            raise SourceError(
                f"{what} failed {ATTEMPTS} times ({error}); what was pulled is kept, run it again "
                "later"
            ) from None

    def once(self, what: str, method: str, url: str, **more: Any) -> Any:
        """One call; `what` it is begins every message."""
        import requests
        import urllib3

        sleep(max(0.0, self.last + self.pause - monotonic()))
        self.last = monotonic()
        try:
            with self.session.request(
                method, url, timeout=TIMEOUT_S, stream=True, **more
            ) as answer:
                self.check(answer, what)
                body = read_body(answer, what)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Transient(type(error).__name__) from None  # its own words may hold the key
        try:
            return parse_json(body)
        except (ValueError, RecursionError):
            if body.lstrip()[:1] == b"<":
                raise SourceError(
                    f"{what} answered no JSON but a web page; check `base_url` in sources.yaml and "
                    "what stands before it: a login, a proxy"
                ) from None
            raise Transient("the answer is no JSON") from None

    def check(self, answer: Response, what: str) -> None:
        """Raises what an answer's status means."""
        status = answer.status_code
        if status in PASSING:
            said = parse_wait(answer.headers)
            if said and said > LONGEST_WAIT_S:
                raise SourceError(
                    f"{what} answered {status} and asks to wait {said:.0f} s or more; what was "
                    "pulled is kept, run it again then"
                )
            raise Transient(
                f"status {status}", UNSAID_WAIT_S if said is None and status == 429 else said or 0.0
            )
        if status in (401, 403):
            check = f"check {' and '.join(self.variables)} in the environment"
            name = "name its key's variable in `key_env` of sources.yaml"
            raise SourceError(f"{what} was refused ({status}); {check if self.variables else name}")
        if 300 <= status < 400:
            where = find_host(answer.headers.get("location", ""))
            raise SourceError(
                f"{what} is sent on to {where}, where its key does not follow; set `base_url` in "
                "sources.yaml to where it really is"
            )
        if status >= 400:
            raise Refused(
                f"{what} answered {status}; check `base_url` and the project names in sources.yaml"
            )


def read_body(answer: Response, what: str) -> bytes:
    """The answer's bytes.

    Raises:
        SourceError: there are too many, or they come too slowly.
    """
    parts, size, began = [], 0, monotonic()
    while part := answer.raw.read1(2**20, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > LONGEST_ANSWER or monotonic() - began > LONGEST_ANSWER_S:
            raise SourceError(
                f"{what}: a page is longer than {LONGEST_ANSWER >> 20} MiB or takes more than "
                f"{LONGEST_ANSWER_S:.0f} s; set a smaller `page_size` in sources.yaml"
            )
    return b"".join(parts)


def parse_json(body: bytes) -> Any:
    """The value of a JSON text; half a surrogate pair or NaN in one row costs no page.

    A number that is none is kept as its text.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body, parse_constant=str, parse_float=to_finite)


def to_finite(text: str) -> float | str:
    """A number, or its text where it is too large for one."""
    found = float(text)
    return found if math.isfinite(found) else text


def write_json(value: Any) -> bytes:
    """A value as one line of JSON, as it was heard."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def find_host(location: str) -> str:
    """The host that an address names, in letters that do no harm."""
    try:
        host = urlsplit(location).hostname or "another path"
    except ValueError:
        return "an address that is none"
    return "".join(c for c in host if c.isprintable())[:100]
