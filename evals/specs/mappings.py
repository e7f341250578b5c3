"""How rows of other shapes are read: `mappings` in `catalog.yaml`.

`evals.traces.rows` applies them.
"""

from __future__ import annotations

import difflib
import functools
import zoneinfo
from collections.abc import Iterable
from dataclasses import fields
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from evals.records import Trace
from evals.specs.spec import Spec

KEYED = ("versions", "params", "metadata")
"""Fields whose keys a team chooses."""
OWN = ("source_format", "source_file", "source_line", "content_hash", "turn")
MAPPED = tuple(field.name for field in fields(Trace) if field.name not in OWN)
SPAN_FIELDS = ("span_id", "parent_id", "name", "kind", "ended", "error")
"""Fields of a row that is one span of a trace."""
Scalar: TypeAlias = str | bool | int | float | None


class Column(Spec):
    """Where a row of another shape holds a canonical field."""

    path: str = Field(description="a dotted path, such as `meta.request.id`")
    format: str | None = Field(
        default=None, description="timestamps: a strptime format, `epoch` or `epoch_ms`"
    )
    optional: bool = Field(
        default=False,
        description="whether a file may be without it; else a file in which no row has the column "
        "is refused as a whole, since its name is probably misspelt",
    )


class Excluded(Spec):
    """Values that the rows of a mapping do not have: `{not: VALUE}` or `{not: [VALUE, …]}`."""

    values: Scalar | tuple[Scalar, ...] = Field(alias="not", description="a value, or a list")


Condition: TypeAlias = Scalar | tuple[Scalar, ...] | Excluded


class Mapping(Spec):
    """How a plain row becomes a trace, where the names differ."""

    columns: dict[str, Column | str] = Field(
        default={},
        description="canonical field, or `versions.NAME`, `params.NAME`, `metadata.NAME`, to the "
        "row's path, or path and format",
    )
    constants: dict[str, str] = Field(
        default={}, description="such a field to its value in rows without it"
    )
    where: dict[str, Condition] = Field(
        default={},
        description="which rows are read: a path to a value, a list of values, or `{not: …}` of "
        "either; null is an empty cell. Rows of other values are left out, and counted",
    )
    zone: str | None = Field(
        default=None,
        description="the time zone of timestamps without one, such as `Europe/Berlin`. A time "
        "that the clock shows twice is read as the first of the two, one that it skips as if the "
        "clock had not been changed yet; null: UTC, and the check `zone_known` reports it",
    )
    decimal: Literal[",", "."] | None = Field(
        default=None,
        description="the decimal mark of numbers in text; the other mark separates thousands. "
        "null: found by the numbers of the first rows, or of each number by itself",
    )
    encoding: str | None = Field(
        default=None,
        description="the encoding of files with these columns that are not UTF-8, such as "
        "`cp1252`; null: found by a byte order mark, or by the text",
    )
    group_by: str | None = Field(
        default=None,
        description="the path of an id that the rows of one trace share: each row is a span, and "
        "`columns` may also have `span_id`, `parent_id`, `name`, `kind`, `ended` and `error`",
    )

    row_id: Literal["content"] | None = Field(
        default=None,
        description="`content`: a row without a `trace_id` gets one made of its content, so that "
        "equal rows are one request; null: such a row is refused",
    )

    @field_validator("zone")
    @classmethod
    def check_zone(cls, name: str | None) -> str | None:
        """Refuses a zone that is unknown."""
        if name is not None and name not in list_zones():
            raise ValueError(f"no time zone {name!r}{suggest(name, sorted(list_zones()))}")
        return name

    @field_validator("encoding")
    @classmethod
    def check_encoding(cls, name: str | None) -> str | None:
        """Refuses an encoding that is unknown, or that is none of text."""
        try:
            "".encode(name or "utf-8")
        except (LookupError, UnicodeError):
            raise ValueError(
                f"no encoding {name!r}; such as utf-8, cp1252, utf-16 or shift_jis"
            ) from None
        return name

    @field_validator("columns", "constants")
    @classmethod
    def check_fields(
        cls, targets: dict[str, Column | str] | dict[str, str]
    ) -> dict[str, Column | str] | dict[str, str]:
        """Refuses a field that no trace has."""
        for target in targets:
            whole, dot, name = target.partition(".")
            is_field = target in MAPPED or target in SPAN_FIELDS
            if not is_field and not (dot and name and whole in KEYED):
                raise ValueError(
                    f"a trace has no {target!r}{suggest(target, MAPPED)}; expected one of "
                    f"{', '.join(MAPPED)}, or {', '.join(f'{field}.NAME' for field in KEYED)}"
                )
        return targets

    @model_validator(mode="after")
    def check_group(self) -> Mapping:
        """Refuses fields of a span in a mapping whose rows are traces, and a second trace id."""
        spans = [target for target in (*self.columns, *self.constants) if target in SPAN_FIELDS]
        if spans and not self.group_by:
            raise ValueError(
                f"{spans[0]!r} is a field of a span; name the column that the rows of one trace "
                "share under `group_by`"
            )
        if self.group_by and "trace_id" in (*self.columns, *self.constants):
            raise ValueError("`group_by` is the trace's id; map a row's own id to `span_id`")
        return self


@functools.cache
def list_zones() -> frozenset[str]:
    """Lists the names of time zones."""
    return frozenset(zoneinfo.available_timezones())


def suggest(name: str, names: Iterable[str]) -> str:
    """Returns `; did you mean …?` with the nearest known name; empty if none is near."""
    near = find_nearest(name, names)
    return f"; did you mean {near!r}?" if near else ""


def find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Finds the most similar of some names, whatever their case; None where none is near."""
    by_word = {word.casefold().strip(): word for word in reversed(list(names))}
    near = difflib.get_close_matches(name.casefold().strip(), by_word, n=1)
    return by_word[near[0]] if near else None
