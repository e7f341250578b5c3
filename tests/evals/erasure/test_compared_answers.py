"""Promises of forgetting: what is about a trace and stored with something else goes, too."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.erasure.forget import MARK, forget_person
from evals.records import Answer, Label, Score, Trace
from evals.specs import App, Catalog, Evaluator
from evals.storage.documents.evaluator_specs import write_evaluator
from evals.storage.label_records import read_labels
from evals.storage.lake import Lake
from evals.storage.verdict_files import VerdictRow, append_verdict

CATALOG = Catalog(root=Path(), apps={"desk": App(app="desk")})
BEFORE = datetime(2026, 10, 13, 8, tzinfo=UTC)
NIGHT, NOW = BEFORE.date() + timedelta(days=1), BEFORE + timedelta(days=2)
QUOTE = "The other answer names Otto Ottokar."


def make_trace(name: str, days: int, prompt: str) -> Trace:
    """An answer to the one question, by a prompt, some days later."""
    ts = BEFORE + timedelta(days=days)
    output = f"I am {name}."
    return Trace(name, ts, "desk", output, "Who?", prompt_name=prompt, prompt_version="1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with an answer that a judge compared with that of the prompt before."""
    lake = Lake(tmp_path / "home").open()
    before, now = make_trace("old", 0, "one"), make_trace("new", 1, "two")
    for night, traces in ((BEFORE.date(), [before]), (NIGHT, [now])):
        lake.write("staged", night, traces)
        lake.write("traces", night, traces)
    spec = Evaluator(
        name="better", app="desk", dimension="better", question="Better?", kind="judge",
        check="judge", gold="previous",
    )  # fmt: skip
    write_evaluator(lake, spec)
    about = (NIGHT, "desk", "better", "better", spec.version, "judge", "scored", "pass", 1.0)
    scores = [
        Score(name, *about, words, None, content_key=key, answer_version="v")
        for name, words, key in (("new", QUOTE, "k1"), ("other", "Fine.", "k2"))
    ]
    lake.write("scores", NIGHT, scores, f"better@desk@{spec.version}")
    paid = (("k1", QUOTE), ("k1.2", QUOTE), ("k2", "Y"))
    lake.write("answers", NIGHT, [make_answer(key, text) for key, text in paid], "v")
    return lake


def make_answer(key: str, text: str) -> Answer:
    """A paid answer."""
    who, rest = (key, "v", "better", NIGHT, "desk"), ("m", None, None, None, 1, 1, 0.1)
    return Answer(*who, text, None, None, False, 1, *rest)


def test_a_pair_with_a_forgotten_answer_loses_its_words(lake: Lake) -> None:
    """In the score of the other trace and in the ledger; its verdict and its cost stay."""
    forget_person(lake, CATALOG, [], ["old"], NOW)
    scores = {one.trace_id: (one.verdict, one.explanation) for one in lake.read("scores")}
    assert scores == {"new": ("pass", MARK), "other": ("pass", "Fine.")}
    assert sorted((one.text or "", one.cost_usd) for one in lake.read("answers")) == [
        ("", 0.1), ("", 0.1), ("Y", 0.1)
    ]  # fmt: skip


def test_an_answer_that_nothing_refers_to_loses_its_words(lake: Lake) -> None:
    """Of a pair that was paired anew since; what another trace's score refers to stays."""
    middle = make_trace("middle", 0, "one")
    lake.write("traces", BEFORE.date(), [make_trace("old", 0, "one"), middle])
    old = dataclasses.replace(make_answer("k0", QUOTE), answer_version="v0")
    foreign = [dataclasses.replace(old, content_key="k9", app="shop", text="Fine.")]
    lake.write("answers", NIGHT, [old, *foreign], "v0")
    earlier = dataclasses.replace(old, content_key="k8", night=BEFORE.date() - timedelta(days=9))
    lake.write("answers", earlier.night, [earlier], "v0")
    forget_person(lake, CATALOG, [], ["old"], NOW)
    texts = {one.content_key: one.text for one in lake.read("answers") if one.text}
    assert texts == {"k2": "Y", "k9": "Fine.", "k8": QUOTE}


def test_the_score_of_a_session_loses_the_words_about_a_forgotten_turn(lake: Lake) -> None:
    """It goes under another turn, the last one; its verdict stays."""
    turns = [
        dataclasses.replace(make_trace(name, days, "one"), session_id="s")
        for name, days in (("first", 0), ("last", 1))
    ]
    lake.write("traces", NIGHT, turns, "more")
    about = (NIGHT, "desk", "whole", "whole", "1", "judge", "scored", "pass", 1.0)
    rest: Any = {"content_key": "k5", "answer_version": "v", "subject": "session"}
    score = Score("last", *about, QUOTE, None, **rest, subject_id="s")
    lake.write("scores", NIGHT, [score], "whole")
    forget_person(lake, CATALOG, [], ["first"], NOW)
    (left,) = (one for one in lake.read("scores") if one.trace_id == "last")
    assert (left.verdict, left.explanation) == ("pass", MARK)


def test_the_later_answer_of_a_pair_takes_nothing_of_the_earlier_one(lake: Lake) -> None:
    """The earlier trace was not judged in that pair, and stays whole."""
    forget_person(lake, CATALOG, [], ["new"], NOW)
    assert [one.trace_id for one in lake.read("traces")] == ["old"]
    assert [one.trace_id for one in lake.read("scores")] == ["other"]


def test_what_people_wrote_goes_from_files_that_repeat_it(lake: Lake) -> None:
    """From an export in the home, say; words about another trace stay."""
    about = ("better", "fail", "ann", "human")
    both, others = "The answer greets nobody.", "Nobody was greeted at all."
    words = [
        ("old", "Otto was not greeted by name."),
        ("old", both),
        ("new", both),
        ("new", others),
    ]
    for trace_id, critique in words:
        append_verdict(lake, NIGHT, VerdictRow(Label(trace_id, *about, critique), "desk", ()))
    export = lake.home / "labels.csv"
    export.write_text("\n".join(critique for _, critique in words))
    forget_person(lake, CATALOG, [], ["old"], NOW)
    assert export.read_text().splitlines() == [f"{MARK}.", both, both, others]


def test_labels_of_a_session_go_with_any_of_its_turns(lake: Lake) -> None:
    """Those that were given one at a time, too; a trace that is called like it keeps its own."""
    turns = [dataclasses.replace(make_trace("turn", 0, "one"), session_id="s")]
    lake.write("staged", BEFORE.date(), turns, "more")
    label = Label("s", "better", "pass", "ann", "human", "Otto was rude.", subject="session")
    same_name = dataclasses.replace(label, subject="trace", critique="")
    for one in (label, same_name):
        append_verdict(lake, NIGHT, VerdictRow(one, "desk", ()))
    forget_person(lake, CATALOG, [], ["turn"], NOW)
    assert [one.subject for one in read_labels(lake)] == ["trace"]
