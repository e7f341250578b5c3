"""A suite's YAML with one dimension more: inserted as text, so that comments stay.

What the dimension asks is `scaffold`'s.
"""

from __future__ import annotations

import textwrap

import yaml


class UnusualSuiteError(ValueError):
    """A dimension cannot be inserted; the message gives the reason."""


def insert_dimension(text: str, dimension: str) -> str:
    """Returns a suite's text with a dimension at the end of its list.

    Args:
        text: the suite.
        dimension: as YAML, from `- dimension:` on, without indentation.

    Raises:
        UnusualSuiteError: the list is written within brackets, or there is none.
    """
    whole = text if text.endswith("\n") else f"{text}\n"
    node, lines = find_dimensions(whole), whole.splitlines(keepends=True)
    last = node.value[-1]
    is_within = last.end_mark.column > 0  # an item in brackets ends within its line
    end = find_end(lines, last.start_mark.line, last.end_mark.line + is_within)
    column = node.start_mark.column
    lines.insert(end, textwrap.indent(dimension.rstrip("\n") + "\n", " " * column))
    return "".join(lines)


def find_dimensions(text: str) -> yaml.SequenceNode:
    """Finds the list of dimensions in a suite."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs: list[tuple[yaml.Node, yaml.Node]]
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    node = next((item for key, item in pairs if key.value == "dimensions"), None)
    if not isinstance(node, yaml.SequenceNode) or not node.value or node.flow_style:
        raise UnusualSuiteError("expected `dimensions:` as a list with a line for each item")
    return node


def find_end(lines: list[str], first: int, last: int) -> int:
    """Returns the line after an item's last one with content; comments below it are not its."""
    end = min(last, len(lines))
    while end > first + 1 and is_idle(lines[end - 1]):
        end -= 1
    return max(end, first + 1)


def is_idle(line: str) -> bool:
    """Whether a line is blank or a comment."""
    return not line.strip() or line.lstrip().startswith("#")
