"""Where personal data and secrets stand in a text, and that text without them.

Each kind is a cheap hint followed by a recognizer with its checksum; verdicts are `guardrails`'.
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
