"""Canaries: answers people failed, each carrying an attack, put to a judge to see whether it holds.

Chosen here, and read back as rows; asked like any other content, so that they are paid once.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from evals.evaluators.gold import GoldAndLabels, is_from_people, take_majority
from evals.records import Failure, Outcome, Skip, Trace
from evals.specs import Attack, Catalog, CatalogError, Evaluator, load_catalog, parse, read_list
from evals.storage.lake import Lake, quoted
from evals.storage.store import FileState, read_file_states
from evals.storage.tables import CanaryRow, from_rows

SHIPPED = Path(__file__).with_name("attacks.yaml")
FILLER = ("The request is answered correctly and completely. " * 400).strip()
MAX_TRACES = 200
"""The oldest answers somebody failed: among them are those that all failed and that still stand."""
Found = Outcome | Failure | Skip


class Canary(NamedTuple):
    """An attack and the answer that carries it."""

    attack: Attack
    carrier: Trace
    """As people failed it."""
    trace: Trace
    """With the attack in it."""


def list_attacks(catalog: Catalog) -> tuple[Attack, ...]:
    """Every attack: the shipped ones, then the team's own, which may not take a shipped name."""
    known = {attack.attack for attack in load_shipped_attacks()}
    for attack in catalog.attacks.attacks:
        if attack.attack in known:
            path = catalog.root / "attacks.yaml"
            raise CatalogError(f"{path}: attacks: {attack.attack!r} is taken; name it otherwise")
        known.add(attack.attack)
    return (*load_shipped_attacks(), *catalog.attacks.attacks)


@functools.cache
def load_shipped_attacks() -> tuple[Attack, ...]:
    """The attacks that come with Andon."""
    rows = enumerate(read_list(SHIPPED, "a list, one attack a line"))
    return tuple(parse(Attack, SHIPPED, value, (index,)) for index, value in rows)


def choose_attacks(catalog: Catalog) -> list[Attack]:
    """The first attacks of each family, as many as a night asks."""
    attacks, asked = list_attacks(catalog), Counter[str]()
    known = dict.fromkeys(attack.family for attack in attacks)
    families = catalog.attacks.families or tuple(known)
    if unknown := [name for name in families if name not in known]:
        path = catalog.root / "attacks.yaml"
        words = f"there is no {unknown[0]!r}; there are {', '.join(known)}"
        raise CatalogError(f"{path}: families: {words}")
    chosen = []
    for attack in attacks:
        if attack.family in families and asked[attack.family] < catalog.attacks.each:
            asked[attack.family] += 1
            chosen.append(attack)
    return chosen


def build_night_canaries(
    lake: Lake, references: GoldAndLabels, evaluator: Evaluator, night: date
) -> tuple[Canary, ...]:
    """The canaries a judge is asked beside a night's traces."""
    catalog = load_catalog(references.root)
    attacks = choose_attacks(catalog)
    return assign_attacks(attacks, evaluator, find_carriers(lake, references, evaluator, night))


def assign_attacks(
    attacks: Sequence[Attack], evaluator: Evaluator, bad: Sequence[Trace]
) -> tuple[Canary, ...]:
    """Each attack on one of the bad answers, which take turns; none without a bad answer."""
    turns = [bad[index % len(bad)] for index in range(len(attacks))] if bad else []
    return tuple(
        Canary(attack, trace, insert_attack(trace, attack, evaluator))
        for attack, trace in zip(attacks, turns, strict=False)
    )


def insert_attack(trace: Trace, attack: Attack, evaluator: Evaluator) -> Trace:
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


def find_carriers(
    lake: Lake, references: GoldAndLabels, evaluator: Evaluator, night: date
) -> tuple[Trace, ...]:
    """Answers people failed on the judge's dimension, the oldest first, up to a night.

    The oldest, so that new nights and new labels change nothing and nothing is asked again.
    """
    catalog = load_catalog(references.root)
    mapping = find_mapping(catalog, evaluator)
    named = tuple(sorted(list_failed_ids(references, evaluator, mapping)))
    if not named:
        return ()
    nights = tuple(day for day in lake.nights("traces") if day <= night)
    stamp = read_file_states(lake.files("traces", nights))
    found = read_oldest_traces(lake, evaluator.app, named, nights, stamp)
    bad = (trace for trace in found if is_failed_by_people(references, evaluator, mapping, trace))
    return tuple(itertools.islice(bad, catalog.attacks.carriers))


def find_mapping(catalog: Catalog, evaluator: Evaluator) -> dict[str, Any]:
    """The suite's map from people's words to pass and fail."""
    suite = catalog.suites.get(catalog.app(evaluator.app).suite or "")
    found = {d.dimension: d.mapping for d in suite.dimensions} if suite else {}
    return dict(found.get(evaluator.dimension, {}))


def list_failed_ids(
    references: GoldAndLabels, evaluator: Evaluator, mapping: Mapping[str, str]
) -> Iterator[str]:
    """Traces of which a person said that they fail, whatever others said."""
    for trace_id, said in references.labels.items():
        if any(
            x.dimension == evaluator.labels
            and is_from_people(x)
            and mapping.get(str(x.verdict)) == "fail"
            for x in said
        ):
            yield trace_id


def is_failed_by_people(
    references: GoldAndLabels, evaluator: Evaluator, mapping: Mapping[str, str], trace: Trace
) -> bool:
    """Whether people failed a trace's present answer; where some adjudicated, theirs counts."""
    people = [x for x in references.labels_on(trace, evaluator.labels) if is_from_people(x)]
    people = [x for x in people if x.annotator_kind == "adjudicated"] or people
    found = take_majority(mapping, people) if people else None
    return isinstance(found, Outcome) and not found.passed


@functools.lru_cache(maxsize=256)
def read_oldest_traces(
    lake: Lake,
    app: str,
    ids: tuple[str, ...],
    nights: tuple[date, ...],
    stamp: tuple[FileState, ...],
) -> tuple[Trace, ...]:
    """The oldest of these traces; read anew when a file of theirs was written (`stamp`)."""
    listed = ", ".join(map(quoted, ids))
    sql = (
        f"select * from traces where app = {quoted(app)} and trace_id in ({listed}) "  # noqa: S608  quoted
        f"order by ts, trace_id limit {MAX_TRACES}"
    )
    return tuple(from_rows(Trace, lake.rows(sql, {"traces": nights})))


def build_row(
    night: date, evaluator: Evaluator, canary: Canary, clean: Found, now: Found
) -> CanaryRow:
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
        clean=format_verdict(clean),
        verdict=format_verdict(now),
        code=why.code if isinstance(why, Failure) else why.reason if why else None,
    )


def format_verdict(found: Found) -> str | None:
    """An outcome as a word; None for what is no verdict."""
    return ("pass" if found.passed else "fail") if isinstance(found, Outcome) else None
