"""An application's topic models as they are stored, and which of them a night is assigned by.

When a model is made is `night_requests`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from evals.storage.documents.topic_models import StoredGroup, StoredModel
from evals.topics.topic_model import Group, Projection, TopicModel

OTHER = "other"


class Topic(NamedTuple):
    """A topic that a request was assigned to."""

    id: str
    label: str
    since: date | None
    """The night it was first found for; None: it is one of the first topics."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A stored model that can assign."""

    model: TopicModel
    topics: tuple[Topic, ...]
    """By the position of their groups."""


def load_model(stored: StoredModel) -> LoadedModel:
    """Returns a stored model that can assign."""
    import numpy as np

    shape = (len(stored.terms), stored.width)
    components = np.frombuffer(stored.components, dtype="<i2").reshape(shape)
    weights = dict(zip(stored.terms, stored.weights, strict=True))
    near = frozenset(stored.terms[len(stored.terms) - stored.near :])
    projection = Projection(
        weights, stored.unknown, components, frozenset(stored.ignored), near, stored.coverage
    )
    groups = tuple(Group((), row.size, row.centre, row.least) for row in stored.groups)
    since = stored.made if stored.number > 1 else None
    topics = tuple(Topic(row.id, row.label, since) for row in stored.groups)
    return LoadedModel(TopicModel(projection, groups), topics)


def store_model(
    app: str,
    model: TopicModel,
    before: Sequence[StoredModel],
    made: date,
    nights: Iterable[date],
    texts: int,
) -> StoredModel:
    """Returns a fitted model as it is stored: its topics named, each unlike those there are."""
    number, taken = len(before) + 1, {OTHER, *(g.label for one in before for g in one.groups)}
    groups: list[StoredGroup] = []
    for position, group in enumerate(model.groups, 1):
        label = choose_free_label(", ".join(group.terms), taken)
        taken.add(label)
        name = f"{number}.{position}"
        groups.append(StoredGroup(name, label, group.size, group.centre, group.least))
    projection = model.projection
    return StoredModel(
        app=app,
        number=number,
        made=made,
        nights=tuple(sorted(nights)),
        texts=texts,
        terms=tuple(projection.weights),
        weights=tuple(projection.weights.values()),
        unknown=projection.unknown,
        ignored=tuple(sorted(projection.ignored)),
        width=int(projection.components.shape[1]),
        components=projection.components.astype("<i2").tobytes(),
        groups=tuple(groups),
        near=len(projection.near),
        coverage=projection.coverage,
    )


def choose_free_label(label: str, taken: set[str]) -> str:
    """Returns the label, with a number where it is taken."""
    numbered = (f"{label} ({number})" for number in range(2, len(taken) + 3))
    return next(name for name in (label, *numbered) if name not in taken)


def select_models(
    stored: Sequence[StoredModel], night: date, assigned_by: int | None
) -> Sequence[StoredModel]:
    """Selects the models that assign a night.

    Those that assigned it before, so that late traces get the topics of their night. Otherwise
    those made for it or an earlier night. A night before all of them gets the first, unless that
    one was made from it: it had no topics then and has none now.

    Args:
        stored: the application's models.
        night: the night.
        assigned_by: how many of them assigned it before; None or 0: none did.
    """
    if assigned_by:
        return stored[:assigned_by]
    made = [model for model in stored if model.made <= night]
    if made or not stored:
        return made
    return () if night in stored[0].nights else stored[:1]


def assign_topics(models: Sequence[LoadedModel], texts: Sequence[str]) -> list[Topic | None]:
    """Assigns requests: each to a topic of the first model that has one for it; None: other."""
    topics: dict[int, Topic] = {}
    left = list(range(len(texts)))
    for loaded in models:
        matches = loaded.model.match_requests([texts[at] for at in left])
        found = {at: match.group for at, match in zip(left, matches, strict=True)}
        topics |= {at: loaded.topics[group] for at, group in found.items() if group >= 0}
        left = [at for at in left if at not in topics]
    return [topics.get(at) for at in range(len(texts))]


def collect_terms(stored: Sequence[StoredModel]) -> Mapping[str, float]:
    """Returns the terms of the requests that models were made from, function words included."""
    own = ((*model.terms[: len(model.terms) - model.near], *model.ignored) for model in stored)
    return {term: 0.0 for terms in own for term in terms}
