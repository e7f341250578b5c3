"""The sections of a report, one module each: what it reads, how it is built, and when empty.

To add one: a module here, its fragment in `pages/templates/sections/`, a line in `SECTIONS`.
"""

from __future__ import annotations

from typing import Any

from evals.reports.section import Section
from evals.reports.sections import (
    accounting,
    agreement,
    alarms,
    anchors,
    attacks,
    causes,
    changes,
    classifiers,
    cost,
    errors,
    examples,
    extraction,
    guard,
    incidents,
    labels,
    pairs,
    provenance,
    requests,
    results,
    settings,
    slices,
    topics,
    unmet,
)

SECTIONS: tuple[Section[Any, Any], ...] = (
    alarms.SECTION,
    incidents.SECTION,
    changes.SECTION,
    causes.SECTION,
    results.SECTION,
    extraction.SECTION,
    pairs.SECTION,
    requests.SECTION,
    slices.SECTION,
    topics.SECTION,
    unmet.SECTION,
    examples.SECTION,
    agreement.SECTION,
    labels.SECTION,
    classifiers.SECTION,
    attacks.SECTION,
    guard.SECTION,
    anchors.SECTION,
    errors.SECTION,
    accounting.SECTION,
    cost.SECTION,
    provenance.SECTION,
    settings.SECTION,
)
"""In the order of the night's page; each names the sections it is built from."""
