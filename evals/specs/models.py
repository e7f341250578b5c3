"""Pinned models and their prices, as `models.yaml` declares them.

Models are called in `evals.models`; ids are classified in `evals.specs.pins`.
"""

from __future__ import annotations

from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from evals.specs.batches import BatchLimits
from evals.specs.call_limits import Ceiling
from evals.specs.spec import NAME, Name, Spec

Policy = Literal["strict", "record"]
"""How an id whose model may change is treated."""


class Price(Spec):
    """The price of a million tokens from a date on."""

    since: date = Field(description="the first night it is in force")
    input: float = Field(ge=0, description="US dollars per million input tokens")
    output: float = Field(ge=0, description="US dollars per million output tokens")
    cached: float | None = Field(
        default=None, ge=0, description="per million input tokens the provider had cached"
    )
    batch: float = Field(
        default=0.5, ge=0, le=1, description="the share of these prices that a batch costs"
    )


class Azure(Spec):
    """A deployment on Azure; its key is read from `AZURE_OPENAI_API_KEY`."""

    endpoint: str = Field(description="such as https://NAME.openai.azure.com")
    deployment: str = Field(description="the deployment's name; `model` names what it serves")
    api_version: str = Field(description="such as 2024-10-21")

    @field_validator("api_version", mode="before")
    @classmethod
    def accept_date(cls, version: object) -> object:
        """Accepts a date, as which YAML reads an unquoted version."""
        return version.isoformat() if isinstance(version, date) else version

    @field_validator("endpoint")
    @classmethod
    def check_address(cls, url: str) -> str:
        """Refuses an address that contains a secret."""
        return check_plain_address(url)


class ModelPin(Spec):
    """One pinned model, in `models.yaml` under its short name."""

    name: Name = Field(pattern=NAME)
    provider: Literal["openai", "embedded"] = Field(
        default="openai", description="who serves it: an OpenAI-compatible API, or this process"
    )
    model: str = Field(description="the pinned id that is requested, or the weights' file name")
    pins: Policy | None = Field(
        default=None, description="this model's policy; null: the catalog's `pins`"
    )
    answers_as: tuple[str, ...] = Field(
        default=(),
        description="other ids that answers may name; any other is an alarm, not a score",
    )
    api: Literal["chat", "responses"] = Field(
        default="chat", description="which endpoint is called: chat completions or Responses"
    )
    base_url: str | None = Field(
        default=None, description="an OpenAI-compatible server; null: OpenAI"
    )
    azure: Azure | None = Field(default=None, description="a deployment on Azure")
    server: str | None = Field(
        default=None,
        min_length=1,
        description="a name for the server, or its earlier address: answers of pins with one "
        "server count for each other wherever it is reached; null: its address",
    )
    api_key_env: str | None = Field(
        default=None,
        description="the variable that contains the key; null: OPENAI_API_KEY, "
        "AZURE_OPENAI_API_KEY on Azure, no key for another `base_url`",
    )
    structured: bool = Field(
        default=True,
        description="it answers by JSON schema; false: the prompt describes the shape",
    )
    reasoning: bool | None = Field(
        default=None,
        description="it thinks before it answers: takes `max_completion_tokens` and no "
        "temperature; null: decided by its id",
    )
    reasoning_effort: str | None = Field(default=None, description="such as `low`; null: not sent")
    package: str | None = Field(
        default=None, description="embedded: the package that ships the weights"
    )
    sha256: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{64}$", description="the weights' digest, the pin itself"
    )
    revision: str | None = Field(
        default=None, description="open weights: the commit the server was started with"
    )
    prices: tuple[Price, ...] = Field(default=(), description="what it costs, from a date on")
    expires: date | None = Field(
        default=None,
        description="the last day the provider serves it; null: as its model list last reported",
    )
    batch: BatchLimits | None = Field(
        default=None,
        description="how it accepts batches; null: OpenAI and Azure do, another server does not",
    )
    concurrency: int = Field(default=16, ge=1, le=512, description="calls at once")
    timeout_s: float = Field(default=60, gt=0, description="seconds a call may take")
    deadline_s: float = Field(
        default=300,
        gt=0,
        description="seconds a request may take, with all its retries, and for which the provider "
        "may answer with rate limits alone",
    )
    night_deadline_s: float = Field(
        default=4 * 3600,
        gt=0,
        description="seconds the calls of an evaluator's night may take, with all waits; what is "
        "not asked by then is left to the next run",
    )
    limits: Ceiling = Field(
        default=Ceiling(), description="the part of its account's limits that may be used"
    )

    @field_validator("server")
    @classmethod
    def check_server_name(cls, name: str | None) -> str | None:
        """Refuses an address that contains a secret."""
        return check_plain_address(name) if name and "://" in name else name

    @field_validator("base_url")
    @classmethod
    def check_address(cls, url: str | None) -> str | None:
        """Refuses an address that contains a secret."""
        return url and check_plain_address(url)

    @model_validator(mode="after")
    def check_server(self) -> ModelPin:
        """Requires a digest of embedded weights, and at most one server."""
        if self.provider == "embedded" and not (self.package and self.sha256):
            raise ValueError("an embedded model needs `package` and `sha256`")
        if sum(x is not None for x in (self.base_url, self.azure, self.package)) > 1:
            raise ValueError("a pin has at most one of `base_url`, `azure` and `package`")
        return self

    @property
    def key_variable(self) -> str | None:
        """The variable its key is read from, or None where it is called without one."""
        if self.api_key_env or self.base_url or self.provider == "embedded":
            return self.api_key_env
        return "AZURE_OPENAI_API_KEY" if self.azure else "OPENAI_API_KEY"

    @property
    def server_name(self) -> str:
        """Which server's answers are this model's; empty where a digest names the weights."""
        if self.provider == "embedded" or self.sha256 or self.revision:
            return ""
        if self.server:
            return shorten_address(self.server)
        if self.azure:
            return f"{shorten_address(self.azure.endpoint)} {self.azure.deployment}"
        return shorten_address(self.base_url or OPENAI_ADDRESS)

    @property
    def batches(self) -> BatchLimits | None:
        """How it accepts batches, or None where it does not."""
        if self.provider == "embedded":
            return None
        return self.batch or (None if self.base_url else BatchLimits())

    def price_on(self, night: date) -> Price | None:
        """Returns the price in force that night, or None where the catalog declares none."""
        begun = [price for price in self.prices if price.since <= night]
        return max(begun, key=lambda price: price.since) if begun else None

    def served_as(self, now: ModelPin | None) -> ModelPin:
        """Returns the pin with the catalog's present address and prices, if it is the same model.

        A night keeps the pin it was reported with; after a server moved, a key was renamed or a
        price was added, the night's late traces can still be evaluated.
        """
        if now is None or any(getattr(self, key) != getattr(now, key) for key in IDENTITY):
            return self
        return now.model_copy(update={key: getattr(self, key) for key in ANSWER_KEYS})


IDENTITY = ("provider", "model", "sha256", "revision", "package", "api")
"""What makes two pins the same model, called in the same way."""

ANSWER_KEYS = ("structured", "reasoning", "reasoning_effort")
"""What else a version depends on. The other keys are its address and its price."""


OPENAI_ADDRESS = "https://api.openai.com/v1"


def shorten_address(address: str) -> str:
    """Returns an address without what does not tell two servers apart; a plain name as it is.

    These are the scheme with its own port, letter case of the host, `/v1` and a slash at the end.
    """
    if "://" not in address:
        return address
    parts = urlsplit(address)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.hostname}{port}{path}"


def check_plain_address(url: str) -> str:
    """Returns an address that contains no secret.

    Raises:
        ValueError: for any other; the message does not repeat it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address such as https://host/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address holds no user, key or query; a key comes from `api_key_env`")
    return url
