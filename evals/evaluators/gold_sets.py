"""Gold sets: the rows of a file, and which of them belongs to a trace.

Rows are redacted as the traces of their application are. Gold values that come with labels are
in `gold`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.normal_form import normalize_text
from evals.privacy.redaction import Redaction, UserReplacement, build_redactor
from evals.privacy.row_filter import PrivacyFilter, find_replacement
from evals.records import Json, Trace, digest
from evals.specs import CatalogError
from evals.traces.files.written_objects import WrittenObject, read_objects

SUFFIXES = ("csv", "jsonl")
WORD = re.compile(r"[^\s,;<>()\"']+")


class GoldRow(NamedTuple):
    """One row of a gold set."""

    input: str
    gold: Json


@dataclass(frozen=True)
class GoldSet:
    """The rows of a gold set, each once, redacted as one application's traces are."""

    rows: Sequence[GoldRow]
    clean: Callable[[str], str]
    """Redacts the secrets and personal data that the application redacts."""
    hash_user: Callable[[str], str | None]
    """Hashes a user's id as the home does."""

    @cached_property
    def version(self) -> str:
        """Names the rows: another question or another right answer is another version."""
        rows = (json.dumps([row.input, row.gold], sort_keys=True) for row in self.rows)
        return digest(sorted(rows), 12)

    @cached_property
    def by_input(self) -> Mapping[str, GoldRow]:
        """Rows by their redacted input, in the form in which texts are compared.

        Two inputs may become one; where their gold values differ neither is used.
        """
        return index_rows((self.clean(row.input), self.redact_row(row)) for row in self.rows)

    @cached_property
    def by_user_input(self) -> Mapping[str, GoldRow]:
        """The same of inputs with a word that may be the user's id, which is hashed in traces."""
        return index_rows(
            (self.clean(row.input.replace(*user)), self.redact_row(row))
            for row in self.rows
            for user in self.list_possible_users(row.input)
        )

    def list_possible_users(self, text: str) -> Iterator[UserReplacement]:
        """Yields the words of a text that would be replaced if they were the user's id."""
        words = WORD.findall(text)
        for word in dict.fromkeys((*words, *(word.rstrip(".?!:") for word in words))):
            if user := find_replacement(word, self.hash_user(word)):
                yield user

    def list_ambiguous(self) -> list[list[str]]:
        """Lists the inputs that become one by redaction while their gold values differ."""
        groups: dict[str, list[GoldRow]] = {}
        for row in self.rows:
            key = normalize_text(self.clean(row.input), ignore_case=False)
            groups.setdefault(key, []).append(self.redact_row(row))
        differing = (rows for rows in groups.values() if any(r.gold != rows[0].gold for r in rows))
        return [[row.input for row in rows] for rows in differing]

    @cached_property
    def exact(self) -> Mapping[str, GoldRow]:
        """Rows by their input as it is written."""
        return {row.input: self.redact_row(row) for row in self.rows}

    def redact_row(self, row: GoldRow) -> GoldRow:
        """Redacts the gold value of a row, as the output it is compared with."""
        return row._replace(gold=Redaction(self.clean).redact_value(row.gold))

    def find_row(self, trace: Trace) -> GoldRow | None:
        """Finds the row whose input is the trace's; None without one."""
        if row := self.exact.get(trace.input):
            return row
        key = normalize_text(trace.input, ignore_case=False)
        row = self.by_input.get(key)
        if row is None and trace.user_id and trace.user_id in trace.input:
            row = self.by_user_input.get(key)
        return row


@dataclass
class GoldUse:
    """How many rows of a gold set belong to traces of a night."""

    gold_set: GoldSet | None
    """None where an evaluator has none."""
    used: set[str] = field(default_factory=set[str])
    """The inputs of the rows that belong to a trace."""

    def add_trace(self, trace: Trace) -> None:
        """Counts the row of a trace."""
        if self.gold_set and (row := self.gold_set.find_row(trace)):
            self.used.add(row.input)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.gold_set.rows) if self.gold_set else 0

    @property
    def version(self) -> str:
        """Names the rows as they are written; empty without a gold set."""
        return self.gold_set.version if self.gold_set else ""

    @property
    def matched(self) -> int:
        """How many of them belong to a trace."""
        return len(self.used)


def index_rows(pairs: Iterator[tuple[str, GoldRow]]) -> dict[str, GoldRow]:
    """Indexes rows by text in normal form, without those that share it and differ in gold."""
    rows: dict[str, GoldRow] = {}
    ambiguous: set[str] = set()
    for text, row in pairs:
        key = normalize_text(text, ignore_case=False)
        if rows.setdefault(key, row).gold != row.gold:
            ambiguous.add(key)
    return {key: row for key, row in rows.items() if key not in ambiguous}


@functools.lru_cache(maxsize=64)
def load_gold_set(folder: Path, name: str) -> tuple[GoldRow, ...]:
    """Reads a gold set: rows of `input` and `gold` in `NAME.jsonl` or `NAME.csv`, each input once.

    Raises:
        CatalogError: naming each file and line that is wrong.
    """
    paths = [path for suffix in SUFFIXES if (path := folder / f"{name}.{suffix}").exists()]
    if not paths:
        raise CatalogError(f"{folder / name}.jsonl: no such gold set")
    gold: dict[str, Json] = {}
    problems: list[str] = []
    for path in paths:
        for one in read_objects(path):
            row = read_row(one)
            if isinstance(row, str):
                problems.append(f"{path}:{one.line}: {row}" if one.line else f"{path}: {row}")
            else:
                gold[row.input] = row.gold
    if problems:
        raise CatalogError(*problems)
    return tuple(GoldRow(*pair) for pair in gold.items())


def locate_rows(folder: Path, name: str) -> dict[str, str]:
    """Locates the rows of a gold set by their input, as `NAME.jsonl:LINE`; the last of each."""
    places: dict[str, str] = {}
    for path in (folder / f"{name}.{suffix}" for suffix in SUFFIXES):
        for one in read_objects(path) if path.exists() else ():
            row = read_row(one)
            if isinstance(row, GoldRow):
                places[row.input] = f"{path.name}:{one.line}"
    return places


def read_row(one: WrittenObject) -> GoldRow | str:
    """Reads one row of a gold set; returns what is wrong with it where it cannot be read."""
    value = one.value
    if value is None:
        return f"{one.problem}; expected `input` and `gold`"
    missing = [f"`{key}`" for key in ("input", "gold") if key not in value]
    if missing:
        names = ", ".join(value)[:120] or "nothing"
        where = "columns" if one.is_row else "keys"
        return f"no {' and no '.join(missing)}; expected {where} `input` and `gold`, found {names}"
    question, gold = value["input"], value["gold"]
    if one.is_row:
        question, gold = ("" if cell is None else cell for cell in (question, gold))
    return GoldRow(str(question), gold)


def redact_gold_set(rows: Sequence[GoldRow], app: str, privacy: PrivacyFilter | None) -> GoldSet:
    """Returns a gold set as an application's traces are compared with it.

    Args:
        rows: the rows as they are written.
        app: the application.
        privacy: the filter of the home's rows; None: nothing is redacted.
    """
    if privacy is None:
        return GoldSet(rows, str, str)
    return GoldSet(rows, build_redactor(privacy.list_redacted_kinds(app)), privacy.hash_user)
