"""A text's findings of some kinds: one pass for their hints, then the detectors whose hint stands.

What each kind looks like is told beside.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from evals.privacy.detectors.finding import MARK, Detector, Finding, format_mark, merge_overlaps
from evals.privacy.detectors.keys import KEYS
from evals.privacy.detectors.personal import PII
from evals.privacy.detectors.secrets import SECRETS, KeyBlocks

DETECTORS: dict[str, Detector | KeyBlocks] = {d.kind: d for d in (*PII, *SECRETS, *KEYS)}
PII_KINDS = tuple(detector.kind for detector in PII)
SECRET_KINDS = tuple(detector.kind for detector in (*SECRETS, *KEYS))
FORMED = tuple(kind for kind in SECRET_KINDS if kind not in ("password", "private-key"))
"""Secrets that are known by their form, whatever is said beside them."""


class Screen(NamedTuple):
    """Some kinds' hints as one automaton: a text is read once, however many kinds there are."""

    kinds: tuple[str, ...]
    automaton: Any

    def suspects(self, text: str) -> Iterable[str]:
        """The kinds whose hint stands in a text; no finding is of another kind."""
        try:
            return [self.kinds[n] for n in self.automaton.Match(text) or ()]
        except UnicodeEncodeError:  # half a surrogate pair: no bytes, so no automaton
            return self.kinds


SCREEN_MEMORY = 64 * 2**20
"""How large the automaton may grow before it begins anew."""


@functools.lru_cache(maxsize=64)
def build_screen(kinds: tuple[str, ...]) -> Screen:
    """The screen of some kinds.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    import re2

    options = re2.Options()
    options.max_mem = SCREEN_MEMORY
    automaton = re2.Set.SearchSet(options)
    for kind in kinds:
        automaton.Add(translate_hint(DETECTORS[kind]))
    automaton.Compile()
    return Screen(kinds, automaton)


def may_be_key(text: str) -> bool:
    """Whether a short text, such as an id, may hold a secret known by its form."""
    return bool(build_screen(FORMED).suspects(text))


def translate_hint(detector: Detector | KeyBlocks) -> str:
    """A detector's hint as RE2 spells it, digits and letters being those of any script."""
    if isinstance(detector, KeyBlocks):
        return "PRIVATE KEY"
    if detector.screen:
        return detector.screen
    within = detector.hint.pattern.replace(r"[\w-]", r"[\p{L}\p{N}_-]")
    for escape, spelled in {r"\d": r"\p{Nd}", r"\w": r"[\p{L}\p{N}_]"}.items():
        within = within.replace(escape, spelled)
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", within)


def find_all(text: str, kinds: Iterable[str]) -> list[Finding]:
    """Every finding of some kinds, marks of an earlier redaction among them, in order.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    wanted = tuple(dict.fromkeys(kinds))
    suspected = build_screen(wanted).suspects(text) if wanted else ()
    found = [f for kind in suspected for f in DETECTORS[kind].find(text)]
    if "[redacted:" in text:
        marks = MARK.finditer(text)
        found += [Finding(m[1], m.start(), m.end()) for m in marks if m[1] in wanted]
    return merge_overlaps(found)


def apply_marks(text: str, findings: Iterable[Finding]) -> str:
    """The text with a mark in the place of every finding."""
    parts: list[str] = []
    at = 0
    for kind, start, end in merge_overlaps(findings):
        parts += (text[at:start], format_mark(kind))
        at = end
    return "".join((*parts, text[at:]))


def build_redactor(kinds: Iterable[str]) -> Callable[[str], str]:
    """A function that takes every finding of some kinds out of a text.

    It looks again at what it wrote until only marks are left, for taking one number away may
    show that its neighbour is another. A text that is done comes back unchanged.
    """
    chosen = tuple(kinds)

    def redacted(text: str) -> str:
        for _ in range(8):
            findings = find_all(text, chosen)
            if all(MARK.fullmatch(text, f.start, f.end) for f in findings):
                break
            text = apply_marks(text, findings)
        return text

    return redacted
