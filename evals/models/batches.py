"""Files and batches of a provider, by the `openai` client: sent, found again, read, cancelled.

When a batch is made, remembered and believed is `evals.calls.batch`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from evals.models.faults import from_openai
from evals.models.protocol import ModelError
from evals.specs import ModelPin
from evals.storage.files import rewriting

T = TypeVar("T")

TAG = "andon_batch"
"""The metadata key under which a batch carries its name with us."""

CHAT = "/chat/completions"
READ = frozenset({"processed", "uploaded", None})
"""States of a file that a batch can be made of."""

UPLOAD_TIMEOUT_S = 600.0
PAGE = 100
"""Rows a page when something is looked for; the newest come first."""

CLOCKS_APART_S = 3600
"""By how much the provider's clock may differ from ours."""

OVER = frozenset({"completed", "expired", "cancelled", "failed"})
"""States of a batch that it does not leave."""


class RemoteBatch(NamedTuple):
    """A batch as the provider knows it."""

    batch_id: str
    status: str
    output_file: str | None
    error_file: str | None
    total: int
    completed: int
    failed: int
    problems: tuple[str, ...]
    """Why the whole of it was refused: code and line."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.status in OVER


def row_url(pin: ModelPin, path: str) -> str:
    """The address in a row of a batch file; Azure's for chat completions has no version in it."""
    return path if pin.azure and path == CHAT else f"/v1{path}"


class Batches:
    """A provider's batch API behind the `openai` client."""

    def __init__(self, client: Any, pin: ModelPin) -> None:
        self.client, self.azure = client, pin.azure is not None

    async def ready(self, file_id: str) -> bool:
        """Whether a batch can be made of a file: Azure refuses one that it still reads.

        Raises:
            ModelError: when the provider cannot read the file.
        """
        if not self.azure:
            return True
        status = (await told(lambda: self.client.files.retrieve(file_id))).status
        if status == "error":
            raise ModelError("refused-request", "the provider cannot read it", retryable=False)
        return status in READ

    async def upload(self, path: Path, name: str) -> str:
        """Sends a file of requests; its id."""
        client = self.client.with_options(timeout=UPLOAD_TIMEOUT_S)
        with path.open("rb") as file:
            sent = await told(lambda: client.files.create(file=(name, file), purpose="batch"))
        return sent.id

    async def create(self, file_id: str, endpoint: str, tag: str, window: str) -> RemoteBatch:
        """Begins a batch that carries its name with us.

        Azure takes one endpoint for all: it reads which is meant in each row.
        """
        made = await told(
            lambda: self.client.batches.create(
                input_file_id=file_id,
                endpoint=CHAT if self.azure else f"/v1{endpoint}",
                completion_window=window,
                metadata={TAG: tag},
            )
        )
        return remote(made)

    async def find(self, tag: str, file_id: str, since: int) -> RemoteBatch | None:
        """The batch with our name or of our file, if one was made since a time (Unix seconds).

        Not every provider keeps metadata, and a file is one batch's.
        """
        async for one in pages(lambda: listed(self.client.batches.list(limit=PAGE))):
            named = isinstance(one.metadata, Mapping) and one.metadata.get(TAG) == tag
            if named or one.input_file_id == file_id:
                return remote(one)
            if one.created_at and one.created_at < since - CLOCKS_APART_S:
                return None
        return None

    async def find_file(self, name: str, since: int) -> str | None:
        """A file of ours by its name, if it was sent since a time (Unix seconds)."""
        rows = pages(lambda: listed(self.client.files.list(purpose="batch", limit=PAGE)))
        async for one in rows:
            if one.filename == name:
                return one.id
            if one.created_at and one.created_at < since - CLOCKS_APART_S:
                return None
        return None

    async def retrieve(self, batch_id: str) -> RemoteBatch:
        """How a batch stands."""
        return remote(await told(lambda: self.client.batches.retrieve(batch_id)))

    async def cancel(self, batch_id: str) -> RemoteBatch:
        """Asks for an end; what is done by then is charged and returned."""
        return remote(await told(lambda: self.client.batches.cancel(batch_id)))

    async def download(self, file_id: str, path: Path) -> None:
        """Writes a file of answers aside and renames it."""
        client = self.client.with_options(timeout=UPLOAD_TIMEOUT_S)

        async def stream() -> None:
            async with client.files.with_streaming_response.content(file_id) as answer:
                with rewriting(path) as file:
                    async for piece in answer.iter_bytes():
                        file.write(piece)

        await told(stream)

    async def delete(self, file_id: str) -> None:
        """Removes a file of ours from the provider."""
        await told(lambda: self.client.files.delete(file_id))


async def told(call: Callable[[], Awaitable[T]]) -> T:
    """What a call gives, its errors as ModelErrors."""
    import openai

    try:
        return await call()
    except (openai.OpenAIError, ValueError) as error:
        fault = from_openai(error)
    raise fault


async def listed(page: Awaitable[Any]) -> Any:
    """The first page of a list."""
    return await page


async def pages(first: Callable[[], Awaitable[Any]]) -> AsyncIterator[Any]:
    """The rows of a list, page after page."""
    page = await told(first)
    while True:
        for one in page.data or ():
            yield one
        if not page.data or not page.has_next_page():
            return
        page = await told(page.get_next_page)


def remote(made: Any) -> RemoteBatch:
    """A provider's batch, whatever it leaves out."""
    counts = made.request_counts
    problems = (made.errors.data or ()) if made.errors else ()
    return RemoteBatch(
        batch_id=made.id,
        status=made.status or "validating",
        output_file=made.output_file_id or None,
        error_file=made.error_file_id or None,
        total=counts.total if counts else 0,
        completed=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        problems=tuple(f"{p.code or 'refused'} at line {p.line or 0}" for p in problems),
    )
