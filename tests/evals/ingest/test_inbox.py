"""Promises of an inbox folder: only its own files are read, and what is passed over is named."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from evals.ingest.inbox import import_inbox, list_inbox, list_passed_over
from evals.specs import Catalog
from evals.storage.lake import Lake
from orchestration.cli.diagnosis import check_inbox
from orchestration.settings import Settings


@pytest.fixture(name="inbox")
def make_inbox(tmp_path: Path) -> Path:
    """An inbox with a file of its own, links, a loop of links, a pipe, and a socket."""
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    (inbox / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "shadow").write_text("root:secret\n")
    (inbox / "own.jsonl").write_text("{}\n")
    (inbox / "within.jsonl").symlink_to(inbox / "own.jsonl")
    (inbox / "shadow.jsonl").symlink_to(outside / "shadow")
    (inbox / "folder").symlink_to(outside)
    (inbox / "gone.jsonl").symlink_to(outside / "nothing")
    (inbox / "loop.jsonl").symlink_to(inbox / "loop.jsonl")
    os.mkfifo(inbox / "sub" / "pipe.jsonl")
    with contextlib.chdir(inbox), socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")  # a short name: that of a socket has at most 107 bytes
    return inbox


LINK = "a link out of the inbox, which is not followed; copy the"
PASSED_OVER = {
    "folder": f"{LINK} folder",
    "gone.jsonl": "a link that leads to no file",
    "loop.jsonl": "a link that leads to no file",
    "shadow.jsonl": f"{LINK} file",
    "socket": "a socket",
    "sub/pipe.jsonl": "a pipe; write it to a file, or read it with `andon import -`",
}


@pytest.mark.parametrize("pattern", ["", "**/*"])
def test_what_is_no_file_of_an_inbox_is_passed_over_and_named(inbox: Path, pattern: str) -> None:
    """A link may not bring a file of the machine into quarantine; one within the inbox is fine."""
    place = str(inbox / pattern) if pattern else inbox
    assert [path.name for path in list_inbox(place)] == ["own.jsonl", "within.jsonl"]
    assert dict(list_passed_over(place)) == PASSED_OVER


def test_an_import_shows_what_it_passes_over(inbox: Path, tmp_path: Path) -> None:
    """Nothing of a linked file is stored, and the message is shown as progress."""
    lake = Lake(tmp_path / "home").open()
    messages: list[str] = []
    result = import_inbox(lake, Catalog(root=tmp_path), inbox, report=messages.append)
    assert len(result.files) == 1
    assert f"shadow.jsonl: not read: {LINK} file" in messages


def test_doctor_names_what_an_import_passes_over(inbox: Path, tmp_path: Path) -> None:
    """So that an export that is a link is not waited for in vain; the home is not changed."""
    settings = Settings(tmp_path / "home", tmp_path, inbox, ())
    findings = list(check_inbox(settings, Catalog(root=tmp_path)))
    assert {finding.state for finding in findings} == {"warn"}
    assert len(findings) == len(PASSED_OVER)
    assert f"folder: not read: {LINK} folder" in [finding.words for finding in findings]
    assert not settings.home.exists()


def test_an_inbox_may_itself_be_a_link(tmp_path: Path) -> None:
    """A mounted export folder is often reached through one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jsonl").write_text("{}\n")
    (tmp_path / "inbox").symlink_to(tmp_path / "real")
    for place in (tmp_path / "inbox", str(tmp_path / "inbox" / "*")):
        assert [path.name for path in list_inbox(place)] == ["a.jsonl"]
        assert list_passed_over(place) == []
