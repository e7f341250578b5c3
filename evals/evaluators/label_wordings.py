"""Which wording of its question a label answered, and which labels count for the present one.

Everybody who reads labels asks `select_worded`: people's row, agreement, the human ceiling,
canaries, cases and candidates. What a label means under its wording is `label_verdicts`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from evals.evaluators.label_verdicts import is_from_people, list_votes
from evals.records import Label, digest

DIGEST = re.compile(r"[0-9a-f]{16}")
"""The form of a wording's digest; a version that a team named otherwise is compared with none."""


class WordedLabels(NamedTuple):
    """The labels of one answer on one dimension, under the present wording of its question."""

    votes: list[Label]
    """Each annotator's latest."""
    earlier: list[Label]
    """People's votes of another wording that they did not give again: they decide nothing."""

    @property
    def is_decidable(self) -> bool:
        """Whether the answer may have a verdict, also one that a suite gives without labels."""
        return bool(self.votes) or not self.earlier


def select_worded(labels: Iterable[Label], question: str | None) -> WordedLabels:
    """Selects the labels that count for a question's present wording, and those that do not.

    Args:
        labels: of one answer on one dimension, in the order in which they arrived.
        question: the present wording; None: no suite has the question, and each counts.
    """
    every = list(labels)
    if question is None:
        return WordedLabels(list_votes(every), [])
    people = [one for one in every if is_from_people(one)]
    return WordedLabels(
        list_votes(one for one in every if is_of_wording(one, question)),
        list_votes(list_outdated(people, question)),
    )


def digest_wording(question: str) -> str:
    """Returns the digest of a question's wording, as labels record it in `rubric_version`."""
    return digest(question)


def name_wording(label: Label) -> str:
    """Returns the digest of the wording that a label answered; empty where it records none."""
    version = label.rubric_version or ""
    return version if DIGEST.fullmatch(version) else ""


def is_of_wording(label: Label, question: str) -> bool:
    """Whether a label may count for a question: it answered this wording, or records none."""
    return name_wording(label) in ("", digest_wording(question))


def list_outdated(labels: Iterable[Label], question: str) -> list[Label]:
    """Lists the labels of another wording, without those given again under the present one."""
    every, present = list(labels), digest_wording(question)
    again = {name_voter(one) for one in every if one.rubric_version == present}
    return [
        one for one in every if not is_of_wording(one, question) and name_voter(one) not in again
    ]


def name_voter(label: Label) -> tuple[str, str, str, str]:
    """Returns who labelled what."""
    return (label.subject, label.subject_id, label.annotator, label.annotator_kind)
