"""Promises of reading with open notes, of failure modes and of cases on the review page."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from evals.review_app.taxonomy import MOST
from evals.storage.documents.failure_modes import read_taxonomy
from evals.storage.documents.open_notes import read_notes
from orchestration.settings import Settings
from tests.evals.review_app.review_home import Visitor, find_path, serve, visit, write_home

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
STEPS = ({"kind": "tool", "name": "search", "output": EVIL}, {"kind": "llm", "name": "writer"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with three answers, the first with two steps."""
    return write_home(tmp_path, steps=STEPS)


def begin(reader: Visitor) -> str:
    """Starts an error analysis; returns the path of the first trace."""
    assert "Error analysis is due" not in reader.read("/reading")
    return reader.send("/reading/start", {"app": "desk"}).headers["location"]


def note(reader: Visitor, page: str, **values: str) -> str:
    """Writes a note about the trace of a page; returns the page that follows."""
    shown = reader.read(page)
    trace = re.search(r'name="trace" value="([^"]+)"', shown)
    assert trace
    values = {"app": "desk", "trace": trace[1], **values}
    answer = reader.send("/reading/note", values, page=page)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_traces_are_read_one_after_another_until_modes_remain(settings: Settings) -> None:
    """Notes, their places and seconds are stored; the last one leads to the failure modes."""
    (ann,) = visit(settings, "ann")
    page = begin(ann)
    shown = ann.read(page)
    assert "What broke first?" in shown
    assert "<script>alert" not in shown
    while page.startswith("/reading"):
        page = note(
            ann, page, verdict="fail", note="says red; mail ann@example.org", place="answer",
            seconds="7.5",
        )  # fmt: skip
    notes = read_notes(settings.open_lake(), "desk")
    assert {(one.author, one.place, one.seconds_spent) for one in notes} == {("ann", "answer", 7.5)}
    assert not any("@" in one.text for one in notes)
    assert page.startswith("/modes?app=desk")
    assert "3 notes wait to be grouped" in ann.read(page)


def test_a_note_without_words_is_asked_for_again_and_undo_opens_it(settings: Settings) -> None:
    """What was written stays in the form; nothing is stored; undo brings the words back."""
    (ann,) = visit(settings, "ann")
    page = begin(ann)
    trace = re.search(r'name="trace" value="([^"]+)"', ann.read(page))
    assert trace
    about = {"app": "desk", "trace": trace[1]}
    answer = ann.send("/reading/note", {**about, "verdict": "fail", "note": " "}, page=page)
    assert answer.status_code == 422
    ann.send("/reading/draft", {**about, "note": "half a", "place": "answer"}, page=page)
    assert ">\nhalf a</textarea>" in ann.read(page)
    note(ann, page, verdict="fail", note="wrong colour")
    back = ann.send("/reading/undo", {"app": "desk"}, page=page).headers["location"]
    assert ">\nwrong colour</textarea>" in ann.read(back)
    assert read_notes(settings.open_lake(), "desk") == []


def test_modes_are_edited_by_forms_and_become_tags(settings: Settings) -> None:
    """Grouping, renaming, splitting and deciding are versions; a refusal has its reason."""
    (ann,) = visit(settings, "ann")
    page = begin(ann)
    for words in ("wrong colour", "colour is wrong", EVIL):
        page = note(ann, page, verdict="fail", note=words)
    about = {"app": "desk"}

    def change(**values: str) -> int:
        return ann.send("/modes/change", {**about, **values}, page=page).status_code

    assert change(change="group") == 303
    lake = settings.open_lake()
    first = read_taxonomy(lake, "desk").modes[0]
    assert (
        change(change="rename", mode=first.id, name="Wrong Colour!", description="Not red") == 303
    )
    key = first.notes[0]
    assert change(change="move", mode=first.id, note=key, into="", name="Other hue") == 303
    assert change(change="decide", mode=first.id, action="judge", reason=EVIL) == 303
    assert change(change="decide", mode=first.id, action="nonsense") == 422
    assert change(change="rename", mode="m99", name="x") == 422
    assert change(change="drop") == 400
    taxonomy = read_taxonomy(lake, "desk")
    assert taxonomy.version == 4
    assert {"wrong-colour", "other-hue"} <= {mode.name for mode in taxonomy.modes}
    shown = ann.read("/modes?app=desk")
    assert "Decided: a judge" in shown
    assert "<script>alert" not in shown
    assert html.escape(EVIL)[:20] in shown
    assert "wrong-colour" in ann.read(find_path(0))
    assert len(taxonomy.modes) <= MOST


def test_one_key_keeps_a_judged_answer_as_a_case(settings: Settings) -> None:
    """The case has the person's verdict and words; before a verdict there is no such button."""
    (ann,) = visit(settings, "ann")
    path = find_path(0)
    assert 'data-key="c"' not in ann.read(path)
    assert ann.send(f"{path}/case", {}, page=path).status_code == 409
    following = ann.judge(0, "fail", "it is blue").headers["location"]
    assert 'data-key="c"' in ann.read(following)
    answer = ann.send(f"{path}/case", {"back": following}, page=following)
    assert (answer.status_code, answer.headers["location"]) == (303, following)
    file = settings.catalog_root / "cases" / "desk.jsonl"
    (row,) = map(json.loads, file.read_text().splitlines())
    assert (row["verdict"], row["why"], row["dimension"]) == ("fail", "it is blue", "right")
    assert row["origin"]["trace_id"] == "t-0"
    assert row["id"] in ann.read(following)
    assert "it is blue" in ann.read("/cases")
    assert ann.send("/cases/remove", {"app": "desk", "case": row["id"]}).status_code == 303
    assert file.read_text() == ""


@pytest.mark.parametrize(
    "path",
    ["/reading/start", "/reading/note", "/reading/draft", "/reading/undo", "/modes/change",
     "/cases/remove"],
)  # fmt: skip
def test_a_reader_changes_nothing(path: str, settings: Settings) -> None:
    """Each form is refused to somebody who may only read, and without a token of the page."""
    served = serve(settings)
    reader = Visitor(served.app, served.read_link)
    assert reader.send(path, {"app": "desk"}).status_code == 403
    ann = Visitor(served.app, served.link, "ann")
    assert ann.client.post(path, data={"app": "desk"}).status_code == 403
    assert "Error analysis" in reader.read("/reading")


@pytest.mark.parametrize(
    "path",
    ["/reading/trace", "/reading/trace?app=desk&at=99", "/reading/trace?app=desk&at=²",
     "/modes?app=nope", "/reading/trace?app=../../etc"],
)  # fmt: skip
def test_odd_addresses_are_refused_in_a_sentence(path: str, settings: Settings) -> None:
    """No address ends in a defect."""
    (ann,) = visit(settings, "ann")
    begin(ann)
    answer = ann.client.get(path)
    assert answer.status_code == 404
    assert "That did not work" in answer.text
