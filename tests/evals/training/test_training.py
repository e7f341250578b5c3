"""Promises of training: who teaches, what is held out, and that only a person promotes."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.classifiers import embeddings
from evals.classifiers.embeddings import EmbeddingsError
from evals.classifiers.features import Material
from evals.classifiers.fitting import TooFewExamples
from evals.evaluators import resolution
from evals.evaluators.classifiers import CLASSIFIER, NOT_TRAINED
from evals.evaluators.gold import GoldAndLabels
from evals.guard import Guard
from evals.labels.groups import find_group, is_held_out
from evals.labels.mapped_labels import map_labels
from evals.records import Failure, Outcome, Score
from evals.runs.trained_models import keep_model
from evals.specs import Catalog, CatalogError, load_catalog
from evals.storage.documents.trained_models import find_model, list_models, read_skops
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.night_state import update_state
from evals.storage.report_files import write_report
from evals.training import candidates, examples, proposals
from tests.evals.reports import report_bodies
from tests.evals.training.team import (
    NIGHT,
    NOW,
    SORRY,
    build_catalog,
    build_trace,
    label_traces,
    write_night,
)

LATER = date(2026, 10, 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Catalog]:
    """A home with a trained model."""
    root = tmp_path_factory.mktemp("team")
    lake, catalog = Lake(root / "home").open(), build_catalog(root / "catalog")
    write_night(lake, 180)
    candidates.train(lake, catalog, catalog.classifiers["complies"], NOW)
    return lake, catalog


def test_what_is_held_out_is_never_learned_from(trained: tuple[Lake, Catalog]) -> None:
    """And agreement is measured on it alone: the mart's rows name the classifier and the side."""
    lake, catalog = trained
    collected = examples.collect(lake, catalog, catalog.classifiers["complies"])
    groups = [{one.group for one in side} for side in collected]
    assert not groups[0] & groups[1]
    assert min(map(len, groups)) > 50
    rows = map_labels(lake, catalog, read_labels(lake), NIGHT)
    held_out = {row.trace_id for row in rows if row.held_out}
    assert held_out == {one.trace_id for one in collected.held_out}
    assert {row.learner for row in rows} == {"complies"}


def test_a_text_that_is_held_out_is_not_learned_from_in_another_session(tmp_path: Path) -> None:
    """Where sessions are the groups, a request that is asked in both is only measured on."""
    lake, catalog = Lake(tmp_path / "home").open(), build_catalog(tmp_path / "catalog")
    traces = [
        dataclasses.replace(build_trace(n, NIGHT), session_id=f"s{n}", input="How?", output=text)
        for n in range(40)
        for text in [f"Sure, here is thing {n % 2 * (n // 2)}"]
    ]
    lake.write("traces", NIGHT, traces)
    label_traces(lake, traces, "labels")
    collected = examples.collect(lake, catalog, catalog.classifiers["complies"])
    texts = [{one.material for one in side} for side in collected]
    assert min(map(len, texts)) > 1
    assert not texts[0] & texts[1]


def test_answers_of_one_source_are_on_one_side() -> None:
    """Whatever their sessions, where a classifier groups by source; else a session is whole."""
    one, other = build_trace(1, NIGHT), build_trace(2, NIGHT)
    shared = [
        dataclasses.replace(x, context="a passage", session_id=f"s{n}")
        for n, x in enumerate((one, other))
    ]
    assert len({find_group(x, "source") for x in shared}) == 1
    assert len({find_group(x, "session") for x in shared}) == 2
    session = [dataclasses.replace(x, session_id="s") for x in (one, other)]
    assert len({find_group(x, "session") for x in session}) == 1
    assert is_held_out(find_group(one, "session")) in (True, False)


def test_a_card_has_figures_baselines_and_a_curve(trained: tuple[Lake, Catalog]) -> None:
    """With what it learned from; the texts themselves are not in it."""
    lake, catalog = trained
    (found,) = candidates.list_candidates(lake, catalog, catalog.classifiers["complies"])
    card = found.card
    assert card.held_out is not None
    assert card.held_out.balanced.low > 0.7
    assert [one.name for one in card.baselines] == ["always flag", "length only", "without length"]
    assert card.curve[-1].n == card.data.passes + card.data.fails
    assert (card.data.first, card.data.last) == ("2026-10-01", "2026-10-01")
    assert {one.name for one in card.reference} >= {"failing", "characters"}
    assert "thing" not in card.model_dump_json()


def test_the_same_labels_give_the_same_model(trained: tuple[Lake, Catalog], tmp_path: Path) -> None:
    """In another home too, byte by byte."""
    lake, catalog = trained
    other = Lake(tmp_path / "home").open()
    write_night(other, 180)
    again = candidates.train(other, catalog, catalog.classifiers["complies"], NOW)
    assert list_models(lake, "complies") == [again.card.model]
    assert read_skops(lake, again.card.model) == read_skops(other, again.card.model)


def test_nothing_is_judged_until_a_person_promotes(
    trained: tuple[Lake, Catalog], tmp_path: Path
) -> None:
    """Then new versions judge by the model, from the catalog's folder as from the home."""
    lake, _ = trained
    catalog = build_catalog(tmp_path / "catalog")
    before = resolution.resolve_app(catalog, "chat")[0]
    nothing = GoldAndLabels.of(catalog.root, [])
    (finding,) = CLASSIFIER.evaluate(before, nothing)(build_trace(0, NIGHT))
    assert finding.result == NOT_TRAINED
    spec = catalog.classifiers["complies"]
    (model,) = list_models(lake, "complies")
    files = proposals.promote(lake, catalog, spec, model)
    assert [file.suffix for file in files] == [".yaml", ".skops", ".json"]
    load_catalog.cache_clear()
    after = resolution.resolve_app(load_catalog(catalog.root), "chat")[0]
    assert after.version != before.version
    judge = CLASSIFIER.evaluate(after, nothing)
    results = [one.result for n in (0, 1) for one in judge(build_trace(n, LATER))]
    assert [one.passed for one in results if isinstance(one, Outcome)] == [False, True]
    files[1].unlink()
    (finding,) = CLASSIFIER.evaluate(after, nothing)(build_trace(0, NIGHT))
    assert isinstance(finding.result, Failure)
    assert (finding.result.code, finding.result.retryable) == ("no-model", True)
    home = GoldAndLabels.of(catalog.root, [], read_model=lambda name: read_skops(lake, name))
    (finding,) = CLASSIFIER.evaluate(after, home)(build_trace(1, LATER))
    assert isinstance(finding.result, Outcome)


def test_a_night_that_is_locked_to_a_model_keeps_it(
    trained: tuple[Lake, Catalog], tmp_path: Path
) -> None:
    """A home that got the model with the catalog has it even after another is promoted."""
    lake, _ = trained
    catalog = build_catalog(tmp_path / "catalog")
    (model,) = list_models(lake, "complies")
    proposals.promote(lake, catalog, catalog.classifiers["complies"], model)
    load_catalog.cache_clear()
    evaluator = resolution.resolve_app(load_catalog(catalog.root), "chat")[0]
    other = Lake(tmp_path / "home").open()
    keep_model(other, catalog.root, evaluator)
    stored = find_model(other, model)
    assert stored is not None
    assert stored.card["model"] == model


def test_a_classifier_guards_requests(trained: tuple[Lake, Catalog], tmp_path: Path) -> None:
    """Its model comes with the catalog's folder; no home is read."""
    lake, _ = trained
    catalog = build_catalog(tmp_path / "catalog")
    (model,) = list_models(lake, "complies")
    proposals.promote(lake, catalog, catalog.classifiers["complies"], model)
    (catalog.root / "guardrails").mkdir()
    (catalog.root / "guardrails" / "refusing.yaml").write_text(
        "guardrail: refusing\nquestion: Does it refuse?\ncheck: {classifier: complies}\n"
        "reads: [input, output]\naction: block\n"
    )
    load_catalog.cache_clear()
    guard = Guard.from_catalog(catalog.root, "chat")
    texts = (build_trace(0, LATER).output, build_trace(1, LATER).output)
    assert [guard.apply(text, input="How?").blocked for text in texts] == [True, False]


def test_labels_that_came_are_learned_from_when_there_are_enough(tmp_path: Path) -> None:
    """The candidate is compared with the promoted model on the same labels; nothing is swapped."""
    lake = Lake(tmp_path / "home").open()
    catalog = build_catalog(tmp_path / "catalog", retrain_after=60)
    write_night(lake, 60)
    (first,) = proposals.propose_all(lake, catalog, NOW)
    assert (first.trained, first.candidate) == (False, None)
    assert "min_labels" in first.why
    write_night(lake, 150, LATER)
    (second,) = proposals.propose_all(lake, catalog, NOW)
    assert second.trained
    assert "no model is promoted yet" in second.why
    spec = catalog.classifiers["complies"]
    proposals.promote(lake, catalog, spec, str(second.candidate))
    load_catalog.cache_clear()
    promoted = load_catalog(catalog.root)
    (third,) = proposals.propose_all(lake, promoted, NOW)
    assert (third.trained, third.comparison) == (False, None)
    night = date(2026, 10, 3)
    denied = [build_trace(n, night, f"Denied by policy {n}.") for n in range(150)]
    lake.write("traces", night, denied)
    label_traces(lake, [dataclasses.replace(one, output=SORRY[0]) for one in denied], "denied")
    (fourth,) = proposals.propose_all(lake, promoted, NOW)
    assert fourth.trained
    assert fourth.comparison is not None
    assert fourth.comparison.incumbent == second.candidate
    assert fourth.comparison.result == "better"
    assert load_catalog(catalog.root).classifiers["complies"].model == second.candidate


def test_a_judge_without_agreement_teaches_nobody(tmp_path: Path) -> None:
    """The sentence names the judge and what it takes."""
    lake = Lake(tmp_path / "home").open()
    catalog = build_catalog(tmp_path / "catalog")
    spec: Any = catalog.classifiers["complies"].model_validate(
        {"classifier": "complies", "dimension": "complies", "learns_from": {"judge": "tone"}}
    )
    write_night(lake, 60)
    with pytest.raises(examples.NotAligned, match="'tone' does not agree with people enough"):
        candidates.train(lake, catalog, spec, NOW)


@pytest.mark.parametrize("usable", [True, False])
def test_an_aligned_judge_teaches_by_its_verdicts(tmp_path: Path, usable: bool) -> None:
    """On answers that are not held out; people's labels measure what was learned."""
    lake = Lake(tmp_path / "home").open()
    catalog = build_catalog(tmp_path / "catalog")
    spec: Any = catalog.classifiers["complies"].model_validate(
        {"classifier": "complies", "dimension": "complies", "learns_from": {"judge": "polite"}}
    )
    traces = write_night(lake, 90)
    row = {**report_bodies.slipped()["agreement"][0], "usable": usable}
    body = report_bodies.night(NIGHT.isoformat(), "chat", agreement=[row])
    write_report(lake, NIGHT, body, "", {})
    version = str(row["evaluator_version"])
    update_state(
        lake,
        NIGHT,
        reports={"chat": str(body["version"])},
        evaluators={"chat": {"polite": version}},
    )
    scores = [
        Score(
            one.trace_id, NIGHT, "chat", "tone", "polite", version, "judge", "scored",
            "fail" if one.output.startswith(SORRY) else "pass", 0.5, "", None,
        )
        for one in traces
    ]  # fmt: skip
    lake.write("scores", NIGHT, scores, f"polite@chat@{version}")
    if not usable:
        with pytest.raises(examples.NotAligned):
            examples.collect(lake, catalog, spec)
        return
    collected = examples.collect(lake, catalog, spec)
    assert {one.trace_id for one in collected.learned} == {
        one.trace_id for one in traces if not is_held_out(find_group(one, "session"))
    }
    assert all(is_held_out(one.group) for one in collected.held_out)
    card = candidates.train(lake, catalog, spec, NOW).card
    assert card.learns_from == "judge polite"
    assert card.held_out is not None


def test_too_few_labels_are_counted(tmp_path: Path) -> None:
    """The message names how many there are, and how many are held out."""
    lake, catalog = Lake(tmp_path / "home").open(), build_catalog(tmp_path / "catalog")
    write_night(lake, 12)
    with pytest.raises(TooFewExamples, match="verdicts to learn from"):
        candidates.train(lake, catalog, catalog.classifiers["complies"], NOW)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("classifier: c\n", 'classifier: c\nmodel: "ab"\n'),
        (
            'classifier: c\nmodel: "old"  # why\nrecall: 1\n',
            'classifier: c\nmodel: "ab"  # why\nrecall: 1\n',
        ),
        ("classifier: c\nmodel: null\n", 'classifier: c\nmodel: "ab"\n'),
    ],
)
def test_promotion_changes_one_line_of_the_file(text: str, after: str) -> None:
    """Comments and the rest of the file stay."""
    assert proposals.set_model(text, "ab") == after


def test_a_model_that_the_home_lacks_cannot_be_promoted(tmp_path: Path) -> None:
    """The file stays as it is."""
    lake, catalog = Lake(tmp_path / "home").open(), build_catalog(tmp_path / "catalog")
    with pytest.raises(CatalogError, match="no model 0123456789abcdef"):
        proposals.promote(lake, catalog, catalog.classifiers["complies"], "0123456789abcdef")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"dimension": "nothing"}, "no suite has a dimension 'nothing' of traces"),
        ({"learns_from": {"judge": "nobody"}}, "no judge 'nobody'"),
        ({"reads": ["steps"]}, "a classifier reads input, context, output; not steps"),
        ({"features": []}, "at least 1 item"),
        ({"model": "latest"}, "should match pattern"),
    ],
)
def test_a_wrong_declaration_names_file_line_and_key(
    tmp_path: Path, declared: dict[str, Any], words: str
) -> None:
    """It stops the applications that use the classifier."""
    with pytest.raises(CatalogError, match=words) as caught:
        build_catalog(tmp_path / "catalog", **declared)
    assert "classifiers/complies.yaml:" in str(caught.value)


def test_embeddings_see_words_that_no_label_had(tmp_path: Path) -> None:
    """A refusal in words of the same sense is found; without the folder, with a reason."""
    pytest.importorskip("model2vec", reason="the extra `embedding` is not installed")
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    senses = {"cannot": 0, "refuse": 0, "decline": 0, "sure": 1, "gladly": 1, "happily": 1}
    vectors = np.zeros((len(senses) + 1, 8), np.float32)
    for place, side in enumerate(senses.values(), 1):
        vectors[place, side], vectors[place, 2 + place % 6] = 1, 0.1
    unknown = "[UNK]"
    places = {word: n for n, word in enumerate([unknown, *senses])}
    tokenizer = Tokenizer(WordLevel(places, unk_token=unknown))
    tokenizer.pre_tokenizer = Whitespace()
    catalog = build_catalog(tmp_path / "catalog", embeddings="words", features=["lengths"])
    StaticModel(vectors, tokenizer).save_pretrained(str(catalog.root / "words"))
    lake, spec = Lake(tmp_path / "home").open(), catalog.classifiers["complies"]
    answers = [f"{('cannot', 'refuse', 'sure', 'gladly')[n % 4]} thing {n}" for n in range(120)]
    traces = [build_trace(n, NIGHT, text) for n, text in enumerate(answers)]
    lake.write("traces", NIGHT, traces)
    words = [SORRY[0] if n % 4 < 2 else "Sure" for n in range(120)]
    read = [dataclasses.replace(one, output=w) for one, w in zip(traces, words, strict=True)]
    label_traces(lake, read, "labels")
    trained = candidates.train(lake, catalog, spec, NOW)
    assert trained.card.embeddings == trained.model.embeddings != ""
    new = [Material(text, "") for text in ("decline thing 7", "happily thing 8")]
    folder = candidates.open_embeddings(catalog, spec)
    chances = [trained.model.estimate(one, folder) for one in new]
    assert chances[0] > 0.8 > 0.2 > chances[1]
    (catalog.root / "words" / "config.json").unlink()
    with pytest.raises(EmbeddingsError, match="does not exist"):
        embeddings.digest_folder(catalog.root / "words")
