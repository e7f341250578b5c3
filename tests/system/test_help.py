"""The help of every command."""

from __future__ import annotations

import sys

import pytest

from tests.system.teams import run_andon, run_command

COMMANDS = (
    ("init",),
    ("nightly",),
    ("import",),
    ("pull",),
    ("plan",),
    ("backfill",),
    ("classifier", "train"),
    ("classifier", "list"),
    ("classifier", "show"),
    ("classifier", "compare"),
    ("classifier", "promote"),
    ("evaluator", "list"),
    ("evaluator", "show"),
    ("evaluator", "test"),
    ("evaluator", "audit"),
    ("gate",),
    ("case", "add"),
    ("case", "list"),
    ("case", "remove"),
    ("case", "export"),
    ("baseline", "bless"),
    ("baseline", "drop"),
    ("baseline", "list"),
    ("baseline", "show"),
    ("digest", "show"),
    ("digest", "send"),
    ("digest", "test"),
    ("report", "list"),
    ("report", "show"),
    ("report", "diff"),
    ("report", "render"),
    ("labels", "export"),
    ("labels", "import"),
    ("labels", "queue"),
    ("labels", "regrade"),
    ("review",),
    ("judge", "alignment"),
    ("analysis", "start"),
    ("analysis", "next"),
    ("analysis", "note"),
    ("analysis", "notes"),
    ("analysis", "group"),
    ("analysis", "modes"),
    ("analysis", "rename"),
    ("analysis", "merge"),
    ("analysis", "split"),
    ("analysis", "move"),
    ("analysis", "decide"),
    ("scaffold",),
    ("judge", "attack"),
    ("judge", "candidates"),
    ("judge", "compare"),
    ("judge", "promote"),
    ("judge", "realign"),
    ("batches", "list"),
    ("batches", "cancel"),
    ("quarantine", "list"),
    ("quarantine", "show"),
    ("quarantine", "replay"),
    ("incident", "list"),
    ("incident", "show"),
    ("incident", "accept"),
    ("incident", "reopen"),
    ("forget",),
    ("tidy",),
    ("migrate",),
    ("doctor",),
    ("ui",),
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    """`--help` of every command shows the command in use."""
    result = run_andon(*command, "--help")
    assert result.code == 0
    _, _, example = result.out.partition("Example")
    assert f"andon {' '.join(command)}" in example


def test_no_command_is_left_out_above() -> None:
    """The commands whose help is looked at are all there are."""
    listed = run_command(sys.executable, "-c", LISTING)
    assert listed.code == 0, listed.errors
    assert {tuple(name) for name in listed.json} == set(COMMANDS)


LISTING = """
import json
import click
from orchestration.cli.main import main
commands = []
for name, command in main.commands.items():
    inner = command.commands if isinstance(command, click.Group) else None
    commands += [[name, sub] for sub in inner] if inner else [[name]]
print(json.dumps(commands))
"""
