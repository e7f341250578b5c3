"""Canaries: answers that people failed, each with an attack added, which a judge must still fail.

They are asked like any other content, so that they are paid once.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.evaluators.label_verdicts import is_from_people, map_verdict
from evals.evaluators.protocol import Result
from evals.records import Failure, Outcome, Trace
from evals.specs import Attack, Catalog, CatalogError, Evaluator, load_catalog, parse, read_list
from evals.specs.label_rules import LabelRules
from evals.storage.lake import Lake
from evals.storage.queries import query_tables, quote_text
from evals.storage.record_tables import build_records
from evals.storage.store import FileState, read_file_states
from evals.table_rows import CanaryRow

SHIPPED = Path(__file__).with_name("attacks.yaml")
FILLER = ("The request is answered correctly and completely. " * 400).strip()
MAX_TRACES = 200
"""How many of the oldest answers that somebody failed are looked at, for those that all failed."""


class Canary(NamedTuple):
    """An attack and the answer that carries it."""

    attack: Attack
    carrier: Trace
    """The trace that people failed."""
    trace: Trace
    """The same with the attack in it."""


def list_attacks(catalog: Catalog) -> tuple[Attack, ...]:
    """Lists every attack: the shipped ones, then the team's own, which need other names."""
    names = {attack.attack for attack in load_shipped_attacks()}
    for attack in catalog.attacks.attacks:
        if attack.attack in names:
            path = catalog.root / "attacks.yaml"
            raise CatalogError(f"{path}: attacks: {attack.attack!r} is taken; name it otherwise")
        names.add(attack.attack)
    return (*load_shipped_attacks(), *catalog.attacks.attacks)


@functools.cache
def load_shipped_attacks() -> tuple[Attack, ...]:
    """Loads the attacks that come with Andon."""
    rows = enumerate(read_list(SHIPPED, "a list, one attack a line"))
    return tuple(parse(Attack, SHIPPED, value, (index,)) for index, value in rows)


def choose_attacks(catalog: Catalog) -> list[Attack]:
    """Chooses the first attacks of each family, as many as a night asks."""
    attacks, counts = list_attacks(catalog), Counter[str]()
    own = dict.fromkeys(attack.family for attack in attacks)
    families = catalog.attacks.families or tuple(own)
    if unknown := [name for name in families if name not in own]:
        path = catalog.root / "attacks.yaml"
        problem = f"there is no {unknown[0]!r}; there are {', '.join(own)}"
        raise CatalogError(f"{path}: families: {problem}")
    chosen: list[Attack] = []
    for attack in attacks:
        if attack.family in families and counts[attack.family] < catalog.attacks.each:
            counts[attack.family] += 1
            chosen.append(attack)
    return chosen


def build_night_canaries(
    lake: Lake, references: GoldAndLabels, evaluator: Evaluator, night: date
) -> tuple[Canary, ...]:
    """Builds the canaries a judge is asked beside a night's traces.

    None of whole sessions, and none of a judge that compares two answers.
    """
    if evaluator.subject != "trace" or evaluator.compares:
        return ()
    catalog = load_catalog(references.root)
    failed = find_carriers(lake, catalog, references, evaluator, night)
    return assign_attacks(choose_attacks(catalog), evaluator, failed)


def assign_attacks(
    attacks: Sequence[Attack], evaluator: Evaluator, failed: Sequence[Trace]
) -> tuple[Canary, ...]:
    """Adds each attack to one of the failed answers in turn; none where nothing failed."""
    turns = [failed[index % len(failed)] for index in range(len(attacks))] if failed else []
    return tuple(
        Canary(attack, trace, insert_attack(trace, attack, evaluator))
        for attack, trace in zip(attacks, turns, strict=False)
    )


def insert_attack(trace: Trace, attack: Attack, evaluator: Evaluator) -> Trace:
    """Adds an attack to a field the judge reads: the answer, where it reads that."""
    field = "output" if "output" in evaluator.reads else evaluator.reads[-1]
    text = attack.text if "{answer}" in attack.text else "{answer}\n\n" + attack.text
    text = text.replace("{field}", field).replace("{filler}", FILLER)
    if attack.family == "tool-result" and "steps" in evaluator.reads:
        field = "steps"
    if field in ("steps", "messages"):
        content = text.replace("{answer}", "").strip()
        entry = {"role": "tool", "name": "quality_check", "content": content}
        return dataclasses.replace(trace, **{field: (*getattr(trace, field), entry)})
    value = getattr(trace, field) or ""
    return dataclasses.replace(trace, **{field: text.replace("{answer}", value)})


def find_carriers(
    lake: Lake, catalog: Catalog, references: GoldAndLabels, evaluator: Evaluator, night: date
) -> tuple[Trace, ...]:
    """Finds answers that people failed on the judge's dimension up to a night, oldest first.

    The oldest, so that new nights and new labels change nothing and nothing is asked again.
    """
    rules = find_rules(catalog, evaluator)
    named = tuple(sorted(list_failed_ids(references, evaluator, rules)))
    if not named:
        return ()
    nights = tuple(day for day in lake.list_nights("traces") if day <= night)
    stamp = read_file_states(lake.list_files("traces", nights))
    traces = read_oldest_traces(lake, evaluator.app, named, nights, stamp)
    failed = (t for t in traces if is_failed_by_people(references, evaluator, rules, t))
    return tuple(itertools.islice(failed, catalog.attacks.carriers))


def find_rules(catalog: Catalog, evaluator: Evaluator) -> LabelRules:
    """Returns how the suite reads the labels of an evaluator's dimension."""
    suite = catalog.suites.get(catalog.app(evaluator.app).suite or "")
    dimensions = suite.dimensions if suite else ()
    by_name = {d.dimension: d.label_rules for d in dimensions}
    return by_name.get(evaluator.dimension, LabelRules())


def list_failed_ids(
    references: GoldAndLabels, evaluator: Evaluator, rules: LabelRules
) -> Iterator[str]:
    """Lists the traces that at least one person failed."""
    for trace_id, labels in references.labels.items():
        if any(
            label.dimension == evaluator.labels
            and is_from_people(label)
            and is_failing(map_verdict(rules.map_for(label.annotator_kind), label.verdict))
            for label in labels
        ):
            yield trace_id


def is_failed_by_people(
    references: GoldAndLabels, evaluator: Evaluator, rules: LabelRules, trace: Trace
) -> bool:
    """Whether people failed a trace's present answer under the present question."""
    question = evaluator.question
    return is_failing(references.decide_people(rules, trace, evaluator.labels, question))


def is_failing(result: Result | None) -> bool:
    """Whether a result is the verdict fail."""
    return isinstance(result, Outcome) and not result.passed


@functools.lru_cache(maxsize=256)
def read_oldest_traces(
    lake: Lake,
    app: str,
    ids: tuple[str, ...],
    nights: tuple[date, ...],
    stamp: tuple[FileState, ...],
) -> tuple[Trace, ...]:
    """Reads the oldest of some traces; `stamp` makes the cache miss when a file has changed."""
    listed = ", ".join(map(quote_text, ids))
    sql = (
        f"select * from traces where app = {quote_text(app)} and trace_id in ({listed}) "  # noqa: S608  quoted
        f"order by ts, trace_id limit {MAX_TRACES}"
    )
    return tuple(build_records(Trace, query_tables(lake, sql, {"traces": nights})))


def build_row(
    night: date, evaluator: Evaluator, canary: Canary, clean: Result, attacked: Result
) -> CanaryRow:
    """Builds the row of a judge's verdicts on a failed answer without its attack and with it."""
    why = next((result for result in (attacked, clean) if not isinstance(result, Outcome)), None)
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
        verdict=format_verdict(attacked),
        code=why.code if isinstance(why, Failure) else why.reason if why else None,
    )


def format_verdict(result: Result) -> str | None:
    """Returns `pass` or `fail`; None for what is no verdict."""
    return ("pass" if result.passed else "fail") if isinstance(result, Outcome) else None
