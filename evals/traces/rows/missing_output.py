"""Finds the column that probably has the answers of a file whose rows have none.

What a mapping reads instead, and how many rows it was applied to, is counted in `ingest`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from evals.records import Json, Trace
from evals.traces.files.containers import Container, read_rows
from evals.traces.files.streams import Line
from evals.traces.files.strict_json import Refused, parse_line
from evals.traces.rows.mapping import SYNONYMS, Plan
from evals.traces.rows.notes import MAX_DEPTH

OUTPUT_NAMES = (
    "output", "answer", "response", "completion", "reply", "assistant", "generation",
    "generatedtext", "modeloutput", "botmessage", "botresponse", "aimessage", "result",
    "antwort", "ausgabe", "respuesta", "reponse", "risposta",
)  # fmt: skip
"""Names of columns of answers, without case and separators, the most telling first."""
SHORTEST = 10
"""Characters; a column with shorter texts on average is not suggested for its length."""


def read_first_rows(path: Path, container: Container, most: int) -> list[dict[str, Json]]:
    """Reads a file's first rows; those that are no object are left out.

    Raises:
        OSError: the file cannot be opened.
    """
    return list(parse_rows(itertools.islice(read_rows(path, container), most)))


def parse_rows(lines: Iterable[Line]) -> Iterator[dict[str, Json]]:
    """Parses lines as objects; leaves out the others."""
    for line in lines:
        try:
            if not line.code and line.raw.strip():
                yield parse_line(line.raw)
        except Refused:
            continue


def list_read_columns(plans: Iterable[Plan]) -> list[str]:
    """Lists the columns that mappings read the output from; without any the field's own names."""
    paths = [path.key for plan in plans for path in plan.paths if path.target == "output"]
    return paths or ["output", *(name for name, field in SYNONYMS.items() if field == "output")]


def find_likely_output(rows: Sequence[dict[str, Json]], plans: Iterable[Plan]) -> str | None:
    """Returns the column of texts with a name for answers, else that with the longest texts.

    Columns that a mapping reads another field from are left out, and so are the fields' own names.
    """
    taken = {path.key for plan in plans for path in plan.paths}
    sizes: Counter[str] = Counter()
    for row in rows:
        for path, text in list_texts(row, {*taken, *SYNONYMS, *Trace.__annotations__}):
            sizes[path] += len(text)
    by_name = {normalize_name(path.rpartition(".")[2]): path for path in sizes}
    named = next((by_name[name] for name in OUTPUT_NAMES if name in by_name), None)
    longest, size = max(sizes.items(), key=lambda item: item[1], default=("", 0))
    return named or (longest if size >= SHORTEST * len(rows) else None)


def normalize_name(name: str) -> str:
    """Returns a column's name without case and separators."""
    return "".join(filter(str.isalnum, name)).casefold()


def list_texts(
    row: dict[str, Json], taken: Collection[str], prefix: str = "", depth: int = 1
) -> Iterator[tuple[str, str]]:
    """Yields the texts of a row with their dotted paths, without errors and columns taken."""
    for key, value in row.items():
        path = f"{prefix}{key}"
        if path in taken or "error" in key.casefold():
            continue
        if type(value) is str and value.strip():
            yield path, value
        elif type(value) is dict and depth < MAX_DEPTH:
            yield from list_texts(value, taken, f"{path}.", depth + 1)
