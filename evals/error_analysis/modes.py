"""Makes failure modes of notes, and changes them as a person asks; each change is a version.

How texts are compared is `clusters`'; where versions are stored, `storage`'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from evals.error_analysis import clusters
from evals.storage.documents.failure_modes import (
    Action,
    FailureMode,
    ModeDecision,
    Taxonomy,
)
from evals.storage.documents.open_notes import OpenNote

Change = Callable[[Taxonomy], Taxonomy]

NAMED = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


class ModeError(ValueError):
    """A change of the failure modes is impossible; the message gives the reason and what to do."""


def group_notes(taxonomy: Taxonomy, notes: Sequence[OpenNote]) -> Taxonomy:
    """Puts the notes without a mode into modes: similar ones into those there are, others in new.

    What a person named, merged, split or moved stays as it is.
    """
    failing, loose = list_failing(notes), list_loose(taxonomy, notes)
    if not loose:
        return taxonomy
    own = {mode.id: mode for mode in taxonomy.modes}
    for note, mode_id in zip(loose, find_modes(taxonomy, failing, loose), strict=True):
        if mode_id:
            own[mode_id] = own[mode_id]._replace(notes=(*own[mode_id].notes, note.key))
    added = {key for mode in own.values() for key in mode.notes}
    left = [note for note in loose if note.key not in added]
    room = max(1, clusters.MOST - len(own))
    new = make_modes(taxonomy, left, room)
    change = f"{len(loose)} notes grouped, {len(new)} new modes"
    return taxonomy._replace(modes=(*own.values(), *new), change=change)


def list_failing(notes: Iterable[OpenNote]) -> list[OpenNote]:
    """Lists the notes on what broke."""
    return [note for note in notes if note.verdict == "fail" and note.text]


def list_loose(taxonomy: Taxonomy, notes: Iterable[OpenNote]) -> list[OpenNote]:
    """Lists the notes on what broke that are in no mode yet."""
    return [note for note in list_failing(notes) if note.key not in taxonomy.grouped]


def find_modes(
    taxonomy: Taxonomy, failing: Iterable[OpenNote], loose: Sequence[OpenNote]
) -> list[str]:
    """Finds the mode that each loose note is similar to; empty: none."""
    texts = {note.key: note.text for note in failing}
    placed = [(texts[k], mode.id) for mode in taxonomy.modes for k in mode.notes if k in texts]
    return clusters.find_nearest(
        [text for text, _ in placed], [mode for _, mode in placed], [note.text for note in loose]
    )


def make_modes(taxonomy: Taxonomy, notes: Sequence[OpenNote], room: int) -> list[FailureMode]:
    """Makes new modes of notes that belong to none; the largest first."""
    if not notes:
        return []
    texts = [note.text for note in notes]
    groups = clusters.group_notes(texts)
    if max(groups) >= room:
        groups = clusters.group_texts(texts, room)
    names = clusters.name_groups(texts, list(map(str, groups)))
    by_group: dict[str, list[str]] = {}
    for note, group in zip(notes, map(str, groups), strict=True):
        by_group.setdefault(group, []).append(note.key)
    ordered = sorted(by_group, key=lambda group: (-len(by_group[group]), group))
    first, taken = taxonomy.number_next(), {mode.name for mode in taxonomy.modes}
    modes: list[FailureMode] = []
    for number, group in enumerate(ordered, first):
        name = make_name(names[group])
        modes.append(
            FailureMode(
                f"m{number}", f"{name}-{number}" if name in taken else name, tuple(by_group[group])
            )
        )
    return modes


def make_name(words: str) -> str:
    """Makes a mode's name of any words: lower case, with hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].strip("-") or "mode"


def rename_mode(taxonomy: Taxonomy, name: str, new: str, description: str = "") -> Taxonomy:
    """Renames a mode, and describes it where a description is given."""
    mode, called = get_mode(taxonomy, name), check_name(taxonomy, name, new or name)
    changed = mode._replace(name=called, description=description or mode.description, is_named=True)
    return replace_modes(taxonomy, [changed], f"{mode.name} renamed to {called}")


def merge_modes(taxonomy: Taxonomy, names: Sequence[str], into: str) -> Taxonomy:
    """Moves every note of some modes into another one, and drops the empty modes."""
    target = get_mode(taxonomy, into)
    merged = [get_mode(taxonomy, name) for name in names]
    others = [mode for mode in merged if mode.id != target.id]
    if not others:
        raise ModeError("name at least one mode to merge beside the one it is merged into")
    notes = dict.fromkeys(key for mode in (target, *others) for key in mode.notes)
    gone = {mode.id for mode in others}
    kept = tuple(mode for mode in taxonomy.modes if mode.id not in gone)
    change = f"{', '.join(mode.name for mode in others)} merged into {target.name}"
    changed = target._replace(notes=tuple(notes), is_named=True)
    return replace_modes(taxonomy._replace(modes=kept), [changed], change)


def split_mode(taxonomy: Taxonomy, name: str, keys: Sequence[str], new: str) -> Taxonomy:
    """Moves some notes of a mode into a new one."""
    mode = get_mode(taxonomy, name)
    if foreign := [key for key in keys if key not in mode.notes]:
        raise ModeError(f"{mode.name} has no note {foreign[0]}; `andon analysis modes` lists them")
    if not keys or set(keys) == set(mode.notes):
        raise ModeError("a split moves some notes and leaves others; to move all, rename the mode")
    called = check_name(taxonomy, "", new)
    added = FailureMode(f"m{taxonomy.number_next()}", called, tuple(dict.fromkeys(keys)), "", True)
    rest = mode._replace(notes=tuple(key for key in mode.notes if key not in keys))
    change = f"{len(keys)} notes of {mode.name} split off as {called}"
    split = replace_modes(taxonomy, [rest], change)
    return split._replace(modes=(*split.modes, added))


def move_notes(taxonomy: Taxonomy, keys: Sequence[str], into: str) -> Taxonomy:
    """Moves notes into a mode, from whichever they are in; a mode left empty is dropped."""
    target = get_mode(taxonomy, into)
    moved = [
        mode._replace(notes=tuple(key for key in mode.notes if key not in keys))
        for mode in taxonomy.modes
        if mode.id != target.id
    ]
    kept = [mode for mode in moved if mode.notes or mode.is_named]
    changed = target._replace(notes=tuple(dict.fromkeys((*target.notes, *keys))))
    order = {mode.id: at for at, mode in enumerate(taxonomy.modes)}
    modes = sorted([*kept, changed], key=lambda mode: order[mode.id])
    change = f"{len(keys)} notes moved to {target.name}"
    return taxonomy._replace(modes=tuple(modes), change=change)


def decide_mode(
    taxonomy: Taxonomy, name: str, action: Action, by: str, now: datetime, reason: str = ""
) -> Taxonomy:
    """Stores what a person decided to do about a mode."""
    mode = get_mode(taxonomy, name)
    changed = mode._replace(decision=ModeDecision(action, by, now, reason))
    return replace_modes(taxonomy, [changed], f"{mode.name}: {action}")


def get_mode(taxonomy: Taxonomy, name: str) -> FailureMode:
    """Returns a mode by its name or id.

    Raises:
        ModeError: there is none.
    """
    mode = taxonomy.find(name)
    if mode is None:
        known = ", ".join(one.name for one in taxonomy.modes) or "none yet: `andon analysis group`"
        raise ModeError(f"no failure mode {name!r} in {taxonomy.app}; there are {known}")
    return mode


def check_name(taxonomy: Taxonomy, old: str, new: str) -> str:
    """Returns a name that no other mode has.

    Raises:
        ModeError: it cannot be a name, or another mode has it.
    """
    if not NAMED.fullmatch(new):
        made = make_name(new)
        raise ModeError(f"a mode is named in lower case with hyphens, such as {made!r}")
    other, own = taxonomy.find(new), taxonomy.find(old) if old else None
    if other and (own is None or other.id != own.id):
        raise ModeError(f"another mode is called {new!r}; merge the two, or choose another name")
    return new


def replace_modes(taxonomy: Taxonomy, changed: Iterable[FailureMode], change: str) -> Taxonomy:
    """Returns the failure modes with some of them changed."""
    by_id = {mode.id: mode for mode in changed}
    modes = tuple(by_id.get(mode.id, mode) for mode in taxonomy.modes)
    return taxonomy._replace(modes=modes, change=change)


def list_tags(taxonomy: Taxonomy) -> list[str]:
    """Returns the tags that reviewers may give: the names of the modes, the largest first."""
    ordered = sorted(taxonomy.modes, key=lambda mode: (-len(mode.notes), mode.name))
    return [mode.name for mode in ordered]
