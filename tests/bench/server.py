"""A fast OpenAI-compatible server for benchmarks: one process, a fixed latency, one answer.

Its counts are its only state; `python -m tests.bench.server MILLISECONDS [SHARE [SECONDS]]` prints
its port. It answers a share of the calls, drawn at random, with a rate limit, at any load, and
names SECONDS as `Retry-After`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
ANSWER = json.dumps({"critique": "It is in the text.", "verdict": "pass"})


def completion(model: str) -> bytes:
    """A chat completion as bytes."""
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": ANSWER},
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
    }
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    return head.encode() + b"\r\n\r\n" + data


def rate_limit(retry_after_s: int | None) -> bytes:
    """A rate limit as bytes."""
    head = "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n"
    if retry_after_s is not None:
        head += f"Retry-After: {retry_after_s}\r\n"
    return f"{head}\r\n".encode()


class Counts:
    """When the first request came, when the last answer went, and how many there were."""

    first = last = 0.0
    calls = 0


class Protocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and whole bodies, which is all a client of ours sends."""

    answer = completion("bench-model-2026-01-01")
    refusal = rate_limit(None)
    refused = 0.0
    delay = 0.1
    chance = random.Random(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers where to write."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answers each whole request after the delay."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.received) < end + 4 + size:
                return
            self.received = self.received[end + 4 + size :]
            if head.startswith(b"get /stats "):
                self.send_stats()
            elif head.startswith(b"get "):  # such as the list of models, which it has not
                self.transport.write(NOT_FOUND)
            else:
                Counts.first = Counts.first or time.perf_counter()
                asyncio.get_running_loop().call_later(self.delay, self.send_answer)

    def send_answer(self) -> None:
        """Sends the answer, or the rate limit, which counts as no call."""
        is_refused = self.chance.random() < self.refused
        if not self.transport.is_closing():
            self.transport.write(self.refusal if is_refused else self.answer)
        if is_refused:
            return
        Counts.calls, Counts.last = Counts.calls + 1, time.perf_counter()

    def send_stats(self) -> None:
        """Sends the counts since they were last read, and starts at zero."""
        data = json.dumps({"calls": Counts.calls, "window_s": Counts.last - Counts.first}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        self.transport.write(head + data)
        Counts.calls, Counts.first, Counts.last = 0, 0.0, 0.0


async def main() -> None:
    """Serves until killed."""
    latency_ms, *refusals = sys.argv[1:]
    Protocol.delay = float(latency_ms) / 1000
    if refusals:
        Protocol.refused = float(refusals[0])
        Protocol.refusal = rate_limit(int(refusals[1]) if len(refusals) > 1 else None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Protocol, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
