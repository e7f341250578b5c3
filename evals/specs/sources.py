"""Where traces are pulled from each night, as `sources.yaml` declares it.

The systems' APIs are called in `evals.sources`.
"""

from __future__ import annotations

from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from evals.specs.spec import NAME, Name, Spec

HOSTS = {
    "langfuse": "https://cloud.langfuse.com",
    "langsmith": "https://api.smith.langchain.com",
    "phoenix": "http://localhost:6006",
}
KEYS = {"langfuse": "LANGFUSE_SECRET_KEY", "langsmith": "LANGSMITH_API_KEY", "phoenix": None}


class Source(Spec):
    """One system to pull from, in `sources.yaml` under its short name."""

    name: Name = Field(pattern=NAME)
    kind: Literal["langfuse", "langsmith", "phoenix"] = Field(
        description="the system whose API is called"
    )
    base_url: str | None = Field(default=None, description="where it is; null: its maker's own")
    public_key_env: str = Field(
        default="LANGFUSE_PUBLIC_KEY", description="langfuse: the variable with the public key"
    )
    key_env: str | None = Field(
        default=None, description="the variable with the secret key; null: its system's usual name"
    )
    app: str | None = Field(
        default=None, pattern=NAME, description="the application of traces that name none"
    )
    projects: dict[str, str] = Field(
        default={}, description="langsmith, phoenix: each project to pull, and its application"
    )
    since: date | None = Field(default=None, description="the first day to pull; null: yesterday")
    overlap_hours: float = Field(
        default=24, ge=1, description="how far back each pull reads again, for what came late"
    )
    settle_minutes: float = Field(
        default=10, ge=0, description="how old a trace is before it counts as complete"
    )
    page_size: int = Field(default=100, ge=1, le=1000, description="rows of one request")
    per_minute: int | None = Field(default=None, ge=1, description="the most calls a minute")

    @field_validator("base_url")
    @classmethod
    def without_credentials(cls, url: str | None) -> str | None:
        """Refuses an address that contains credentials."""
        parts = urlsplit(url or "http://localhost")
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise ValueError("expected http(s)://HOST without credentials; those go into `key_env`")
        return url.rstrip("/") if url else url

    @model_validator(mode="after")
    def check_projects(self) -> Source:
        """Requires `projects` for systems that have them."""
        if self.kind != "langfuse" and not self.projects:
            raise ValueError("`projects` names each project to pull and its application")
        return self

    @property
    def url(self) -> str:
        """Its address."""
        return self.base_url or HOSTS[self.kind]

    @property
    def secret(self) -> str | None:
        """The variable that contains its key, where it needs one."""
        return self.key_env or KEYS[self.kind]
