"""Promises of fitting: groups stay whole, a threshold keeps its recall, bytes repeat."""

from __future__ import annotations

import io
import zipfile

import pytest

from evals.classifiers import fitting, scikit
from evals.classifiers.features import GROUPS, WIDTH, Material, compute_vector
from evals.classifiers.fitting import Example, TooFewExamples
from evals.classifiers.model import Model, UnreadableModel, pack_model, unpack_model
from evals.specs.classifiers import Feature
from evals.statistics import Agreement

ALL: tuple[Feature, ...] = tuple(GROUPS)
SORRY = ("I cannot help with", "Sorry, I will not explain", "I am unable to say how")
SURE = ("Sure, here is", "You can do this by", "Of course: first")
THINGS = ("a kettle", "the bicycle", "some bread", "an old radio", "your tent", "this lamp")


def build_examples(count: int, *, groups: int | None = None) -> list[Example]:
    """Builds examples of which a third refuses; each group has both verdicts."""
    examples: list[Example] = []
    for n in range(count):
        passed = n % 3 != 0
        begin = (SURE if passed else SORRY)[n // 3 % 3]
        text = f"{begin} {THINGS[n % 6]} number {n}" + " and so on" * (n % 4)
        group = f"g{n % groups if groups else n}"
        examples.append(Example(compute_vector(Material(text, "How?"), ALL), passed, group))
    return examples


EXAMPLES = build_examples(90, groups=31)


@pytest.fixture(scope="module")
def fitted() -> fitting.Fitted:
    """A classifier of refusals."""
    return fitting.fit(EXAMPLES, WIDTH, 0.9)


def test_examples_of_one_group_are_never_on_both_sides() -> None:
    """Folds are disjoint in their groups, and each example is held out once."""
    groups, failed = [one.group for one in EXAMPLES], [not one.passed for one in EXAMPLES]
    folds = scikit.split_folds(groups, failed, 5)
    assert sorted(i for fold in folds for i in fold) == list(range(len(EXAMPLES)))
    sides = [{groups[i] for i in fold} for fold in folds]
    assert all(not a & b for i, a in enumerate(sides) for b in sides[:i])


def test_what_cannot_be_learned_is_not_learned() -> None:
    """Verdicts that contradict each other inside a group leave an agreement near chance."""
    same = [one._replace(vector=EXAMPLES[0].vector) for one in EXAMPLES]
    measured = fitting.measure_folds(fitting.fit(same, WIDTH, 0.9), same)
    assert abs(measured.balanced.value - 0.5) < 0.15


@pytest.mark.parametrize("recall", [0.5, 0.8, 0.95, 1.0])
def test_the_threshold_flags_the_stated_share_of_failures_and_no_more_than_needed(
    recall: float,
) -> None:
    """A threshold a step higher would flag too few."""
    failing = [0.9, 0.8, 0.8, 0.7, 0.6, 0.3, 0.95, 0.2, 0.1, 0.05]
    failed = [True, True, False, True, True, True, False, False, True, True]
    threshold = fitting.choose_threshold(failing, failed, recall)
    bad = [p for p, is_bad in zip(failing, failed, strict=True) if is_bad]
    assert sum(p >= threshold for p in bad) / len(bad) >= recall
    higher = min((p for p in failing if p > threshold), default=1.0)
    assert sum(p > higher for p in bad) / len(bad) < recall


def test_a_classifier_learns_what_the_examples_show(fitted: fitting.Fitted) -> None:
    """New refusals fail, new answers pass, and its probability is calibrated."""
    new = build_examples(120)[90:]
    assert fitting.measure_fitted(fitted, new).balanced.value > 0.9
    assert all(0 <= p <= 1 for p in fitted.failing)
    expected = sum(not one.passed for one in EXAMPLES) / len(EXAMPLES)
    assert sum(fitted.failing) / len(EXAMPLES) == pytest.approx(expected, abs=0.05)


def test_the_same_examples_give_the_same_bytes(fitted: fitting.Fitted) -> None:
    """Whenever and wherever in memory they were fitted; and what is read is what was stored."""
    again = fitting.fit(list(EXAMPLES), WIDTH, 0.9)
    models = [fitting.build_model(one, ALL, ("input", "output"), "") for one in (fitted, again)]
    first, second = map(pack_model, models)
    assert first == second
    assert unpack_model(first) == models[0]
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert all("pickle" not in name for name in archive.namelist())


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "not a classifier"), (b"PK\x05\x06" + b"\0" * 18, "not a classifier")],
)
def test_a_file_that_is_no_model_is_refused(data: bytes, words: str) -> None:
    """The message explains it; no other exception leaves."""
    with pytest.raises(UnreadableModel, match=words):
        unpack_model(data)


def test_a_model_of_other_features_is_refused() -> None:
    """It would judge by columns that mean something else."""
    model = Model(("lengths",), ("output",), (0.0,) * WIDTH, 0.0, 1.0, 0.0, 0.5, behaviour=99)
    with pytest.raises(UnreadableModel, match="train it again"):
        unpack_model(pack_model(model))


@pytest.mark.parametrize(
    "examples",
    [
        EXAMPLES[:20],
        [one for one in EXAMPLES if one.passed],
        [one._replace(group="g") for one in EXAMPLES],
        [],
    ],
)
def test_too_few_examples_are_named(examples: list[Example]) -> None:
    """Nothing is fitted to a handful, to one verdict, or to a single group."""
    with pytest.raises(TooFewExamples):
        fitting.fit(examples, WIDTH, 0.9)


def test_trivial_classifiers_are_measured_on_the_same_labels() -> None:
    """Flagging everything, lengths alone, and all but lengths: the figures that say what is won."""
    held_out = build_examples(150)[90:]
    compared = fitting.compare_variants(EXAMPLES, held_out, WIDTH, 0.9)
    by_name = {one.name: one.held_out for one in compared}
    always = by_name["always flag"]
    assert always is not None
    assert always.labels == Agreement(tp=0, fn=40, fp=0, tn=20)
    assert (always.balanced.value, always.f1) == (0.5, pytest.approx(0.5))
    lengths, without = by_name["length only"], by_name["without length"]
    assert lengths is not None
    assert without is not None
    assert without.balanced.value > lengths.balanced.value


def test_the_curve_ends_with_all_labels() -> None:
    """Its points name how many labels were learned from; too few give no point."""
    curve = fitting.draw_curve(EXAMPLES, build_examples(120)[90:], WIDTH, 0.9)
    assert [point.n for point in curve] == sorted(point.n for point in curve)
    assert curve[-1].n == len(EXAMPLES)
    assert curve[0].n >= 20
    assert fitting.draw_curve(EXAMPLES, [], WIDTH, 0.9) == []
