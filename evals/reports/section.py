"""What a section of a report is: read, built, or empty, and a fragment of the night's page.

The sections themselves, and their order, are in `sections/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar

from pydantic import Field

from evals.reports.decide.rows import Row
from evals.specs import App, Attacks, Dimension, Evaluator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Day = date
"""A night, where a field is itself called `date`."""

Input = TypeVar("Input")
Part = TypeVar("Part")

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Change = Annotated[float, Field(ge=-1, le=1)]
"""A difference of two shares."""


class NightData(Protocol):
    """What a section may read of one application's night."""

    @property
    def date(self) -> date:
        """The night."""
        ...

    @property
    def app(self) -> App:
        """The application, with its gate."""
        ...

    @property
    def suite(self) -> str | None:
        """Its suite, if it has one."""
        ...

    @property
    def demo(self) -> bool:
        """Whether this is the demo's data."""
        ...

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        """The suite's, in its order, which is the report's."""
        ...

    @property
    def evaluators(self) -> Sequence[Evaluator]:
        """Those the night is locked to."""
        ...

    @property
    def attacks(self) -> Attacks:
        """What judges are attacked with, and how much of it they may pass."""
        ...

    @property
    def baseline(self) -> Mapping[date, str]:
        """The report versions of the nights it is compared with."""
        ...

    @property
    def labels_random(self) -> bool:
        """Whether labels are a random sample of the night: then estimates are post-stratified."""
        ...

    @property
    def account(self) -> Mapping[str, Any]:
        """What became of the night's rows."""
        ...

    def tonight(self, model: str) -> Sequence[Row]:
        """A mart's rows of this night."""
        ...

    def before(self, model: str) -> Sequence[Row]:
        """A mart's rows of the nights it is compared with."""
        ...

    def so_far(self, model: str) -> Sequence[Row]:
        """A mart's rows of this night and of every night before."""
        ...

    def table(self, name: str) -> Sequence[Row]:
        """What the night's evaluators wrote of themselves: coverage, canaries, noise."""
        ...

    def answering_models(self) -> Sequence[Row]:
        """Which models answered: evaluator, model, fingerprint, n."""
        ...

    def answering_models_before(self) -> Sequence[Row]:
        """The same of the latest earlier report that has it."""
        ...

    def failing_answers(self) -> Sequence[Row]:
        """Answers to read, in the order a person should read them."""
        ...

    def paid(self) -> Mapping[str, Any]:
        """What the night's ledger rows add up to."""
        ...


class Parts:
    """The sections of a body that are built, each by its own type."""

    __slots__ = ("_by_name",)

    def __init__(self, by_name: Mapping[str, object] | None = None) -> None:
        self._by_name: dict[str, Any] = dict(by_name or {})

    def __getitem__(self, section: Section[Any, Part]) -> Part:
        """A section's part."""
        return self._by_name[section.name]

    def __iter__(self) -> Iterator[str]:
        """The names of the sections."""
        return iter(self._by_name)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same parts."""
        return isinstance(other, Parts) and self._by_name == other._by_name

    __hash__ = None  # pyright: ignore[reportAssignmentType]  parts may hold JSON

    def named(self) -> dict[str, Any]:
        """The parts by their sections' names, as templates use them."""
        return dict(self._by_name)

    def having(self, section: Section[Any, Part], part: Part) -> Parts:
        """These parts and one more, or another in its place."""
        return Parts({**self._by_name, section.name: part})


@dataclass(frozen=True, eq=False)
class Section(Generic[Input, Part]):
    """A part of a report's body, and of its page.

    Its fragment of the night's page is `pages/templates/sections/NAME.html`.
    """

    name: str
    """Its key in the body."""
    about: str
    """What it holds, for the schema and the docs."""
    part: type[Part]
    collect: Callable[[NightData], Input]
    """Reads what it needs, as a typed input."""
    build: Callable[[Input, Parts], Part]
    """Makes it from its input and from the sections it needs; reads nothing."""
    empty: Callable[[NightData], Part]
    """What it is on a night that was refused."""
    default: Part | None = None
    """What a body without its key means; None for a section that every body has."""
    needs: tuple[Section[Any, Any], ...] = ()
    """The sections it is built from."""
    has_fragment: bool = True
    """Whether the page shows it by a fragment of its own."""
    is_headline: bool = False
    """Whether its fragment comes above the summary."""
    shown_if_refused: bool = False
    """Whether the page of a refused night has its fragment too."""


def nothing(night: NightData) -> tuple[()]:
    """The section of a refused night that lists what there is nothing of."""
    del night
    return ()
