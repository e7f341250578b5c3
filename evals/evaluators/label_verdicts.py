"""What labels mean: words as pass, fail or skip, and the labels of one answer as one verdict.

The one rule for people's row, agreement, alignment and canaries. Reads no file.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evals.records import Failure, Json, Label, Outcome, Skip, encode_canonical
from evals.specs.label_rules import LabelRules, fold_word, parse_condition, parse_number

TIE = Skip("tie")
"""The result of as many votes for one verdict as for the other."""
NO_LABEL = "no label"
"""The explanation of a verdict that the suite gives to an answer without a label."""

PEOPLE = ("human", "adjudicated")
"""The kinds of annotators that are people; their rows go under these names."""


def is_from_people(label: Label) -> bool:
    """Whether a person gave a label, not a judge or a rule, whatever the annotator's name is."""
    return label.annotator_kind in PEOPLE


def map_verdict(mapping: Mapping[str, str], verdict: Json) -> Outcome | Failure | Skip:
    """Translates an annotator's verdict to pass, fail or skip.

    A list is read tag by tag: one that fails fails it, and else one that passes passes it.
    """
    if verdict is None:
        return Failure("no-verdict", "the annotator recorded no verdict")
    key = find_key(mapping, verdict)
    if key is None and isinstance(verdict, list) and verdict:
        return map_tags(mapping, verdict)
    word = spell_verdict(verdict)
    meaning = mapping.get(key) if key is not None else None
    if meaning == "skip":
        return Skip("mapped-to-skip")
    if meaning is None:
        return Failure("unmapped-verdict", f"the suite maps no {word[:60]!r}")
    return Outcome(meaning == "pass", explanation=word[:200])


def map_tags(mapping: Mapping[str, str], tags: Sequence[Json]) -> Outcome | Failure | Skip:
    """Translates a list of tags: the worst of them, or the first that the suite does not map."""
    results = [map_verdict(mapping, tag) for tag in tags]
    unmapped = next((one for one in results if isinstance(one, Failure)), None)
    if unmapped:
        return unmapped
    return pool_results(results, worst=True)


def find_key(mapping: Mapping[str, str], verdict: Json) -> str | None:
    """Finds the key that a verdict matches: as it is, without case and spaces, or as a number."""
    word = spell_verdict(verdict)
    if word in mapping:
        return word
    if isinstance(verdict, list | dict):
        return None
    number = parse_number(verdict)
    spellings = {fold_word(word)}
    if isinstance(verdict, float) and number is not None and number.is_integer():
        spellings.add(str(int(number)))
    match = next((key for key in mapping if fold_word(key) in spellings), None)
    if match is not None or number is None:
        return match
    conditions = ((key, parse_condition(key)) for key in mapping)
    return next((key for key, one in conditions if one and one.holds(number)), None)


def spell_verdict(verdict: Json) -> str:
    """Returns a verdict as a word."""
    return verdict if isinstance(verdict, str) else encode_canonical(verdict).decode()


def is_mapped(mapping: Mapping[str, str], verdict: Json) -> bool:
    """Whether a map has a meaning for a verdict."""
    return not isinstance(map_verdict(mapping, verdict), Failure)


def pool_results(
    results: Sequence[Outcome | Failure | Skip], *, worst: bool
) -> Outcome | Failure | Skip:
    """Pools verdicts to one: the majority, or the worst; a tie is skipped."""
    clear = [result for result in results if isinstance(result, Outcome)]
    if not clear:
        return results[0]
    votes = Counter(outcome.passed for outcome in clear)
    if votes[True] == votes[False] and not worst:
        return TIE
    passed = not votes[False] if worst else votes[True] > votes[False]
    return next(outcome for outcome in clear if outcome.passed == passed)


def list_votes(labels: Iterable[Label]) -> list[Label]:
    """Returns each annotator's latest label, in the order in which the annotators came.

    Args:
        labels: of one answer on one dimension, in the order in which they arrived. Where two of an
            annotator name their time the later one is the vote; else the one that arrived later.
    """
    latest: dict[tuple[str, str], Label] = {}
    for label in labels:
        who = (label.annotator, label.annotator_kind)
        before = latest.get(who)
        if before and before.time and label.time and label.time < before.time:
            continue
        latest[who] = label
    return list(latest.values())


def select_deciding(labels: Iterable[Label]) -> list[Label]:
    """Returns the people's labels that decide: the adjudicated ones where there are any."""
    people = [label for label in labels if is_from_people(label)]
    return [label for label in people if label.annotator_kind == "adjudicated"] or people


def pool_labels(rules: LabelRules, labels: Iterable[Label]) -> Outcome | Failure | Skip:
    """Pools the labels of annotators who share a name, each with one vote; there is at least one.

    A label without a meaning, or without a clear one, is no vote.
    """
    votes = list_votes(labels)
    results = [map_verdict(rules.map_for(one.annotator_kind), one.verdict) for one in votes]
    return pool_results(results, worst=rules.pool == "worst")


def decide_people(rules: LabelRules, labels: Iterable[Label]) -> Outcome | Failure | Skip | None:
    """Returns what people decided on one answer; None where nobody labelled it.

    An adjudication outweighs the others' labels, also one that is unsure: then there is no
    verdict.
    """
    deciding = select_deciding(labels)
    if deciding:
        return pool_labels(rules, deciding)
    if rules.unlabelled is None:
        return None
    return Outcome(rules.unlabelled == "pass", explanation=NO_LABEL)


class Pairs(NamedTuple):
    """People who judged the same answer, in pairs."""

    pairs: int
    agreed: int
    """Pairs with one verdict."""
    passed: int = 0
    """Of those, the pairs of which both passed it."""


def compare_people(rules: LabelRules, votes: Iterable[Label]) -> Pairs:
    """Compares the people who judged one answer with each other; adjudications do not count."""
    humans = [one for one in votes if one.annotator_kind == "human"]
    results = [map_verdict(rules.map_for(one.annotator_kind), one.verdict) for one in humans]
    clear = [result.passed for result in results if isinstance(result, Outcome)]
    pairs = list(itertools.combinations(clear, 2))
    return Pairs(len(pairs), sum(a == b for a, b in pairs), sum(a and b for a, b in pairs))


def name_annotator(dimension: str, label: Label) -> str:
    """Returns the name under which an annotator's verdicts are shown; people share one.

    A judge or rule that is called like the people's row has its kind in the name.
    """
    if is_from_people(label):
        return f"{dimension}.{label.annotator_kind}"
    if fold_word(label.annotator) in PEOPLE:
        return f"{dimension}.{label.annotator} ({label.annotator_kind})"
    return f"{dimension}.{label.annotator}"


def is_people_row(dimension: str, evaluator: str) -> bool:
    """Whether verdicts under a name are what people decided on a dimension."""
    return evaluator in {f"{dimension}.{kind}" for kind in PEOPLE}


def describe_vote(dimension: str, rules: LabelRules, label: Label) -> list[Json]:
    """Returns what determines a label's verdict, as it is hashed.

    A word that is a key of its map is described as it is, and one that only matches a key by that
    key: a change in how words are matched scores those traces anew whose labels it changes.
    """
    key = find_key(rules.map_for(label.annotator_kind), label.verdict)
    is_spelled_otherwise = (
        key is not None and key != spell_verdict(label.verdict) and parse_condition(key) is None
    )
    verdict: Json = key if is_spelled_otherwise else label.verdict
    vote: list[Json] = [label.annotator, label.annotator_kind, verdict]
    name = name_annotator(dimension, label)
    usual = name == f"{dimension}.{label.annotator}" or is_from_people(label)
    return vote if usual else [*vote, name]
