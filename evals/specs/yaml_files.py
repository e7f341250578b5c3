"""Reads YAML files of a catalog as specs; an error names file, line and key.

References between files are checked in `load`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, NoReturn, cast

import yaml
from pydantic import ValidationError

from evals.records import Json
from evals.specs.spec import NAME, CatalogError, S
from evals.specs.spec_errors import list_problems
from evals.specs.yaml_keys import KeyProblem, describe_key, is_key, load_strictly

At = tuple[int | str, ...]
"""Where a value is in a file: keys and indexes."""


class BrokenFile(NamedTuple):
    """A file, or an entry of one, that is not a valid spec."""

    name: str
    """The name it declares, as far as it can be read."""
    raw: Json
    """Its YAML value; None where it is not valid YAML."""
    messages: tuple[str, ...]


def read_yaml(path: Path) -> Json:
    """Parses a file; a CatalogError names the line."""
    try:
        return load_strictly(path.read_text("utf-8")) or {}
    except KeyProblem as error:
        at = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CatalogError(f"{path}{at}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise CatalogError(f"{path}{line}: not valid YAML: {problem}") from error


def read_mapping(path: Path, expected: str) -> dict[str, Json]:
    """Reads an optional file of keys and values."""
    value = (read_yaml(path) if path.exists() else None) or {}
    if not isinstance(value, dict):
        raise CatalogError(f"{path}:1: the file: expected {expected}")
    return value


def read_list(path: Path, expected: str) -> list[Json]:
    """Reads an optional file of a list."""
    value = (read_yaml(path) if path.exists() else None) or []
    if not isinstance(value, list):
        raise CatalogError(f"{path}:1: the file: expected {expected}")
    return value


def line_of(path: Path, location: At) -> int:
    """Returns the 1-based line of a key path in a YAML file; its nearest parent's if absent."""
    node = yaml.compose(path.read_text("utf-8"))
    line = 1
    for key in location:
        if isinstance(node, yaml.MappingNode):
            entry = next((pair for pair in node.value if is_key(pair[0], key)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line


def find_unquoted(path: Path, location: At) -> str | None:
    """Describes the key at a location that YAML does not read as text; None where it is another.

    pydantic marks an error of a key, and not of its value, with a last part `[key]`.
    """
    if location[-1:] != ("[key]",):
        return None
    node = yaml.compose(path.read_text("utf-8"))
    for key in location[:-1]:
        if isinstance(node, yaml.MappingNode):
            entry = next((pair for pair in node.value if is_key(pair[0], key)), None)
            if entry and (*location[-2:-1],) == (key,) and isinstance(entry[0], yaml.ScalarNode):
                return describe_key(entry[0])
            node = entry[1] if entry else None
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
    return None


def describe(path: Path, at: At, message: str) -> str:
    """Returns a message with file, line and key, whether or not the file exists."""
    line = line_of(path, at) if path.exists() else 1
    return f"{path}:{line}: {'.'.join(map(str, at)) or 'the file'}: {message}"


def describe_repeat(path: Path, first: At, again: At) -> str:
    """Returns what is wrong with a name that is declared twice, with both lines."""
    line = line_of(path, first)
    return describe(path, again, f"the name is declared on line {line} already; choose another")


def refuse(path: Path, at: At, message: str) -> NoReturn:
    """Raises a CatalogError at a key."""
    raise CatalogError(describe(path, at, message))


def parse(kind: type[S], path: Path, value: object, at: At = ()) -> S:
    """Parses a YAML value to a spec; `at` is where the value is in the file.

    Raises:
        CatalogError: with a message for each line that is wrong.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        messages: dict[int, str] = {}
        for problem in list_problems(kind, cast("Json", value), error):
            location = (*at, *problem.at)
            message = find_unquoted(path, location) or problem.message
            messages.setdefault(line_of(path, location), describe(path, location, message))
        raise CatalogError(*messages.values()) from error


def read_folder(folder: Path, kind: type[S], key: str) -> tuple[dict[str, S], list[BrokenFile]]:
    """Reads every `*.yaml` of a folder as specs by name, and returns the broken files."""
    specs: dict[str, S] = {}
    broken: list[BrokenFile] = []
    for path in sorted(folder.glob("*.yaml")):
        raw: Json = None
        try:
            raw = read_yaml(path)
            spec = parse(kind, path, raw)
        except CatalogError as error:
            broken.append(BrokenFile(name_in(path, raw, key), raw, error.messages))
            continue
        name = getattr(spec, key)
        if name in specs:
            problem = describe(path, (key,), f"{name!r} is declared twice")
            broken.append(BrokenFile(name, raw, (problem,)))
        specs[name] = spec
    twice = {one.name for one in broken}
    return {name: spec for name, spec in specs.items() if name not in twice}, broken


def name_in(path: Path, raw: Json, key: str) -> str:
    """Returns the name a broken file declares: its key's value, or else the file's own name."""
    named = raw.get(key) if isinstance(raw, dict) else None
    if raw is None:
        text = path.read_bytes().decode("utf-8", "replace")
        line = re.search(rf"^{key}:\s*['\"]?([^\s'\"#]+)", text, re.MULTILINE)
        named = line[1] if line else None
    return named if isinstance(named, str) and re.match(NAME, named) else path.stem


def read_named(path: Path, kind: type[S], expected: str) -> tuple[dict[str, S], list[BrokenFile]]:
    """Reads a file of specs by short name, which is the key, and returns the broken entries.

    Raises:
        CatalogError: the file as a whole cannot be read.
    """
    specs: dict[str, S] = {}
    broken: list[BrokenFile] = []
    entries = read_mapping(path, f"short names, each with {expected} under it")
    for name, value in entries.items():
        try:
            if not isinstance(value, dict):
                refuse(path, (name,), f"expected {expected} under it")
            specs[name] = parse(kind, path, {"name": name, **value}, (name,))
        except CatalogError as error:
            broken.append(BrokenFile(str(name), value, error.messages))
    return specs, broken
