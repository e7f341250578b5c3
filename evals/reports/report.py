"""One night of one application as a report's body: its frame, and its sections by their types.

Pure: the same inputs give the same bytes, whatever the order of rows. Pages are rendered elsewhere.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import Field

from evals.records import Json, digest
from evals.reports import json_form, sections
from evals.reports.conclusion import GateDecision, conclude
from evals.reports.decide.verdicts import Word
from evals.reports.section import Count, Day, NightData, Parts, Section, Share
from evals.reports.sections import accounting, causes, results

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
    """What every body begins with."""

    schema_version: Literal[1] = SCHEMA_VERSION
    """Of this document."""
    date: Day
    """The night."""
    app: str
    """The application."""
    title: str
    """What pages call it."""
    version: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
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
    sentence: Annotated[str, Field(min_length=1)]
    """The page's first line."""
    gate: GateDecision
    """The release gate's outcome, with reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Frame):
    """A body: its frame, and each section by its own type."""

    parts: Parts

    def __getitem__(self, section: Section[Any, Part]) -> Part:
        """A section of the body."""
        return self.parts[section]

    @property
    def key(self) -> tuple[date, str]:
        """Its night and application."""
        return (self.date, self.app)

    @property
    def is_refused(self) -> bool:
        """Whether its night was refused."""
        return self.status == "refused"

    def having(self, section: Section[Any, Part], part: Part) -> Report:
        """The same report with another part in a section; its version stays."""
        return replace(self, parts=self.parts.having(section, part))

    def to_json(self) -> dict[str, Any]:
        """The body as it is at rest."""
        frame = {
            json_form.key_of(one): json_form.to_json(getattr(self, one.name))
            for one in frame_fields()
        }
        return frame | {name: json_form.to_json(part) for name, part in self.parts.named().items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Report:
        """A body at rest, of this schema version; fields added later have their defaults.

        Raises:
            ValueError: it is of another schema version, or a key is missing.
        """
        if (version := body.get("schema_version")) != SCHEMA_VERSION:
            raise ValueError(
                f"a report has schema_version {version}, and {SCHEMA_VERSION} was expected: "
                "run `andon migrate`, or the Andon that wrote it"
            )
        frame = json_form.from_json(Frame, cast("Json", body))
        parts = {one.name: read_part(one, body) for one in sections.SECTIONS}
        held = {one.name: getattr(frame, one.name) for one in frame_fields()}
        return cls(**held, parts=Parts(parts))


def frame_fields() -> tuple[Any, ...]:
    """The fields of a frame."""
    return tuple(Frame.__dataclass_fields__.values())


def read_part(section: Section[Any, Any], body: Mapping[str, Any]) -> Any:
    """A section of a body at rest."""
    if section.name not in body:
        if section.default is None:
            raise ValueError(f"a report has no `{section.name}`: keys are {', '.join(body)}")
        return section.default
    return json_form.from_json(section.part, body[section.name])


def build_report(night: NightData) -> Report:
    """The report of a night, with its version."""
    parts = Parts()
    for section in in_order():
        parts = parts.having(section, section.build(section.collect(night), parts))
    conclusion = conclude(parts[results.SECTION], parts[causes.SECTION])
    return seal(
        Report(
            date=night.date,
            app=night.app.app,
            title=night.app.title or night.app.app,
            version="",
            demo=night.demo,
            status="reported",
            refusal=None,
            suite=night.suite,
            verdict=conclusion.verdict,
            sentence=conclusion.sentence,
            gate=conclusion.gate,
            parts=parts,
        )
    )


def refuse_report(night: NightData, reason: str) -> Report:
    """The report of a night that was refused at validation: nothing measured, and why."""
    parts = Parts({section.name: section.empty(night) for section in sections.SECTIONS})
    counts = parts[accounting.SECTION]
    limit = night.app.validation.max_quarantined
    return seal(
        Report(
            date=night.date,
            app=night.app.app,
            title=night.app.title or night.app.app,
            version="",
            demo=night.demo,
            status="refused",
            refusal=Refusal(reason, counts.read, counts.quarantined, limit),
            suite=night.suite,
            verdict="not measured",
            sentence=f"Not measured: the night was refused. {reason}",
            gate=GateDecision("infrastructure", (reason,)),
            parts=parts,
        )
    )


def in_order() -> Iterator[Section[Any, Any]]:
    """The sections, each behind those it is built from."""
    known = {one: one.needs for one in sections.SECTIONS}
    return iter(TopologicalSorter(known).static_order())


def seal(report: Report) -> Report:
    """The report with its version: the digest of everything else."""
    body = {key: value for key, value in report.to_json().items() if key != "version"}
    return replace(report, version=digest(body))


@functools.lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """The JSON Schema of a report's body, as it ships with the package."""
    text = (
        importlib.resources.files("evals.reports").joinpath("report.schema.json").read_text("utf-8")
    )
    return json.loads(text)
