"""Evaluators that depend on others of their application: a panel, or a sample of what one failed.

Finds the others and puts them first. Their verdicts are read in `evals.worklist.peer_verdicts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from evals.evaluators import registry
from evals.evaluators.protocol import WrongDeclaration
from evals.records import digest
from evals.specs import Evaluator
from evals.specs.yaml_files import At


def list_peers(evaluator: Evaluator) -> tuple[str, ...]:
    """Lists the dimensions whose verdicts an evaluator depends on, by name."""
    return tuple(name for _, name in locate_peers(evaluator))


def locate_peers(evaluator: Evaluator) -> Iterator[tuple[At, str]]:
    """Yields the dimensions whose verdicts an evaluator depends on, with the key that names each.

    Keys are below its dimension in the suite.
    """
    for index, name in enumerate(registry.type_of(evaluator).list_peers(evaluator)):
        yield ("check", "params", "dimensions", index), name
    if flagged := evaluator.sample.flagged:
        yield ("sample", "flagged", "by"), flagged.by


def link_peers(evaluators: Sequence[Evaluator]) -> tuple[Evaluator, ...]:
    """Links the evaluators of an application to those they depend on, which come first.

    A peer that is not among them, such as one that the catalog lost, is left out.
    """
    by_dimension, depths = index_dimensions(evaluators), dict[str, int]()
    linked = [
        link_one(
            one, {name: by_dimension[name] for name in list_peers(one) if name in by_dimension}
        )
        for one in evaluators
    ]
    return tuple(sorted(linked, key=lambda one: measure_depth(one, by_dimension, depths)))


def link_one(evaluator: Evaluator, peers: Mapping[str, Evaluator]) -> Evaluator:
    """Links an evaluator to those it depends on, by dimension."""
    files = {name: peer.score_file for name, peer in peers.items()}
    draws = {name: peer.sample.draw for name, peer in peers.items() if peer.sample.draw}
    return evaluator.model_copy(update={"peers": files, "peer_draws": draws})


def include_peers(evaluator: Evaluator, evaluators: Iterable[Evaluator]) -> Evaluator:
    """Returns the evaluator with the versions of those it concludes from as a part of its own.

    Raises:
        WrongDeclaration: a dimension it depends on does not exist, or depends on it.
    """
    by_dimension = index_dimensions(evaluators)
    check_peers(evaluator, by_dimension)
    named = registry.type_of(evaluator).list_peers(evaluator)
    if not named:
        return evaluator
    versions = [include_peers(by_dimension[name], by_dimension.values()).version for name in named]
    parts = {**evaluator.parts, "peers": digest(versions)}
    return evaluator.model_copy(update={"parts": parts, "version": digest(parts)})


def check_peers(evaluator: Evaluator, by_dimension: Mapping[str, Evaluator]) -> None:
    """Checks that the dimensions an evaluator depends on exist and do not depend on it.

    Raises:
        WrongDeclaration: naming the dimension.
    """
    for key, name in locate_peers(evaluator):
        if name not in by_dimension:
            known = ", ".join(sorted(set(by_dimension) - {evaluator.dimension}))
            raise WrongDeclaration(key, f"no dimension {name!r} with a check; there are {known}")
        if by_dimension[name].subject != evaluator.subject:
            problem = f"{name!r} evaluates each {by_dimension[name].subject}, this does not"
            raise WrongDeclaration(key, problem)
    if evaluator.dimension in find_every_peer(evaluator, by_dimension):
        key = next((key for key, _ in locate_peers(evaluator)), ())
        raise WrongDeclaration(key, "it depends on itself")


def index_dimensions(evaluators: Iterable[Evaluator]) -> dict[str, Evaluator]:
    """Indexes the evaluators that dimensions declare by dimension; recorded verdicts are none."""
    return {
        one.dimension: one
        for one in evaluators
        if one.guardrail is None and not registry.is_recorded(one.kind)
    }


def find_every_peer(evaluator: Evaluator, by_dimension: Mapping[str, Evaluator]) -> set[str]:
    """Finds the dimensions that an evaluator depends on, by others too."""
    found: set[str] = set()
    waiting = [*list_peers(evaluator)]
    while waiting:
        name = waiting.pop()
        if name not in found and name in by_dimension:
            found.add(name)
            waiting += list_peers(by_dimension[name])
    return found


def measure_depth(
    evaluator: Evaluator, by_dimension: Mapping[str, Evaluator], depths: dict[str, int]
) -> int:
    """Counts the evaluators that must come before one, in the longest chain of them.

    Args:
        evaluator: the evaluator.
        by_dimension: those of its application.
        depths: receives the depth of each dimension on the way, which is measured once.
    """
    depth = 0
    for name in filter(by_dimension.__contains__, list_peers(evaluator)):
        if name not in depths:
            depths[name] = 0  # where a circle would not end
            depths[name] = measure_depth(by_dimension[name], by_dimension, depths)
        depth = max(depth, 1 + depths[name])
    return depth
