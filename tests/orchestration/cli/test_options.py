"""Promises of options: a home that no part of the machinery would misread."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from orchestration.cli.options import Place, find_path_problem


@pytest.mark.parametrize("name", ["a[x]", "a*", "a?b", "a%20b", "a\\b", "a\udcff"])
def test_a_home_whose_path_would_be_misread_is_refused(name: str) -> None:
    """Patterns, encoded characters and backslashes lead to other files, or to none."""
    assert find_path_problem(f"/srv/{name}/home")


@pytest.mark.parametrize("name", ["a b", "100%", "it's", 'a"b', "a#b", "a{{ b }}", "$A", "é", "a]"])
def test_other_characters_are_fine(name: str) -> None:
    """Spaces, quotes and signs of shells and templates work."""
    assert find_path_problem(f"/srv/{name}/home") is None


def test_a_pipe_is_refused_as_a_place_of_exports(tmp_path: Path) -> None:
    """An import of one would read nothing, and say nothing."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(click.BadParameter, match="is a pipe, a socket or a device"):
        Place().convert(str(tmp_path / "pipe"), None, None)
