"""A suite's YAML in which a classifier decides a dimension in a judge's place; comments stay.

The file is changed as text. What was written is read again and has to mean that.
"""

from __future__ import annotations

import yaml

from evals.specs.suites import Check, Suite
from evals.specs.yaml_keys import load_strictly

Pairs = list[tuple[yaml.Node, yaml.Node]]


def name_classifier(text: str, dimension: str, classifier: str) -> str:
    """Returns a suite's text in which a dimension's check is a classifier instead of a judge.

    Raises:
        ValueError: its check has more than a judge, or is written in another way.
    """
    check = find_check(text, dimension)
    keys = [key.value for key, _ in check]
    if keys != ["judge"]:
        rest = ", ".join(key for key in keys if key != "judge") or "no judge"
        raise ValueError(f"a classifier takes no other key ({rest}): edit the check by hand")
    key, name = check[0]
    start, end = key.start_mark.index, name.end_mark.index
    changed = f"{text[:start]}classifier: {classifier}{text[end:]}"
    before, after = (Suite.model_validate(load_strictly(one)) for one in (text, changed))
    check = Check(kind="classifier", name=classifier)
    meant = [
        one.model_copy(update={"check": check}) if one.dimension == dimension else one
        for one in before.dimensions
    ]
    if list(after.dimensions) != meant:
        raise ValueError(f"expected {{judge: NAME}}; write {{classifier: {classifier}}} by hand")
    return changed


def find_check(text: str, dimension: str) -> Pairs:
    """Finds the keys and values of a dimension's check.

    Raises:
        ValueError: the suite has no such dimension with a check.
    """
    for item in read_items(read_pairs(yaml.compose(text, Loader=yaml.SafeLoader)), "dimensions"):
        pairs = read_pairs(item)
        names = [value.value for key, value in pairs if key.value == "dimension"]
        if names == [dimension]:
            for key, value in pairs:
                if key.value == "check" and isinstance(value, yaml.MappingNode):
                    return read_pairs(value)
    raise ValueError("expected a dimension of this name with `check: {judge: NAME}`")


def read_pairs(node: yaml.Node | None) -> Pairs:
    """Returns the keys and values of a mapping; none of anything else."""
    pairs: Pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return pairs


def read_items(pairs: Pairs, key: str) -> list[yaml.Node]:
    """Returns the items of a list at a key; none where it is no list."""
    found = next((value for name, value in pairs if name.value == key), None)
    items: list[yaml.Node] = found.value if isinstance(found, yaml.SequenceNode) else []
    return items
