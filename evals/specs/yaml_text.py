"""Writes YAML as people do: keys in the order given, a text of several lines as a block.

Reading is `yaml_keys`'.
"""

from __future__ import annotations

import yaml


class BlockDumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, which people can read and compare."""


def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Represents a text."""
    del dumper
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


BlockDumper.add_representer(str, represent_text)


def dump_yaml(value: object) -> str:
    """Returns a value as YAML."""
    return yaml.dump(value, Dumper=BlockDumper, sort_keys=False, allow_unicode=True, width=100)
