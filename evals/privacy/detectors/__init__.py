"""Detects and redacts personal data and secrets in texts.

Each kind is a cheap hint followed by a recognizer with its checksum. Verdicts on what is found
are the evaluators'.
"""

from evals.privacy.detectors.finding import MARK, Detector, Finding, format_mark
from evals.privacy.detectors.screen import (
    DETECTORS,
    PII_KINDS,
    SECRET_KINDS,
    Screen,
    apply_marks,
    build_redactor,
    build_screen,
    find_all,
    may_be_key,
)
from evals.privacy.detectors.secrets import PASSWORDS, KeyBlocks

__all__ = [
    "DETECTORS",
    "MARK",
    "PASSWORDS",
    "PII_KINDS",
    "SECRET_KINDS",
    "Detector",
    "Finding",
    "KeyBlocks",
    "Screen",
    "apply_marks",
    "build_redactor",
    "build_screen",
    "find_all",
    "format_mark",
    "may_be_key",
]
