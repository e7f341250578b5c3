"""The body of a report: one night of one application, with a frame and typed sections.

Pure: the same inputs give the same bytes, whatever the order of rows. Pages are in `pages`.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields, replace
from datetime import date
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from evals.records import Json, digest
from evals.reports import json_form, sections
from evals.reports.conclusion import (
    Conclusion,
    GateDecision,
    conclude_night,
    conclude_refused,
)
from evals.reports.decide.verdicts import Word
from evals.reports.json_form import Count, Share
from evals.reports.section import Day, NightData, Parts, Section
from evals.reports.sections import accounting, causes, incidents, results

SCHEMA_VERSION = 1

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a night was refused at validation."""

    reason: str
    """In a sentence."""
    read: Count
    """Rows."""
    quarantined: Count
    """Of these."""
    limit: Share
    """The share of quarantined rows that was allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The keys that every body has before its sections."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """Of this document."""
    date: Day
    """The night."""
    app: str
    """The application."""
    title: str
    """What pages call it."""
    owner: str = json_form.absent_if("")
    """Who answers for it: an e-mail address, or `team:name`; absent where nobody is named."""
    version: Annotated[str, pydantic.Field(pattern="^[0-9a-f]{16}$")]
    """Digest of everything else in the body, 16 hexadecimal digits."""
    demo: bool
    """Whether the catalog declares its data to be a demo's."""
    status: Literal["reported", "refused"]
    """`refused`: too many rows were quarantined, and nothing was evaluated."""
    refusal: Refusal | None
    """Why the night was refused; null where it was not."""
    suite: str | None
    """The suite that judged; null: no suite yet, reference-free defaults only."""
    verdict: Word
    """The worst verdict of the rows that decide."""
    sentence: Annotated[str, pydantic.Field(min_length=1)]
    """The page's first line."""
    gate: GateDecision
    """The release gate's outcome, with reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Frame):
    """A frame and the sections of the body."""

    parts: Parts

    def __getitem__(self, section: Section[Any, Part]) -> Part:
        """Returns a section of the body."""
        return self.parts[section]

    @property
    def key(self) -> tuple[date, str]:
        """Night and application."""
        return (self.date, self.app)

    @property
    def is_refused(self) -> bool:
        """Whether the night was refused at validation."""
        return self.status == "refused"

    def replace_part(self, section: Section[Any, Part], part: Part) -> Report:
        """Returns the report with another part in a section; its version stays."""
        return replace(self, parts=self.parts.replace_part(section, part))

    def to_json(self) -> dict[str, Json]:
        """Returns the body as it is stored."""
        frame = {
            json_form.name_key(member): json_form.to_json(getattr(self, member.name))
            for member in list_frame_fields()
        }
        return frame | {
            name: json_form.to_json(part) for name, part in self.parts.by_name().items()
        }

    @classmethod
    def from_json(cls, body: Mapping[str, object]) -> Report:
        """Reads a stored body; keys added since have their defaults.

        Raises:
            ValueError: the body has another schema version, or a key is missing.
        """
        if (version := body.get("schema_version")) != SCHEMA_VERSION:
            raise ValueError(
                f"a report has schema_version {version}, and {SCHEMA_VERSION} was expected: "
                "run `andon migrate`, or the Andon that wrote it"
            )
        frame = json_form.from_json(Frame, body)
        parts = {item.name: read_part(item, body) for item in sections.SECTIONS}
        values = {item.name: getattr(frame, item.name) for item in list_frame_fields()}
        return cls(**values, parts=Parts(parts))


def list_frame_fields() -> tuple[Field[object], ...]:
    """Returns the fields of a frame."""
    return fields(Frame)


def read_part(section: Section[Any, Part], body: Mapping[str, object]) -> Part:
    """Reads a section of a stored body."""
    if section.name not in body:
        if section.default is None:
            raise ValueError(f"a report has no `{section.name}`: keys are {', '.join(body)}")
        return section.default
    return json_form.from_json(section.part, body[section.name])


def build_report(night: NightData, parts: Parts | None = None) -> Report:
    """Builds the report of a night.

    Args:
        night: what sections may read of it.
        parts: sections that are built already.
    """
    parts = parts or Parts()
    for section in order_sections():
        if section.name not in parts:
            parts = parts.replace_part(section, section.build(section.collect(night), parts))
    still_open = parts[incidents.SECTION].list_open()
    conclusion = conclude_night(parts[results.SECTION], parts[causes.SECTION], still_open)
    return frame_parts(night, parts, conclusion)


def build_refused_report(night: NightData, reason: str) -> Report:
    """Builds the report of a night that was refused at validation: it measures nothing."""
    parts = Parts({section.name: section.empty(night) for section in sections.SECTIONS})
    counts = parts[accounting.SECTION]
    limit = night.app.validation.max_quarantined
    refusal = Refusal(reason, counts.read, counts.quarantined, limit)
    return frame_parts(night, parts, conclude_refused(reason), refusal)


def frame_parts(
    night: NightData, parts: Parts, conclusion: Conclusion, refusal: Refusal | None = None
) -> Report:
    """Frames the sections of a night, and sets the version of the report."""
    return set_version(
        Report(
            date=night.date,
            app=night.app.app,
            title=night.app.title or night.app.app,
            owner=night.app.owner,
            version="",
            demo=night.demo,
            status="refused" if refusal else "reported",
            refusal=refusal,
            suite=night.suite,
            verdict=conclusion.verdict,
            sentence=conclusion.sentence,
            gate=conclusion.gate,
            parts=parts,
        )
    )


def order_sections() -> Iterator[Section[Any, Any]]:
    """Returns the sections, each after those that it is built from."""
    needs = {section: section.needs for section in sections.SECTIONS}
    return iter(TopologicalSorter(needs).static_order())


def set_version(report: Report) -> Report:
    """Sets a report's version: the digest of everything else in its body."""
    body = {key: value for key, value in report.to_json().items() if key != "version"}
    return replace(report, version=digest(body))


@functools.lru_cache(maxsize=1)
def load_schema() -> dict[str, Json]:
    """Loads the JSON Schema of a report's body that ships with the package."""
    text = (
        importlib.resources.files("evals.reports").joinpath("report.schema.json").read_text("utf-8")
    )
    return json.loads(text)
