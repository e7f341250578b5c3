"""Parses YAML whose mappings have each key once, and finds keys that YAML reads as other values.

What the keys mean is in the specs.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import yaml

from evals.records import Json

MERGE = "tag:yaml.org,2002:merge"
READ_AS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
    date: "a date",
}
"""What YAML makes of an unquoted key, by the type of the value."""


class KeyProblem(yaml.MarkedYAMLError):
    """A key of a mapping that cannot be used; the message has what to do."""


class StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a mapping with a key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Composes a mapping, and checks its keys before any merge adds others to it.

        Raises:
            KeyProblem: a key is there twice, or is a list or a mapping.
        """
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], yaml.ScalarNode] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = 'a list or a mapping is no key; quote it, such as "[]"'
                raise KeyProblem(problem=problem, problem_mark=key.start_mark)
            if key.tag == MERGE:
                continue
            first = seen.setdefault((key.tag, str(read_scalar(key))), key)
            if first is not key:
                raise KeyProblem(problem=describe_twice(first, key), problem_mark=key.start_mark)
        return node


def load_strictly(text: str) -> Json:
    """Parses YAML.

    Raises:
        yaml.YAMLError: it is no YAML, or a key is there twice.
    """
    return yaml.load(text, StrictLoader)  # noqa: S506  a safe loader


def describe_twice(first: yaml.ScalarNode, second: yaml.ScalarNode) -> str:
    """Describes a key that is there twice, with the line of the other."""
    line = first.start_mark.line + 1
    if first.value == second.value:
        return f"`{second.value}` is declared on line {line} already; keep one"
    value = str(read_scalar(first)).lower()
    return (
        f"`{second.value}` is the same key as `{first.value}` on line {line}, since YAML reads "
        f"both as {value}; quote them"
    )


def read_scalar(node: yaml.ScalarNode) -> object:
    """Returns what YAML reads a scalar as."""
    if node.style is not None:
        return node.value
    try:
        return yaml.safe_load(node.value)
    except (yaml.YAMLError, ValueError):
        return node.value


def is_key(node: yaml.Node, key: int | str) -> bool:
    """Whether a key of a file is the key that a parser or pydantic names."""
    if not isinstance(node, yaml.ScalarNode):
        return False
    value = read_scalar(node)
    as_number = str(int(value)) if isinstance(value, bool) else node.value
    return str(key) in (node.value, str(value), repr(value), as_number)


def describe_key(node: yaml.ScalarNode) -> str:
    """Describes a key that should be a text and is not: how YAML reads it, and what to do."""
    value = read_scalar(node)
    kind = next((name for kind, name in READ_AS.items() if isinstance(value, kind)), "no text")
    return f'YAML reads the key `{node.value}` as {kind}; quote it: "{node.value}"'
