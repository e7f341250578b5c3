"""A judge's YAML file with some of its keys changed: comments and all other keys stay.

The file is changed as text. What was written is read again and has to be the judge that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evals.specs import CatalogError, Judge
from evals.specs.yaml_keys import load_strictly
from evals.specs.yaml_text import dump_yaml

TOP_KEY = re.compile(r"^([A-Za-z_][\w-]*)\s*:")


def change_file(text: str, judge: Judge, keys: Sequence[str]) -> str:
    """Returns a judge's file with some keys as a judge has them; a key at its default is left out.

    Raises:
        CatalogError: the file cannot be changed so that it means the judge.
    """
    values = judge.model_dump(mode="json", exclude_defaults=True)
    changed = text
    for key in keys:
        changed = replace_key(changed, key, values.get(key))
    meant = judge.model_copy(update={"pool": None} if "pool" in keys else {})
    if not means(changed, meant, keys):
        raise CatalogError(f"judges/{judge.judge}.yaml cannot be changed; edit it by hand")
    return changed


def replace_key(text: str, key: str, value: object) -> str:
    """Returns YAML with one key at its top changed, added at its end, or (None) removed."""
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if names_key(line, key)), None)
    block = dump_yaml({key: value}) if value is not None else ""
    if start is None:
        return f"{text.rstrip()}\n{block}" if block else text
    end = start + 1
    while end < len(lines) and not TOP_KEY.match(lines[end]):
        end += 1
    while end > start + 1 and is_between(lines[end - 1]):
        end -= 1  # comments and blank lines before the next key are that key's
    return "".join([*lines[:start], block, *lines[end:]])


def names_key(line: str, key: str) -> bool:
    """Whether a line begins with a key at the top of a file."""
    match = TOP_KEY.match(line)
    return bool(match and match[1] == key)


def is_between(line: str) -> bool:
    """Whether a line is blank or a comment at the top of a file."""
    return not line.strip() or line.startswith("#")


def means(text: str, judge: Judge, keys: Sequence[str]) -> bool:
    """Whether a file's changed keys are those of a judge."""
    try:
        raw = load_strictly(text)
        read = Judge.model_validate(raw)
    except ValueError:
        return False
    return isinstance(raw, Mapping) and all(
        getattr(read, key) == getattr(judge, key) for key in keys
    )
