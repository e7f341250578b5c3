"""Promises of options: a home that no part of the machinery would misread."""

from __future__ import annotations

import pytest

from orchestration.cli.options import find_path_problem


@pytest.mark.parametrize("name", ["a[x]", "a*", "a?b", "a%20b", "a\\b", "a\udcff"])
def test_a_home_whose_path_would_be_misread_is_refused(name: str) -> None:
    """Patterns, encoded characters and backslashes lead to other files, or to none."""
    assert find_path_problem(f"/srv/{name}/home")


@pytest.mark.parametrize("name", ["a b", "100%", "it's", 'a"b', "a#b", "a{{ b }}", "$A", "é", "a]"])
def test_other_characters_are_fine(name: str) -> None:
    """Spaces, quotes and signs of shells and templates work."""
    assert find_path_problem(f"/srv/{name}/home") is None
