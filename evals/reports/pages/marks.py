"""The mark of each verdict, and the link to a report's page.

The terminal and the pages share them; no template is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from evals.reports.report import Report

VERDICT_MARKS: Mapping[str, str] = MappingProxyType(
    {
        "held": "●",
        "slipped": "▼",
        "too close to call": "◐",
        "not measured": "○",
        "refused": "✕",
        "missing": "∅",
        "not due": "·",
    }
)
"""The shape of each verdict, the same in the terminal and on pages."""


def get_verdict(report: Report) -> str:
    """Returns a report's verdict; `refused` for a night refused at validation."""
    return "refused" if report.is_refused else report.verdict


def locate_page(report: Report) -> str | None:
    """Returns the path of a report's page below the board; None if a part is no plain name."""
    return locate_version(report.date, report.app, report.version)


def locate_version(night: date, app: str, version: str) -> str | None:
    """Returns the path of the page of a version, as `locate_page`."""
    from evals.specs import NAME

    parts = (app, version)
    shapes = (NAME, r"[0-9a-f]{8,64}")
    safe = all(
        re.fullmatch(shape, part, re.ASCII) for shape, part in zip(shapes, parts, strict=True)
    )
    return "/".join((night.isoformat(), *parts, "index.html")) if safe else None
