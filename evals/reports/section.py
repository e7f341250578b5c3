"""The parts that a report is made of, and what a section may read of a night.

The sections themselves and their order are in `sections/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, cast

from evals.reports.decide.blessed import Blessed
from evals.reports.decide.incident_records import Decision, KnownName
from evals.reports.decide.rows import Paid, Row
from evals.reports.phrases import round_figure
from evals.reports.row_counts import Accounting, LabelCounts
from evals.slices.findings import SliceSearch
from evals.specs import App, Attacks, Dimension, Evaluator, Slice
from evals.statistics import Proportion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evals.reports.classifier_inputs import Inputs

Day = date
"""A night, where a field is itself called `date`."""

Input = TypeVar("Input")
Part = TypeVar("Part")


class NightData(Protocol):
    """The data of one application's night that sections may read."""

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
        """The suite's dimensions; the report has the same order."""
        ...

    @property
    def evaluators(self) -> Sequence[Evaluator]:
        """The evaluators that the night is locked to."""
        ...

    @property
    def attacks(self) -> Attacks:
        """The attacks on judges, and the share that may succeed."""
        ...

    @property
    def slices(self) -> Sequence[Slice]:
        """The catalog's slices."""
        ...

    @property
    def case_set(self) -> tuple[int, str] | None:
        """How many regression cases the catalog has, and their version; None without any."""
        ...

    @property
    def baseline(self) -> Mapping[date, str]:
        """The report versions of the nights that this one is compared with."""
        ...

    @property
    def accounting(self) -> Accounting:
        """The counts of the night's rows, in total and by file."""
        ...

    def read_rows_tonight(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night."""
        ...

    def read_rows_before(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of the baseline's nights."""
        ...

    def read_rows_so_far(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night and of all nights before."""
        ...

    def read_recent_rows(self, model: str) -> Sequence[Row]:
        """Returns a mart's rows of this night and of the 13 before."""
        ...

    def read_table_rows(self, name: str) -> Sequence[Row]:
        """Returns the night's rows of a table, such as `coverage`, `canaries` or `parts`."""
        ...

    def read_table_rows_before(self, name: str) -> Sequence[Row]:
        """Returns a table's rows of the baseline's nights."""
        ...

    def read_anchors_so_far(self) -> Sequence[Row]:
        """Returns the anchors of this night and of all nights before."""
        ...

    def read_rates_so_far(self, slices: Sequence[str]) -> Sequence[Row]:
        """Returns the rates of some slices of this night and of all nights before."""
        ...

    @property
    def board_applications(self) -> int:
        """How many applications the board has."""
        ...

    @property
    def blessed(self) -> Blessed | None:
        """The report that a person named as the baseline; None without one."""
        ...

    @property
    def incident_decisions(self) -> Sequence[Decision]:
        """What people decided on the application's incidents."""
        ...

    @property
    def incident_names(self) -> Sequence[KnownName]:
        """The names that reports gave to the application's incidents."""
        ...

    def read_label_counts(self) -> LabelCounts:
        """Returns how many labels count, and why others do not."""
        ...

    def list_answering_models(self) -> Sequence[Row]:
        """Returns which models answered: evaluator, model, fingerprint, n."""
        ...

    def list_answering_models_before(self) -> Sequence[Row]:
        """Returns the same from the latest earlier report that has it."""
        ...

    def explain_faults(self) -> Mapping[str, str]:
        """Returns what each error code of a call means, and what to do."""
        ...

    def list_unmet_requests(self) -> Sequence[Row]:
        """Returns requests that were not met, up to three of each topic, shortened."""
        ...

    def list_failing_answers(self) -> Sequence[Row]:
        """Returns failing answers to read, the first of each dimension in the sampling order."""
        ...

    def search_slices(self) -> SliceSearch:
        """Searches slices that fail more than the rest."""
        ...

    def watch_classifiers(self) -> Sequence[Inputs]:
        """Compares the inputs of classifiers with those they were trained on."""
        ...

    def sum_paid(self) -> Paid:
        """Sums the night's ledger rows."""
        ...


class Parts:
    """The sections of a body that are built, each with its own type."""

    __slots__ = ("_by_name",)

    def __init__(self, by_name: Mapping[str, object] | None = None) -> None:
        self._by_name: dict[str, object] = dict(by_name or {})

    def __getitem__(self, section: Section[Any, Part]) -> Part:
        """Returns a section's part."""
        return cast("Part", self._by_name[section.name])

    def __iter__(self) -> Iterator[str]:
        """Iterates over the names of the sections."""
        return iter(self._by_name)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same parts."""
        return isinstance(other, Parts) and self._by_name == other._by_name

    __hash__ = None  # pyright: ignore[reportAssignmentType]  parts may hold JSON

    def by_name(self) -> dict[str, object]:
        """Returns the parts by their sections' names, as templates use them."""
        return dict(self._by_name)

    def replace_part(self, section: Section[Any, Part], part: Part) -> Parts:
        """Returns these parts with one added or replaced."""
        return Parts({**self._by_name, section.name: part})


@dataclass(frozen=True, eq=False)
class Section(Generic[Input, Part]):
    """A part of a report's body, and of its page.

    Its fragment of the night's page is `pages/templates/sections/NAME.html`.
    """

    name: str
    """Its key in the body."""
    about: str
    """What it contains, for the schema and the docs."""
    part: type[Part]
    collect: Callable[[NightData], Input]
    """Reads what the section needs, as a typed input."""
    build: Callable[[Input, Parts], Part]
    """Makes the section from its input and the sections in `needs`; reads nothing."""
    empty: Callable[[NightData], Part]
    """Makes the section of a refused night."""
    default: Part | None = None
    """The section of a body without its key; None where every body has the key."""
    needs: tuple[Section[Any, Any], ...] = ()
    """The sections that it is built from."""
    has_fragment: bool = True
    """Whether the page has a fragment for it."""
    is_headline: bool = False
    """Whether its fragment comes above the summary."""
    shown_if_refused: bool = False
    """Whether the page of a refused night has its fragment too."""


def make_empty(night: NightData) -> tuple[()]:
    """Returns the empty list that such a section is on a refused night."""
    del night
    return ()


class ShownRate(NamedTuple):
    """A rate with its 95% interval as the report shows it; all None without a row."""

    rate: float | None
    low: float | None
    high: float | None


def show_rate(counted: Proportion) -> ShownRate:
    """Returns a rate and its interval, rounded."""
    if not counted.n:
        return ShownRate(None, None, None)
    low, high = counted.interval()
    return ShownRate(counted.rate, round_figure(low), round_figure(high))
