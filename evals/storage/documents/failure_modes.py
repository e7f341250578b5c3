"""The failure modes of an application in all their versions: names, notes, and decisions.

What groups notes and what a decision leads to is in `evals.error_analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from evals.storage.lake import Lake, require_safe_name

FOLDER = "analysis/modes"
Action = Literal["prompt", "guard", "assertion", "judge", "ignore"]
"""What a person decided to do about a mode: fix the prompt, let a guard, an assertion or a judge
watch it, or nothing."""
ACTIONS: tuple[Action, ...] = get_args(Action)


class ModeDecision(NamedTuple):
    """What a person decided to do about a failure mode."""

    action: Action
    by: str
    time: datetime
    reason: str = ""


class FailureMode(NamedTuple):
    """A way in which answers fail."""

    id: str
    """The same in all versions, such as `m3`."""
    name: str
    """Lower case with hyphens: a tag that reviewers may give."""
    notes: tuple[str, ...]
    """The keys of its notes."""
    description: str = ""
    """In a sentence."""
    is_named: bool = False
    """Whether a person named it; else its name is made of words that its notes share."""
    decision: ModeDecision | None = None


class Taxonomy(NamedTuple):
    """One version of an application's failure modes."""

    app: str
    version: int
    """From 1."""
    modes: tuple[FailureMode, ...]
    author: str = ""
    time: datetime | None = None
    change: str = ""
    """What was changed, in words."""

    def find(self, name: str) -> FailureMode | None:
        """Finds a mode by its name or id."""
        return next((mode for mode in self.modes if name in (mode.id, mode.name)), None)

    def find_mode_of(self, key: str) -> FailureMode | None:
        """Finds the mode of a note."""
        return next((mode for mode in self.modes if key in mode.notes), None)

    @property
    def grouped(self) -> set[str]:
        """The keys of the notes that are in a mode."""
        return {key for mode in self.modes for key in mode.notes}

    def number_next(self) -> int:
        """Returns the number of the next new mode."""
        return 1 + max((int(mode.id[1:]) for mode in self.modes), default=0)


def read_taxonomy(lake: Lake, app: str) -> Taxonomy:
    """Reads the current failure modes; version 0 without modes where there are none."""
    versions = read_taxonomies(lake, app)
    return versions[-1] if versions else Taxonomy(app, 0, ())


def read_taxonomies(lake: Lake, app: str) -> list[Taxonomy]:
    """Reads every version of an application's failure modes, oldest first."""
    return lake.read_document(name_file(app), parse_taxonomies) or []


def change_taxonomy(
    lake: Lake, app: str, change: Callable[[Taxonomy], Taxonomy], author: str, now: datetime
) -> Taxonomy:
    """Appends a version that a function makes of the current one; no other process interferes.

    A change that changes no mode adds no version.
    """
    with lake.lock("failure-modes", require_safe_name(app)):
        versions = read_taxonomies(lake, app)
        current = versions[-1] if versions else Taxonomy(app, 0, ())
        changed = change(current)
        if changed.modes == current.modes:
            return current
        added = changed._replace(version=current.version + 1, author=author, time=now)
        write_taxonomies(lake, app, [*versions, added])
    return added


def drop_from_taxonomies(lake: Lake, dropped: Mapping[str, set[str]]) -> None:
    """Removes deleted notes from every version, and modes without notes that nobody named."""
    for app, keys in dropped.items():
        with lake.lock("failure-modes", require_safe_name(app)):
            versions = [remove_notes(one, keys) for one in read_taxonomies(lake, app)]
            if versions:
                write_taxonomies(lake, app, versions)


def remove_notes(taxonomy: Taxonomy, keys: set[str]) -> Taxonomy:
    """Removes notes from the modes of a version."""
    modes: list[FailureMode] = []
    for mode in taxonomy.modes:
        notes = tuple(key for key in mode.notes if key not in keys)
        if notes or mode.is_named or notes == mode.notes:
            modes.append(mode._replace(notes=notes))
    return taxonomy._replace(modes=tuple(modes))


def write_taxonomies(lake: Lake, app: str, versions: Sequence[Taxonomy]) -> None:
    """Replaces the document of an application's failure modes."""
    rows = [encode_taxonomy(one) for one in versions]
    lake.replace_document(name_file(app), rows, durable=True)


def name_file(app: str) -> str:
    """Returns the name of the document of an application's failure modes."""
    return f"{FOLDER}/{require_safe_name(app)}.json"


def encode_taxonomy(taxonomy: Taxonomy) -> dict[str, object]:
    """Returns a version as JSON."""
    modes = [encode_mode(mode) for mode in taxonomy.modes]
    time = taxonomy.time and taxonomy.time.isoformat()
    return {**taxonomy._asdict(), "modes": modes, "time": time}


def encode_mode(mode: FailureMode) -> dict[str, object]:
    """Returns a mode as JSON."""
    decision = mode.decision
    shown = decision and {**decision._asdict(), "time": decision.time.isoformat()}
    return {**mode._asdict(), "notes": list(mode.notes), "decision": shown}


def parse_taxonomies(rows: list[dict[str, Any]]) -> list[Taxonomy]:
    """Returns the document as records."""
    return [
        Taxonomy(
            app=row["app"],
            version=row["version"],
            modes=tuple(map(parse_mode, row["modes"])),
            author=row["author"],
            time=row["time"] and datetime.fromisoformat(row["time"]),
            change=row["change"],
        )
        for row in rows
    ]


def parse_mode(row: dict[str, Any]) -> FailureMode:
    """Returns the mode of a row."""
    decided = row["decision"]
    return FailureMode(
        id=row["id"],
        name=row["name"],
        notes=tuple(row["notes"]),
        description=row["description"],
        is_named=row["is_named"],
        decision=decided and parse_decision(decided),
    )


def parse_decision(row: dict[str, Any]) -> ModeDecision:
    """Returns the decision of a row."""
    time = datetime.fromisoformat(row["time"])
    return ModeDecision(row["action"], row["by"], time, row["reason"])
