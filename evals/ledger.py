"""Paid answers: the journal they arrive in, the table they rest in, and what is paid already.

An answer is looked up by content × answer_version; scores are derived from it without a call.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from evals.lake import Lake, read_parquet
from evals.records import Answer, canonical


class Journal:
    """Answers as they arrive: one line each, in the kernel's hands before the next is asked."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append(self, answer: Answer) -> None:
        """Adds one answer; survives the death of the process at any moment after."""
        row = {**dataclasses.asdict(answer), "night": answer.night.isoformat()}
        os.write(self.file, canonical(row) + b"\n")

    def close(self) -> None:
        """Gives the file back."""
        os.close(self.file)


def journal_answers(path: Path) -> Iterator[Answer]:
    """The answers of a journal; a last line cut short by a kill is no answer.

    A journal settled since it was listed has none: by then they rest in the ledger.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        with contextlib.suppress(json.JSONDecodeError):
            row = json.loads(line)
            yield Answer(**{**row, "night": date.fromisoformat(row["night"])})


@contextlib.contextmanager
def journal(lake: Lake, run_id: str) -> Iterator[Journal]:
    """A run's own journal, compacted into the ledger when the run is over."""
    path = lake.home / "journal" / f"{run_id}.jsonl"
    with lake.lock("journal", run_id):
        writer = Journal(path)
        try:
            yield writer
        finally:
            writer.close()
            settle(lake, path)


def settle(lake: Lake, path: Path) -> None:
    """Moves a journal's answers into the ledger, then removes it."""
    by_file: dict[tuple[date, str], list[Answer]] = defaultdict(list)
    for answer in journal_answers(path):
        by_file[answer.night, f"{answer.evaluator}@{answer.answer_version}"].append(answer)
    for (night, name), answers in sorted(by_file.items()):
        with lake.lock("answers", name):
            file = lake.partition("answers", night) / f"{name}.parquet"
            kept = read_answers(lake, [file]) if file.exists() else []
            merged = best(kept + answers)
            lake.write("answers", night, [merged[key] for key in sorted(merged)], name)
    path.unlink(missing_ok=True)


def recover(lake: Lake) -> int:
    """Settles the journals that dead runs left behind; returns how many."""
    from filelock import Timeout

    settled = 0
    for path in sorted((lake.home / "journal").glob("*.jsonl")):
        with contextlib.suppress(Timeout), lake.lock("journal", path.stem).acquire(timeout=0):
            settle(lake, path)
            settled += 1
    return settled


def read_answers(lake: Lake, files: Iterable[Path]) -> list[Answer]:
    """The answers in some files of the ledger."""
    return [answer for file in files for answer in read_parquet(Answer, file)]


def best(answers: Iterable[Answer]) -> dict[str, Answer]:
    """One answer for each content: a text before an error, the earlier text before the later."""
    chosen: dict[str, Answer] = {}
    for answer in answers:
        held = chosen.get(answer.content_key)
        if held is None or (held.code and (answer.code is None or answer.attempts > held.attempts)):
            chosen[answer.content_key] = answer
    return chosen


def paid(lake: Lake, evaluator: str, answer_version: str) -> dict[str, Answer]:
    """What has been answered under a version, by content: the ledger and the living journals."""
    name = f"{evaluator}@{answer_version}.parquet"
    journals = sorted((lake.home / "journal").glob("*.jsonl"))
    arrived = [
        answer
        for path in journals
        for answer in journal_answers(path)
        if answer.evaluator == evaluator and answer.answer_version == answer_version
    ]
    files = sorted((lake.home / "answers").glob(f"date=*/{name}"))
    return best(read_answers(lake, files) + arrived)
