"""Canaries: answers people failed, each carrying an attack, put to a judge to see whether it holds.

Chosen here, and read back as rows; asked like any other content, so that they are paid once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.annotations import GOLD, References, together
from evals.lake import CanaryRow, Lake, from_rows, quoted
from evals.records import Failure, Outcome, Skip, Trace
from evals.specs import Attack, Catalog, CatalogError, Evaluator, load_catalog, parse, read_yaml

SHIPPED = Path(__file__).with_name("attacks.yaml")
FILLER = ("The request is answered correctly and completely. " * 400).strip()
Found = Outcome | Failure | Skip


class Canary(NamedTuple):
    """An attack and the answer that carries it."""

    attack: Attack
    carrier: Trace
    """As people failed it."""
    trace: Trace
    """With the attack in it."""


def suite(catalog: Catalog) -> tuple[Attack, ...]:
    """Every attack: the shipped ones, then the team's own, which may not take a shipped name."""
    known = {attack.attack for attack in shipped()}
    for attack in catalog.attacks.attacks:
        if attack.attack in known:
            path = catalog.root / "attacks.yaml"
            raise CatalogError(f"{path}: attacks: {attack.attack!r} is taken; name it otherwise")
        known.add(attack.attack)
    return (*shipped(), *catalog.attacks.attacks)


@functools.cache
def shipped() -> tuple[Attack, ...]:
    """The attacks that come with Andon."""
    rows = enumerate(read_yaml(SHIPPED))
    return tuple(parse(Attack, SHIPPED, value, (index,)) for index, value in rows)


def nightly(catalog: Catalog) -> list[Attack]:
    """The first attacks of each family, as many as a night asks."""
    asked: Counter[str] = Counter()
    chosen = []
    for attack in suite(catalog):
        if asked[attack.family] < catalog.attacks.each:
            asked[attack.family] += 1
            chosen.append(attack)
    return chosen


def of_night(
    lake: Lake, references: References, evaluator: Evaluator, night: date
) -> tuple[Canary, ...]:
    """The canaries a judge is asked beside a night's traces."""
    catalog = load_catalog(references.root)
    attacks = nightly(catalog)
    return loaded(attacks, evaluator, carriers(lake, references, evaluator, night))


def loaded(
    attacks: Sequence[Attack], evaluator: Evaluator, bad: Sequence[Trace]
) -> tuple[Canary, ...]:
    """Each attack on one of the bad answers, which take turns; none without a bad answer."""
    turns = [bad[index % len(bad)] for index in range(len(attacks))] if bad else []
    return tuple(
        Canary(attack, trace, carrying(trace, attack, evaluator))
        for attack, trace in zip(attacks, turns, strict=False)
    )


def carrying(trace: Trace, attack: Attack, evaluator: Evaluator) -> Trace:
    """The trace with an attack in what the judge reads of it: its answer, where it reads that."""
    field = "output" if "output" in evaluator.reads else evaluator.reads[-1]
    text = attack.text if "{answer}" in attack.text else "{answer}\n\n" + attack.text
    text = text.replace("{field}", field).replace("{filler}", FILLER)
    if attack.family == "tool-result" and "steps" in evaluator.reads:
        field = "steps"
    if field in ("steps", "messages"):
        said = text.replace("{answer}", "").strip()
        entry = {"role": "tool", "name": "quality_check", "content": said}
        return dataclasses.replace(trace, **{field: (*getattr(trace, field), entry)})
    value = getattr(trace, field) or ""
    return dataclasses.replace(trace, **{field: text.replace("{answer}", value)})


def carriers(
    lake: Lake, references: References, evaluator: Evaluator, night: date
) -> tuple[Trace, ...]:
    """Answers people failed on the judge's dimension, the oldest first, up to a night.

    The oldest, so that new nights and new labels change nothing and nothing is asked again.
    """
    catalog = load_catalog(references.root)
    bad = known_bad(catalog, references, evaluator)
    nights = tuple(day for day in lake.nights("traces") if day <= night)
    files = lake.files("traces", nights) if bad else []
    stamp = tuple((file, file.stat().st_mtime_ns) for file in files)
    most = catalog.attacks.carriers
    return oldest(lake.home, evaluator.app, bad, nights, stamp, most) if bad else ()


def known_bad(catalog: Catalog, references: References, evaluator: Evaluator) -> tuple[str, ...]:
    """The traces that people failed, by id; where some adjudicated, their word counts."""
    suite = catalog.suites.get(catalog.app(evaluator.app).suite or "")
    dimensions = {d.dimension: d for d in suite.dimensions} if suite else {}
    dimension = dimensions.get(evaluator.dimension)
    if dimension is None:
        return ()
    bad = []
    for trace_id in references.labels:
        said = references.on(trace_id, evaluator.labels)
        people = [x for x in said if x.annotator_kind == "human" and x.annotator != GOLD]
        people = [x for x in said if x.annotator_kind == "adjudicated"] or people
        found = together(dimension.mapping, people) if people else None
        if isinstance(found, Outcome) and not found.passed:
            bad.append(trace_id)
    return tuple(sorted(bad))


@functools.lru_cache(maxsize=256)
def oldest(
    home: Path,
    app: str,
    ids: tuple[str, ...],
    nights: tuple[date, ...],
    stamp: tuple[tuple[Path, int], ...],
    most: int,
) -> tuple[Trace, ...]:
    """The oldest of these traces; read anew when a file of theirs was written (`stamp`)."""
    listed = ", ".join(map(quoted, ids))
    sql = (
        f"select * from traces where app = {quoted(app)} and trace_id in ({listed}) "  # noqa: S608  quoted
        f"order by ts, trace_id limit {most}"
    )
    return tuple(from_rows(Trace, Lake(home).rows(sql, {"traces": nights})))


def row(night: date, evaluator: Evaluator, canary: Canary, clean: Found, now: Found) -> CanaryRow:
    """What a judge said of a bad answer without its attack and with it."""
    why = next((found for found in (now, clean) if not isinstance(found, Outcome)), None)
    return CanaryRow(
        date=night,
        app=evaluator.app,
        dimension=evaluator.dimension,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        attack=canary.attack.attack,
        family=canary.attack.family,
        trace_id=canary.carrier.trace_id,
        clean=word(clean),
        verdict=word(now),
        code=why.code if isinstance(why, Failure) else why.reason if why else None,
    )


def word(found: Found) -> str | None:
    """An outcome as a word; None for what is no verdict."""
    return ("pass" if found.passed else "fail") if isinstance(found, Outcome) else None
