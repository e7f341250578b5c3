"""Files that are not UTF-8 are decoded by their mark, as declared, or as their text shows."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.records import Trace
from evals.specs import Mapping
from evals.traces import reader
from evals.traces.files import encodings
from evals.traces.files.containers import inspect_file
from evals.traces.files.encodings import DecodedStream, TextEncoding, find_encoding

GERMAN = "Größe für 5 € im Café, señor; „schön“"
TEXTS = (
    ("cp1252", GERMAN),
    ("cp1252", "Où est mon colis ? Il a été livré à l’école hier, garçon"),
    ("cp1252", "Onde está o meu pacote? Chega amanhã, não se preocupe"),
    ("cp1250", "Gdzie jest moja paczka? Będzie w piątek, proszę czekać"),
    ("cp1250", "Hol van a csomagom? Pénteken érkezik, őszintén várjuk"),
    ("cp1251", "Где моя посылка? Она прибудет в пятницу"),
    ("cp1253", "Πού είναι το δέμα μου; Την Παρασκευή"),
    ("cp1254", "Paketim nerede? Cuma günü gelecek, lütfen bekleyin, şimdi değil"),
    ("cp932", "荷物はどこですか、金曜日に届きます"),
    ("gb18030", "我的包裹在哪里？星期五送到"),
    ("cp949", "소포는 어디에 있나요 금요일에 도착합니다"),
)


def table(text: str, rows: int = 3) -> str:
    """A CSV as Excel writes it, with a text as the answer."""
    lines = ["trace_id;ts;app;output"]
    lines += [f't{n};2026-10-01T12:00:00Z;chat;"{text}"' for n in range(rows)]
    return "\r\n".join(lines) + "\r\n"


def read(path: Path, **mappings: Mapping) -> list[Any]:
    """Everything a file yields."""
    return list(reader.read_file(path, mappings=mappings))


@pytest.mark.parametrize(("encoding", "text"), TEXTS)
def test_the_encoding_of_a_table_is_found(tmp_path: Path, encoding: str, text: str) -> None:
    """By its text, with the name that the container has once it was read."""
    path = tmp_path / "export.csv"
    path.write_bytes(table(text).encode(encoding))
    assert [row.output for row in read(path)] == [text] * 3
    container = inspect_file(path)
    reading = reader.Reading(path.name)
    assert len(list(reader.read_batches(path, reading, container))) == 3
    assert container.encoding_name == encoding


def test_an_encoding_is_found_far_behind_the_head(tmp_path: Path) -> None:
    """Where a megabyte of ASCII comes first; the rows before it are as they were."""
    path = tmp_path / "export.csv"
    russian = dict(TEXTS)["cp1251"]
    ascii_rows, others = table("plain", 40_000), table(russian).partition("\r\n")[2]
    path.write_bytes(ascii_rows.encode() + others.encode("cp1251"))
    found = read(path)
    assert (len(found), found[0].output, found[-1].output) == (40_003, "plain", russian)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["export.csv", "export.jsonl", "export.json"])
def test_wide_characters_are_read_in_every_container(
    tmp_path: Path, encoding: str, name: str, packed: bool
) -> None:
    """With the mark that Excel writes, or without."""
    rows = [{"trace_id": f"t{n}", "ts": "2026-10-01T12:00:00Z", "app": "chat", "output": "Größe"}
            for n in range(3)]  # fmt: skip
    text = {
        "export.csv": table(GERMAN).replace(";", "\t"),
        "export.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
        "export.json": json.dumps(rows, ensure_ascii=False, indent=1),
    }[name]
    data = text.encode(encoding)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if packed else data)
    found = read(path)
    assert [type(row) for row in found] == [Trace] * 3
    assert found[0].output.startswith("Größe")


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp037", "iso8859_15"])
def test_a_declared_encoding_is_used(tmp_path: Path, encoding: str) -> None:
    """In JSON too, where none is guessed; one that is not ASCII at all likewise."""
    row = {"Nr": "t1", "ts": "2026-10-01T12:00:00Z", "app": "chat", "Größe": "schön"}
    declared = Mapping(columns={"trace_id": "Nr", "output": "Größe"}, encoding=encoding)
    path = tmp_path / "export.jsonl"
    path.write_bytes(json.dumps(row, ensure_ascii=False).encode(encoding))
    (trace,) = read(path, it=declared)
    assert trace.output == "schön"
    path.write_text(json.dumps(row, ensure_ascii=False), "utf-8")
    if encoding != "cp037":
        assert read(path, it=declared)[0].output == "schön"


def test_of_several_declared_encodings_the_one_that_has_the_columns_is_used(
    tmp_path: Path,
) -> None:
    """Each export has its own."""
    german = Mapping(columns={"trace_id": "Nr", "output": "Größe"}, encoding="cp1252")
    russian = Mapping(columns={"trace_id": "Номер", "output": "Ответ"}, encoding="koi8-r")
    path = tmp_path / "export.csv"
    path.write_bytes("Номер;ts;app;Ответ\r\n1;2026-10-01;chat;Да\r\n".encode("koi8-r"))
    assert [row.output for row in read(path, german=german, russian=russian)] == ["Да"]


def test_what_is_no_text_has_no_encoding() -> None:
    """Bytes that command a terminal are in no table, and damage is none."""
    assert find_encoding(b"a\x00\xfcb") == ""
    assert find_encoding("é".encode() + b"\xfc") == ""
    assert find_encoding(b"caf\xe9 \xe0 la carte, gar\xe7on") == "cp1252"
    assert find_encoding(b"\xfc") == "cp1252"


@given(st.binary(max_size=300), st.integers(1, 40))
def test_a_stream_without_an_encoding_loses_no_byte(data: bytes, size: int) -> None:
    """Whatever the chunks in which it is read; declared encodings keep what they lack."""
    for encoding in (TextEncoding(), TextEncoding(declared="cp1252")):
        stream = DecodedStream(io.BytesIO(data), encoding)
        parts = list(iter(lambda: stream.read1(size), b""))  # noqa: B023  used at once
        if not encoding.name:
            assert b"".join(parts) == data
        else:
            text = b"".join(parts).decode("utf-8", "surrogateescape")
            assert text.encode(encoding.name, "surrogateescape") == data
        assert all(len(part) <= size for part in parts)


def test_utf8_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A character cut by the end of the sample is no other encoding."""
    monkeypatch.setattr(encodings, "SAMPLE", 5)
    data = "ää€€ä".encode() * 100
    encoding = TextEncoding()
    assert DecodedStream(io.BytesIO(data), encoding).read() == data
    assert encoding.name == ""
