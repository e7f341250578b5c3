"""Promotes a candidate: writes it into the catalog as a change for a person's commit.

Refuses what the evidence does not support, unless it is forced. Commits nothing.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from evals.realign.evidence import Evidence
from evals.realign.labelled_answers import hash_labels
from evals.realign.labelled_judge import LabelledJudge
from evals.reports import json_form
from evals.specs import CatalogError
from evals.storage.documents.judge_candidates import StoredCandidate
from evals.storage.files import replace


class Promotion(NamedTuple):
    """What promoting a candidate changes, and what speaks against it."""

    file: Path
    diff: str
    """From the judge's file as it is to the candidate's; empty where they are the same."""
    objections: tuple[str, ...]


def prepare(work: LabelledJudge, stored: StoredCandidate) -> Promotion:
    """Returns what promoting a candidate would change, and the objections to it.

    Raises:
        CatalogError: the judge has no file of its name.
    """
    file = work.catalog.root / "judges" / f"{stored.judge}.yaml"
    if not file.is_file():
        raise CatalogError(f"{file} does not exist; name the file after its judge")
    before = file.read_text("utf-8")
    name = f"judges/{file.name}"
    old, new = (text.splitlines(keepends=True) for text in (before, stored.file))
    diff = "".join(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"))
    return Promotion(file, diff, tuple(list_objections(work, stored, file)))


def list_objections(work: LabelledJudge, stored: StoredCandidate, file: Path) -> Iterator[str]:
    """Yields what speaks against a promotion."""
    evidence = json_form.from_json(Evidence, stored.evidence)
    if is_changed(file):
        yield f"{file.name} has changes that are not committed: commit or undo them"
    if evidence.before != work.before:
        yield f"{file.name} changed since it was measured: `andon judge realign {stored.judge}`"
    elif evidence.labels != hash_labels(work.answers):
        yield f"the labels changed since it was measured: `andon judge realign {stored.judge}`"
    if evidence.test is None:
        yield f"it was not looked at on the test labels: {evidence.why}"
    elif evidence.result != "better":
        yield f"the test labels do not show that it is better: {evidence.why}"


def is_changed(file: Path) -> bool:
    """Whether a file of a git repository differs from what is committed; False outside of one."""
    git = shutil.which("git")
    if git is None:
        return False
    command = [git, "-C", str(file.parent), "status", "--porcelain", "--", file.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


def write_promotion(promotion: Promotion, stored: StoredCandidate) -> None:
    """Writes a candidate's file into the catalog.

    Raises:
        CatalogError: the catalog cannot be written.
    """
    try:
        replace(promotion.file, stored.file.encode())
    except OSError as error:
        raise CatalogError(
            f"{promotion.file}: cannot be written ({error.strerror}); promote on a machine that "
            "may write the catalog"
        ) from error
