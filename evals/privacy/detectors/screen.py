"""Finds private data in a text: one pass matches all hints, then their detectors run.

The detectors themselves are in `personal`, `secrets` and `keys`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, cast

from evals.privacy.detectors.finding import MARK, Detector, Finding, format_mark, merge_overlaps
from evals.privacy.detectors.keys import KEYS
from evals.privacy.detectors.personal import PII
from evals.privacy.detectors.secrets import SECRETS, KeyBlocks

DETECTORS: dict[str, Detector | KeyBlocks] = {d.kind: d for d in (*PII, *SECRETS, *KEYS)}
PII_KINDS = tuple(detector.kind for detector in PII)
SECRET_KINDS = tuple(detector.kind for detector in (*SECRETS, *KEYS))


class HintSet(Protocol):
    """RE2's automaton over several patterns."""

    def Add(self, pattern: str) -> int:
        """Adds a pattern; returns its number."""
        ...

    def Compile(self) -> None:
        """Builds the automaton of the patterns."""
        ...

    def Match(self, text: str) -> list[int] | None:
        """Returns the numbers of the patterns that match."""
        ...


class Screen(NamedTuple):
    """The hints of some kinds as one automaton, which reads a text once."""

    kinds: tuple[str, ...]
    automaton: HintSet

    def match_kinds(self, text: str) -> Iterable[str]:
        """Returns the kinds whose hint matches a text; it has no finding of another kind."""
        try:
            return [self.kinds[n] for n in self.automaton.Match(text) or ()]
        except UnicodeEncodeError:  # a lone surrogate: RE2 needs UTF-8
            return self.kinds


SCREEN_MEMORY = 64 * 2**20
"""Bytes the automaton may use before RE2 drops its cache."""


@functools.lru_cache(maxsize=64)
def build_screen(kinds: tuple[str, ...]) -> Screen:
    """Builds the screen of some kinds.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    import re2  # pyright: ignore[reportMissingTypeStubs]  # it has none

    options = re2.Options()
    options.max_mem = SCREEN_MEMORY
    automaton = cast("HintSet", re2.Set.SearchSet(options))  # pyright: ignore[reportUnknownMemberType]  # untyped
    for kind in kinds:
        automaton.Add(translate_hint(DETECTORS[kind]))
    automaton.Compile()
    return Screen(kinds, automaton)


def may_be_key(text: str) -> bool:
    """Whether a short text, such as an id, may contain a secret."""
    return bool(build_screen(SECRET_KINDS).match_kinds(text))


def translate_hint(detector: Detector | KeyBlocks) -> str:
    """Translates a detector's hint to RE2, with the digits and letters of any script."""
    if isinstance(detector, KeyBlocks):
        return "PRIVATE KEY"
    if detector.screen:
        return detector.screen
    pattern = detector.hint.pattern.replace(r"[\w-]", r"[\p{L}\p{N}_-]")
    for escape, translated in {r"\d": r"\p{Nd}", r"\w": r"[\p{L}\p{N}_]"}.items():
        pattern = pattern.replace(escape, translated)
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", pattern)


def find_all(text: str, kinds: Iterable[str]) -> list[Finding]:
    """Returns every finding of some kinds in order, with the marks of an earlier redaction.

    Raises:
        KeyError: no detector has one of the kinds.
    """
    wanted = tuple(dict.fromkeys(kinds))
    matched = build_screen(wanted).match_kinds(text) if wanted else ()
    findings = [f for kind in matched for f in DETECTORS[kind].find(text)]
    if "[redacted:" in text:
        marks = MARK.finditer(text)
        findings += [Finding(m[1], m.start(), m.end()) for m in marks if m[1] in wanted]
    return merge_overlaps(findings)


def apply_marks(text: str, findings: Iterable[Finding]) -> str:
    """Replaces every finding in a text with its mark."""
    parts: list[str] = []
    at = 0
    for kind, start, end in merge_overlaps(findings):
        parts += (text[at:start], format_mark(kind))
        at = end
    return "".join((*parts, text[at:]))


def build_redactor(kinds: Iterable[str]) -> Callable[[str], str]:
    """Returns a function that redacts every finding of some kinds in a text.

    It repeats until only marks are found, since redacting one number may reveal that its
    neighbour is another. A text without findings comes back unchanged.
    """
    chosen = tuple(kinds)

    def redact(text: str) -> str:
        for _ in range(8):
            findings = find_all(text, chosen)
            if all(MARK.fullmatch(text, f.start, f.end) for f in findings):
                break
            text = apply_marks(text, findings)
        return text

    return redact
