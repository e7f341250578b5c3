"""Promises of lines: each is exactly its bytes and its number, wherever a chunk ends."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evals.traces.files import streams

SPACED = st.text(" \t\r\nx", max_size=40).map(str.encode)


@given(SPACED, st.integers(1, 9))
@example(b"    \n    x", 3)
@example(b"        x\ny", 4)
@example(b"\n\n  \n\n x \n", 1)
def test_a_line_is_its_bytes_wherever_a_chunk_ends(text: bytes, size: int) -> None:
    """A chunk of nothing but spaces takes none away from the line it begins."""
    expected = [(number, line) for number, line in enumerate(text.split(b"\n"), 1) if line.strip()]
    with pytest.MonkeyPatch.context() as small:
        small.setattr(streams, "CHUNK", size)
        found = [(line.number, line.raw) for line in streams.read_lines(io.BytesIO(text))]
    assert found == expected


def test_blank_lines_without_end_are_passed_over_in_little_memory() -> None:
    """Chunks of them are never cut into lines, spaces among them or not."""
    for blank in (b"\n", b" \n", b"  \t\n"):
        text = blank * (4 * streams.CHUNK // len(blank)) + b"  x"
        blocks = list(streams.read_blocks(io.BytesIO(text)))
        assert sum(len(block.lines) for block in blocks if isinstance(block, streams.Block)) == 1
        (line,) = streams.read_lines(io.BytesIO(text))
        assert line.raw.endswith(b"  x")
        assert line.number == text.count(b"\n") + 1
