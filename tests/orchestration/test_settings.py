"""Promises of the settings: a path means the same for the life of the process."""

from pathlib import Path

import pytest

from orchestration import settings as module


def test_a_relative_home_does_not_follow_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While dbt runs it changes the working folder; the data stays where it was."""
    names = {"ANDON_HOME": "data", "ANDON_INBOX": "in", "ANDON_LABELS": "a.jsonl"}
    before = module.read_settings(names)
    monkeypatch.chdir(tmp_path)
    assert module.read_settings(names) == before
    assert before.home.is_absolute()
    assert before.inbox == module.STARTED / "in"


def test_the_default_home_is_where_the_process_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting the data is in `.andon` beside the user."""
    assert module.read_settings({}).home == (module.STARTED / ".andon").resolve()


def test_a_catalog_beside_the_user_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where there is none the demo's is used."""
    monkeypatch.setattr(module, "STARTED", tmp_path)
    assert module.read_settings({}).catalog_root == module.ROOT / "evals" / "catalog"
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "catalog.yaml").write_text("title: Ours\n")
    assert module.read_settings({}).catalog_root == tmp_path / "catalog"
    named = {"ANDON_CATALOG": "elsewhere"}
    assert module.read_settings(named).catalog_root == tmp_path / "elsewhere"
