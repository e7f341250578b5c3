"""Promises of an inbox folder: only its own files are read, and what is passed over is named."""

from __future__ import annotations

import os
from pathlib import Path

from evals.ingest.inbox import describe_passed_over, import_inbox, list_inbox
from evals.specs import Catalog
from evals.storage.lake import Lake


def test_links_out_of_an_inbox_are_not_followed(tmp_path: Path) -> None:
    """A link may not bring a file of the machine into quarantine; one within the inbox is fine."""
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    (outside / "shadow").write_text("root:secret\n")
    (inbox / "own.jsonl").write_text("{}\n")
    (inbox / "within.jsonl").symlink_to(inbox / "own.jsonl")
    (inbox / "shadow.jsonl").symlink_to(outside / "shadow")
    (inbox / "folder").symlink_to(outside)
    (inbox / "gone.jsonl").symlink_to(outside / "nothing")
    os.mkfifo(inbox / "pipe.jsonl")
    assert [path.name for path in list_inbox(inbox)] == ["own.jsonl", "within.jsonl"]
    passed_over = list(describe_passed_over(inbox))
    assert [message.split(":")[0] for message in passed_over] == [
        "folder",
        "gone.jsonl",
        "pipe.jsonl",
        "shadow.jsonl",
    ]
    assert "no regular file, such as a pipe" in passed_over[2]
    assert "a link out of the inbox" in passed_over[3]


def test_an_import_names_what_it_passes_over(tmp_path: Path) -> None:
    """Nothing of a linked file is stored, and the message is shown as progress."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "secret").write_text("root:secret\n")
    (inbox / "a.jsonl").symlink_to(tmp_path / "secret")
    lake = Lake(tmp_path / "home").open()
    messages: list[str] = []
    result = import_inbox(lake, Catalog(root=tmp_path), inbox, report=messages.append)
    assert result.files == []
    assert [message for message in messages if "a.jsonl" in message] == [
        "a.jsonl: not read: a link out of the inbox, which is not followed; copy the file"
    ]


def test_an_inbox_may_itself_be_a_link(tmp_path: Path) -> None:
    """A mounted export folder is often reached through one."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jsonl").write_text("{}\n")
    (tmp_path / "inbox").symlink_to(tmp_path / "real")
    assert [path.name for path in list_inbox(tmp_path / "inbox")] == ["a.jsonl"]
    assert list(describe_passed_over(tmp_path / "inbox")) == []
