"""Secrets and personal data taken out of what an export holds, before anything is written.

Where they stand in a text is told by `detectors`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from evals.records import Label, Trace
from evals.specs import Catalog

TEXTS = ("input", "output", "context", "messages", "steps", "feedback", "metadata")


def redacted(catalog: Catalog, trace: Trace) -> Trace:
    """The trace without secrets and without the personal data its application names."""
    clean = redactor(catalog.app(trace.app).redact)
    return dataclasses.replace(trace, **{n: cleaned(getattr(trace, n), clean) for n in TEXTS})


def redacted_label(catalog: Catalog, apps: dict[str, str], label: Label) -> Label:
    """The label without secrets and personal data: its trace's application's kinds, or all."""
    app = apps.get(label.trace_id)
    kinds = [
        kind for name in ((app,) if app else catalog.apps) for kind in catalog.app(name).redact
    ]
    clean = redactor(tuple(dict.fromkeys(kinds)))
    texts = ("dimension", "verdict", "annotator", "note")
    return dataclasses.replace(label, **{n: cleaned(getattr(label, n), clean) for n in texts})


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """The value with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(cleaned(item, clean) for item in value)
    return value


@functools.lru_cache(maxsize=16)
def redactor(kinds: tuple[str, ...]) -> Callable[[str], str]:
    """What takes personal data of some kinds, and secrets, out of a text."""
    from evals import detectors

    return detectors.redactor((*kinds, *detectors.SECRET_KINDS))
