"""Prints `docs/assets.md`: every asset of the code location, in the order of the line.

Imports Dagster and all definitions, so it runs as a process of its own: see `generate.assets`.
"""

from __future__ import annotations

import sys
from typing import Any

from orchestration.definitions import STAGES, defs
from tests.docs.generate import MADE

ABOUT = """The demo's catalog has these; another catalog has its own assets under `scores/`, one an
evaluator. A partitioned asset has one partition a night. dbt's tests and the checks of Great
Expectations are Dagster asset checks, counted in the last column."""


def main() -> None:
    """The page on stdout."""
    graph = defs.resolve_asset_graph()
    order = [stage.__name__.rpartition(".")[2] for stage in STAGES]
    counts = dict.fromkeys(graph.get_all_asset_keys(), 0)
    for check in graph.asset_check_keys:
        counts[check.asset_key] = counts.get(check.asset_key, 0) + 1
    nodes = [node for node in graph.asset_nodes if node.is_materializable]
    nodes.sort(key=lambda node: (place(order, node.group_name), node.key.to_user_string()))
    lines = ["# Assets\n", MADE.format(source="the asset's docstring or description"), ABOUT, ""]
    lines += ["| group | asset | grain | nightly | kinds | owner | checks |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [row(node, counts[node.key]) for node in nodes]
    jobs = [f"- `{job.name}`: {job.description}" for job in defs.jobs or ()]
    schedules = [f"- `{one.name}` ({one.cron_schedule}): {one.description}" for one in scheduled()]
    sys.stdout.write("\n".join([*lines, "\n## Jobs and schedules\n", *jobs, *schedules, ""]))


def place(order: list[str], group: str | None) -> int:
    """The place of a group in the line; last where it is no stage."""
    return order.index(group) if group and group in order else len(order)


def row(node: Any, checks: int) -> str:
    """An asset in one row."""
    words = (node.description or "").strip().split("\n")[0].replace("|", "\\|")
    cells = (
        str(node.group_name),
        f"`{node.key.to_user_string()}`",
        words,
        "yes" if node.partitions_def else "",
        ", ".join(sorted(node.kinds)),
        ", ".join(node.owners),
        str(checks or ""),
    )
    return f"| {' | '.join(cells)} |"


def scheduled() -> list[Any]:
    """The schedules, resolved."""
    return list(defs.get_repository_def().schedule_defs)


if __name__ == "__main__":
    main()
