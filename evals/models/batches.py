"""A provider's files and batches through the `openai` client: upload, create, find, download.

When a batch is created and how its state is stored belongs to `evals.calls.batch`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from evals.models.faults import error_from_openai
from evals.models.protocol import ModelError
from evals.specs import ModelPin
from evals.storage.files import open_replacement

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

T = TypeVar("T")

TAG = "andon_batch"
"""The metadata key that holds our name of a batch."""

CHAT = "/chat/completions"
READABLE = frozenset({"processed", "uploaded", None})
"""States of a file from which a batch can be created."""

UPLOAD_TIMEOUT_S = 600.0
PAGE_ROWS = 100
"""Rows per page of a listing; the newest come first."""

CLOCK_SKEW_S = 3600
"""Seconds by which the provider's clock may differ from ours."""

FINAL_STATES = frozenset({"completed", "expired", "cancelled", "failed"})
"""States of a batch that are final."""


class RemoteBatch(NamedTuple):
    """A batch as the provider reports it."""

    batch_id: str
    status: str
    output_file: str | None
    error_file: str | None
    total: int
    completed: int
    failed: int
    problems: tuple[str, ...]
    """Why the provider refused the whole batch: code and line."""

    @property
    def is_over(self) -> bool:
        """Whether its state is final."""
        return self.status in FINAL_STATES


def build_row_url(pin: ModelPin, path: str) -> str:
    """Builds the URL in a row of a batch file; Azure's for chat completions has no version."""
    return path if pin.azure and path == CHAT else f"/v1{path}"


class Batches:
    """A provider's batch API behind the `openai` client."""

    def __init__(self, client: openai.AsyncOpenAI, pin: ModelPin) -> None:
        self.client, self.azure = client, pin.azure is not None

    async def is_ready(self, file_id: str) -> bool:
        """Whether a batch can be created from a file: Azure refuses one it is still processing.

        Raises:
            ModelError: when the provider cannot read the file.
        """
        if not self.azure:
            return True
        status = (await call_provider(lambda: self.client.files.retrieve(file_id))).status
        if status == "error":
            message = "the provider cannot read the batch's file"
            raise ModelError("refused-request", message, retryable=False)
        return status in READABLE

    async def upload(self, path: Path, name: str) -> str:
        """Uploads a file of requests and returns its id."""
        client = self.client.with_options(timeout=UPLOAD_TIMEOUT_S)
        with path.open("rb") as file:
            sent = await call_provider(
                lambda: client.files.create(file=(name, file), purpose="batch")
            )
        return sent.id

    async def create(self, file_id: str, endpoint: str, tag: str, window: str) -> RemoteBatch:
        """Creates a batch with our name in its metadata.

        Azure takes one endpoint for all batches and reads the real one from each row.
        """
        made = await call_provider(
            lambda: self.client.batches.create(
                input_file_id=file_id,
                endpoint=CHAT if self.azure else f"/v1{endpoint}",  # pyright: ignore[reportArgumentType]  Azure's differs
                completion_window=window,  # pyright: ignore[reportArgumentType]  other servers take more
                metadata={TAG: tag},
            )
        )
        return parse_batch(made)

    async def find_batch(self, tag: str, file_id: str, since: int) -> RemoteBatch | None:
        """Finds the batch with our name or our file, created since a time (Unix seconds).

        The file decides too, since not every provider stores metadata.
        """
        async for batch in iterate_rows(self.client.batches.list(limit=PAGE_ROWS)):
            is_named = (batch.metadata or {}).get(TAG) == tag
            if is_named or batch.input_file_id == file_id:
                return parse_batch(batch)
            if batch.created_at and batch.created_at < since - CLOCK_SKEW_S:
                return None
        return None

    async def find_file(self, name: str, since: int) -> str | None:
        """Finds a file by its name, uploaded since a time (Unix seconds)."""
        listing = self.client.files.list(purpose="batch", limit=PAGE_ROWS)
        async for file in iterate_rows(listing):
            if file.filename == name:
                return file.id
            if file.created_at and file.created_at < since - CLOCK_SKEW_S:
                return None
        return None

    async def retrieve(self, batch_id: str) -> RemoteBatch:
        """Reads a batch's current state."""
        return parse_batch(await call_provider(lambda: self.client.batches.retrieve(batch_id)))

    async def cancel(self, batch_id: str) -> RemoteBatch:
        """Cancels a batch; requests already done are charged and returned."""
        return parse_batch(await call_provider(lambda: self.client.batches.cancel(batch_id)))

    async def download(self, file_id: str, path: Path, most_bytes: int) -> bool:
        """Downloads a file of answers, written aside and renamed.

        Returns:
            Whether it is whole; a longer one ends after `most_bytes`, counted decompressed.
        """
        client = self.client.with_options(timeout=UPLOAD_TIMEOUT_S)

        async def stream() -> bool:
            left = most_bytes
            async with client.files.with_streaming_response.content(file_id) as answer:
                with open_replacement(path) as file:
                    async for piece in answer.iter_bytes():
                        file.write(piece[:left])
                        left -= len(piece)
                        if left < 0:
                            return False
            return True

        return await call_provider(stream)

    async def delete(self, file_id: str) -> None:
        """Deletes a file at the provider."""
        await call_provider(lambda: self.client.files.delete(file_id))


async def call_provider(call: Callable[[], Awaitable[T]]) -> T:
    """Awaits a call and raises its errors as ModelErrors.

    While a body is streamed, errors of the connection are those of httpx.
    """
    import httpx2
    import openai

    try:
        return await call()
    except (openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
        fault = error_from_openai(error)
    raise fault


async def iterate_rows(listing: AsyncIterable[T]) -> AsyncIterator[T]:
    """Iterates over the rows of a listing, page by page; raises errors as ModelErrors."""
    import openai

    try:
        async for row in listing:
            yield row
        return
    except (openai.OpenAIError, ValueError) as error:
        fault = error_from_openai(error)
    raise fault


def parse_batch(made: Batch) -> RemoteBatch:
    """Parses a provider's batch; missing parts get defaults."""
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
