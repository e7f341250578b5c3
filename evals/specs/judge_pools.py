"""The examples that a judge has in a file of its own: `judges/NAME.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from evals.specs.spec import CatalogError
from evals.specs.spec_errors import explain_first
from evals.specs.suites import Example, Judge
from evals.specs.yaml_files import describe


def add_pool(folder: Path, judge: Judge) -> Judge:
    """Returns a judge with the examples of its file after those of its own.

    Raises:
        CatalogError: the file is missing, or a line of it is no example.
    """
    examples = judge.examples
    if judge.pool is not None:
        path = folder / judge.pool
        if not path.is_file():
            declared = folder / f"{judge.judge}.yaml"
            raise CatalogError(describe(declared, ("pool",), f"no file {judge.pool!r} in judges/"))
        examples = (*examples, *read_pool(path))
    if judge.shown is not None and len(examples) < judge.shown:
        declared = folder / f"{judge.judge}.yaml"
        problem = f"{judge.shown} are to be shown, and the pool has {len(examples)}"
        raise CatalogError(describe(declared, ("shown",), problem))
    return judge.model_copy(update={"examples": examples})


def read_pool(path: Path) -> Iterator[Example]:
    """Reads the examples of a file, one a line.

    Raises:
        CatalogError: naming every line that is no example.
    """
    problems: list[str] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Example.model_validate_json(line)
        except ValidationError as error:
            first = explain_first(Example, error)
            place = ".".join(map(str, first.at))
            problems.append(f"{path}:{number}: {place or 'the line'}: {first.message}")
    if problems:
        raise CatalogError(*problems)
