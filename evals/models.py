"""Pinned models behind one client protocol: what is asked, what comes back, what it costs.

Every failure leaves here as a ModelError with a stable code; retries across runs are `run`'s.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from evals.specs import ModelPin


class ModelError(Exception):
    """A call gave no answer."""

    def __init__(
        self, code: str, message: str, *, retryable: bool, wait_s: float | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retryable = retryable
        self.wait_s = wait_s
        """Seconds the provider asks to wait, when it says so."""


class Unavailable(Exception):
    """The model cannot be asked at all here: no key, no weights, or the wrong weights."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int
    temperature: float
    seed: int
    schema: dict[str, Any] | None = None
    """The JSON schema to answer by, or None."""
    yes_no: bool = False
    """Ask for token probabilities and read P(yes) from the first token."""


class Reply(NamedTuple):
    """What a model answered."""

    text: str
    probability: float | None
    model: str
    fingerprint: str | None
    created: int | None
    tokens_in: int
    tokens_out: int


class Client(Protocol):
    """Whatever can answer a request."""

    async def ask(self, request: Request) -> Reply:
        """One answer.

        Raises:
            ModelError: when there is none.
        """
        ...

    async def close(self) -> None:
        """Gives connections back."""
        ...


def unavailable_because(pin: ModelPin, environment: Mapping[str, str] = os.environ) -> str | None:
    """Why a model cannot be asked on this machine, as a stable word; None when it can."""
    if pin.provider == "embedded":
        missing = [p for p in ("xllamacpp", pin.package or "") if not importlib.util.find_spec(p)]
        return "no-model" if missing else None
    if pin.base_url is None and not environment.get(pin.api_key_env):
        return "no-key"
    return None


def open_client(pin: ModelPin) -> Client:
    """A client for a pin.

    Raises:
        Unavailable: when the model cannot be asked on this machine.
    """
    reason = unavailable_because(pin)
    if reason == "no-model":
        raise Unavailable(reason, f"{pin.name}: install the extra `andon[model]` and its weights")
    if reason == "no-key":
        raise Unavailable(reason, f"{pin.name}: set {pin.api_key_env}")
    if pin.provider == "embedded":
        return OpenAIClient(pin, serve(weights(pin), pin.model), "none")
    return OpenAIClient(pin, pin.base_url, os.environ.get(pin.api_key_env, "none"))


def weights(pin: ModelPin) -> Path:
    """The weights' file of an embedded model, its digest checked.

    Raises:
        Unavailable: when the file is not the pinned one.
    """
    spec = importlib.util.find_spec(pin.package or "")
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).rglob(pin.model)]
    if not found:
        raise Unavailable("no-model", f"{pin.name}: {pin.package} holds no file {pin.model}")
    if file_digest(found[0]) != pin.sha256:
        raise Unavailable("other-weights", f"{pin.name}: {pin.model} is not the pinned file")
    return found[0]


@functools.lru_cache(maxsize=8)
def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=2)
def embedded_server(path: Path, alias: str) -> Any:
    """A llama.cpp server in this process; it lives as long as the process does."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.model_alias = {alias}
    params.n_ctx = 4096
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.offline = True
    params.fit_params = False
    params.ui = False
    params.verbosity = -1
    threads = threads_now()
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(params)


def threads_now() -> int:
    """Two threads where a core is idle: on contended cores llama.cpp is faster with one."""
    cores = os.cpu_count() or 1
    return 2 if os.getloadavg()[0] < cores - 0.5 else 1


def serve(path: Path, alias: str) -> str:
    """The base URL of the embedded server, once it is ready to answer."""
    import time
    import urllib.request

    address = embedded_server(path, alias).listening_address
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:  # noqa: S310
                if answer.status == 200:
                    return f"{address}/v1"
        except OSError:
            time.sleep(0.05)
    raise Unavailable("no-model", f"the embedded server did not start: {path.name}")


class OpenAIClient:
    """The `openai` client, its retries left to the runner and its errors given stable codes.

    Its transport is aiohttp and its answers are read as plain JSON: a third of the CPU a call
    costs with the default transport and typed answers (`make bench` prints both).
    """

    def __init__(self, pin: ModelPin, base_url: str | None, key: str) -> None:
        import openai

        self.pin = pin
        self.client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,
            timeout=pin.timeout_s,
            http_client=openai.DefaultAioHttpClient(),
        )

    async def ask(self, request: Request) -> Reply:
        """One chat completion; see `Client.ask`."""
        import openai

        try:
            answer = await self.client.post(
                "/chat/completions", body=self.body(request), cast_to=object
            )
        except openai.APIStatusError as error:
            raise from_status(error) from None
        except openai.APITimeoutError:
            limit = f"no answer in {self.pin.timeout_s:g} s"
            raise ModelError("timeout", limit, retryable=True) from None
        except openai.APIConnectionError as error:
            kind = type(error.__cause__ or error).__name__
            raise ModelError("connection", kind, retryable=True) from None
        except (openai.OpenAIError, ValueError) as error:
            kind = type(error).__name__
            raise ModelError("malformed-response", kind, retryable=True) from None
        return self.reply(request, answer)

    def body(self, request: Request) -> dict[str, Any]:
        """The request as the API takes it."""
        body: dict[str, Any] = {
            "model": self.pin.model,
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.yes_no:
            body |= {"logprobs": True, "top_logprobs": 20}
        if request.schema:
            schema = {"name": "verdict", "strict": True, "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def reply(self, request: Request, answer: Any) -> Reply:
        """The answer as a Reply.

        Raises:
            ModelError: when it is from another model than the pin, or holds no answer.
        """
        try:
            return self.read(request, answer)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise ModelError("malformed-response", "no answer in it", retryable=True) from None

    def read(self, request: Request, answer: Any) -> Reply:
        """The answer's parts; raises whatever its shape makes it raise."""
        choice = answer["choices"][0]
        text, model = choice["message"]["content"], answer["model"]
        if not isinstance(text, str) or not isinstance(model, str):
            raise TypeError
        if model != self.pin.model:
            said = f"asked {self.pin.model}, answered {model[:80]}"
            raise ModelError("other-model", said, retryable=False)
        usage = answer.get("usage") or {}
        tokens = (choice.get("logprobs") or {}).get("content") if request.yes_no else None
        return Reply(
            text=text,
            probability=p_yes(tokens[0]["top_logprobs"]) if tokens else None,
            model=model,
            fingerprint=answer.get("system_fingerprint"),
            created=answer.get("created"),
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
        )

    async def close(self) -> None:
        """Gives connections back."""
        await self.client.close()


def from_status(error: Any) -> ModelError:
    """An HTTP error as a ModelError; the provider's own words stay out of it."""
    status = error.status_code
    wait = error.response.headers.get("retry-after")
    wait_s = float(wait) if wait and wait.replace(".", "", 1).isdigit() else None
    if status == 429:
        return ModelError("rate-limited", "HTTP 429", retryable=True, wait_s=wait_s)
    if status in (401, 403):
        return ModelError("not-authorised", f"HTTP {status}", retryable=True)
    if status >= 500 or status in (408, 409):
        return ModelError("server-error", f"HTTP {status}", retryable=True, wait_s=wait_s)
    return ModelError("refused-request", f"HTTP {status}", retryable=False)


def p_yes(candidates: Any) -> float | None:
    """P(yes) / (P(yes) + P(no)) over the first token's candidates; None when neither is there."""
    mass = {"yes": 0.0, "no": 0.0}
    for candidate in candidates:
        word = candidate["token"].strip().lower().strip(".,\"'")
        if word in mass:
            mass[word] += math.exp(candidate["logprob"])
    total = sum(mass.values())
    return mass["yes"] / total if total else None


def cost(pin: ModelPin, night: date, tokens_in: int, tokens_out: int) -> float:
    """US dollars of one call under the price in force that night; 0 when none is known."""
    price = pin.price_on(night)
    if price is None:
        return 0.0
    return round((tokens_in * price.input + tokens_out * price.output) / 1e6, 9)
