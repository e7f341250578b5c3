"""Promises of judging on the review page: what is stored, what is hidden, and what comes next."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path

import pytest

from evals.evaluators.gold import digest_answer
from evals.records import Trace, digest
from evals.review_app.progress import describe_duration, describe_progress, list_paces
from evals.storage.documents.review_drafts import drop_drafts, read_drafts
from evals.storage.documents.review_queues import write_review_queue
from evals.storage.lake import Lake
from orchestration.settings import Settings
from tests.evals.review_app.review_home import (
    NIGHT,
    QUESTION,
    ask,
    find_path,
    list_labels,
    visit,
    write_home,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with three questions."""
    return write_home(tmp_path)


def test_a_verdict_is_stored_with_all_that_is_known_of_it(settings: Settings) -> None:
    """The suite's word, the note, the seconds, the chance, the wording and the answer are in it."""
    (ann,) = visit(settings, "ann")
    answer = ann.judge(0, "fail", "It is blue; ask ann@example.org", seconds="12.5", tag="colour")
    assert answer.status_code == 303
    (label,) = list_labels(settings)
    assert (label.verdict, label.annotator, label.annotator_kind) == ("wrong", "ann", "human")
    assert label.critique.startswith("It is blue")
    assert "@" not in label.critique
    assert (label.seconds_spent, label.sampling_probability) == (12.5, 0.5)
    assert label.rubric_version == digest(QUESTION)
    (trace,) = settings.open_lake().stream_night("traces", NIGHT, ("trace_id", ["t-0"]))
    assert label.answer == digest_answer(trace)
    assert label.tags == ("colour",)


def test_the_next_open_question_follows_and_the_judge_is_shown_after_the_verdict(
    settings: Settings,
) -> None:
    """Before the verdict nothing of the judge is on the page; then its words are."""
    (ann,) = visit(settings, "ann")
    assert "the judge says blue" not in ann.read(find_path(0))
    assert "strict" not in ann.read(find_path(0))
    following = ann.judge(0, "pass").headers["location"]
    assert following.startswith(find_path(1))
    page = ann.read(following)
    assert "the judge says blue" in page
    assert "1 of 3" in page
    assert "the judge says blue" in ann.read(find_path(0))


def test_a_failure_needs_a_reason_and_what_was_written_stays(settings: Settings) -> None:
    """Without a note or a tag it is refused with a sentence; a tag is enough."""
    (ann,) = visit(settings, "ann")
    refused = ann.judge(0, "fail", "  ")
    assert refused.status_code == 422
    assert "choose a tag" in refused.text
    assert ann.judge(0, "maybe", "hm & so").text.count("hm &amp; so") == 1
    assert list_labels(settings) == []
    assert ann.judge(0, "fail", tag="colour").status_code == 303


def test_tags_are_bounded(settings: Settings) -> None:
    """At most twenty of at most 80 characters, each once; the rest is left out."""
    (ann,) = visit(settings, "ann")
    tags = ["colour", " colour ", "x" * 81, "", *(f"tag {n}" for n in range(150))]
    assert ann.judge(0, "fail", "hm", tag=tags).status_code == 303
    (label,) = list_labels(settings)
    assert label.tags == ("colour", *(f"tag {n}" for n in range(19)))


def test_a_deferred_question_is_no_label_and_stays_open_for_others(settings: Settings) -> None:
    """Who deferred it is not asked again; it is in the list of what was deferred."""
    ann, ben = visit(settings, "ann", "ben")
    ann.judge(0, "defer", "ask the catalogue team")
    assert list_labels(settings) == []
    assert find_path(0) not in ann.read("/")
    assert find_path(0) in ann.read("/?state=deferred")
    assert find_path(0) in ben.read("/")
    assert "ask the catalogue team" not in ben.read(find_path(0))


def test_undo_takes_the_last_verdict_back_with_its_note(settings: Settings) -> None:
    """The question is open again with what was written; another undo takes the one before."""
    (ann,) = visit(settings, "ann")
    ann.judge(0, "pass", "first")
    ann.judge(1, "pass", "second")
    back = ann.send("/undo", {}).headers["location"]
    assert back.startswith(find_path(1))
    assert "second</textarea>" in ann.read(back)
    assert [label.critique for label in list_labels(settings)] == ["first"]
    ann.send("/undo", {})
    assert list_labels(settings) == []
    assert ann.send("/undo", {}).status_code == 409


def test_a_draft_survives_and_ends_with_the_verdict(settings: Settings) -> None:
    """Its note and seconds come back on a reload, for its writer alone; forgetting reaches it."""
    ann, ben = visit(settings, "ann", "ben")
    draft = {"note": "half a thou", "seconds": "7.5"}
    assert ann.send(f"{find_path(0)}/draft", draft, page=find_path(0)).status_code == 204
    page = ann.read(find_path(0))
    assert "half a thou</textarea>" in page
    assert 'value="7.5"' in page
    assert "half a thou" not in ben.read(find_path(0))
    lake = settings.open_lake()
    assert drop_drafts(lake, {"t-1"}.__contains__) == 0
    ann.judge(0, "pass", "half a thought")
    assert read_drafts(lake, "ann") == {}
    ann.send(f"{find_path(1)}/draft", draft, page=find_path(1))
    assert drop_drafts(lake, {"t-1"}.__contains__) == 1
    assert "half a thou" not in ann.read(find_path(1))


def test_two_people_at_once_read_different_answers(settings: Settings) -> None:
    """What is open at one is not offered to the other while there is something else."""
    ann, ben = visit(settings, "ann", "ben")
    ann.read(find_path(1))
    assert ben.judge(0, "pass").headers["location"].startswith(find_path(2))
    assert ben.judge(2, "pass").headers["location"].startswith(find_path(1))


def test_a_second_person_does_not_see_the_first_ones_verdict(settings: Settings) -> None:
    """Not before their own verdict, on no page; afterwards both see both."""
    ann, ben = visit(settings, "ann", "ben")
    ann.judge(0, "fail", "it is blue")
    for path in (find_path(0), "/", "/?state=all", "/?state=decided", f"/?after={find_path(0)}"):
        assert "it is blue" not in ben.read(path)
    assert find_path(0) not in ben.read("/?state=disagreement")
    ben.judge(0, "pass", "looks fine")
    assert "it is blue" in ben.read(find_path(0))
    assert "looks fine" in ann.read(find_path(0))
    assert find_path(0) in ben.read("/?state=disagreement")


def test_a_question_for_two_people_stays_open_until_the_second_has_answered(
    settings: Settings,
) -> None:
    """The first is done with it; the second is asked as if nobody had been; a third is not."""
    write_review_queue(settings.open_lake(), NIGHT, [ask("t-0", people=2), ask("t-1")])
    ann, ben, eve = visit(settings, "ann", "ben", "eve")
    ann.judge(0, "fail", "it is blue")
    assert find_path(0) not in ann.read("/")
    assert find_path(0) in ben.read("/")
    assert "it is blue" not in ben.read(find_path(0))
    ben.judge(0, "pass")
    assert find_path(0) not in eve.read("/")


def test_filters_and_jumps_keep_the_choice(settings: Settings) -> None:
    """The links of a filtered list carry the filter; a number or a trace leads to its question."""
    (ann,) = visit(settings, "ann")
    assert "app=desk" in ann.read("/?app=desk")
    assert find_path(0) not in ann.read("/?app=other")
    assert ann.client.get("/jump?to=2").headers["location"] == find_path(1)
    assert ann.client.get("/jump?to=t-2").headers["location"] == find_path(2)
    for wrong in ("0", "4", "x", "", "9" * 5000, "٢"):
        assert ann.client.get("/jump", params={"to": wrong}).status_code == 404


def test_a_new_queue_and_another_writer_are_seen_at_once(settings: Settings) -> None:
    """No restart is needed: the indexes are read anew where files changed."""
    ann, _ = visit(settings, "ann", "ben")
    assert "0 of 3" in ann.read("/")
    write_review_queue(settings.open_lake(), NIGHT, [ask("t-0"), ask("t-1")])
    assert "0 of 2" in ann.read("/")
    (other,) = visit(settings, "ben")
    other.judge(0, "pass")
    assert "1 of 2" in ann.read("/")


def test_a_night_that_is_drawn_anew_keeps_what_was_judged(settings: Settings) -> None:
    """Progress, the verdict, undo and adjudication go on where the queue has it no longer."""
    ann, ben = visit(settings, "ann", "ben")
    ann.judge(0, "fail", "blue")
    ben.judge(0, "pass")
    write_review_queue(settings.open_lake(), NIGHT, [ask("t-1")])
    assert "1 of 2" in ann.read("/")
    assert "blue" in ann.read(find_path(0))
    assert "1 wait" in ann.read("/agreement")
    assert ann.send("/undo", {}).headers["location"].startswith(find_path(0))
    assert "1 of 2" in ben.read("/")


def test_damaged_files_of_the_home_stop_nobody(settings: Settings) -> None:
    """A queue, a batch of labels or a trace that cannot be read is a sentence at most."""
    ann, _ = visit(settings, "ann", "ben")
    (settings.home / "labels").mkdir(exist_ok=True)
    (settings.home / "labels" / "bad.jsonl").write_text("{")
    (settings.home / "review" / "2026-10-13.json").write_text("{")
    assert "0 of 3" in ann.read("/")
    for path in (settings.home / "traces").rglob("*.parquet"):
        path.write_bytes(b"PAR1")
    broken = ann.client.get(find_path(0))
    assert broken.status_code == 503
    assert "The home cannot be used" in broken.text


def test_a_deleted_answer_is_a_sentence(settings: Settings, tmp_path: Path) -> None:
    """A trace that left its night, and a question that left the queue, lead on."""
    (ann,) = visit(settings, "ann")
    Lake(settings.home).write("traces", NIGHT, [])
    assert ann.client.get(find_path(0)).status_code == 410
    assert ann.client.get("/questions/nothing").status_code == 404


def test_people_are_compared_and_a_third_decides(settings: Settings) -> None:
    """Disputed answers wait on a page that shows both notes; the decision needs a reason."""
    ann, ben, eve = visit(settings, "ann", "ben", "eve")
    for n in range(3):
        ann.judge(n, "pass", f"ann on {n}")
    ben.judge(0, "fail", "ben on 0")
    ben.judge(1, "pass")
    assert "agree on 1 of 2" in eve.read("/agreement")
    path = find_path(0).replace("questions", "adjudication")
    page = eve.read(path)
    assert "ann on 0" in page
    assert "ben on 0" in page
    assert eve.client.get(path[:-1] + "x").status_code == 404
    assert eve.send(path, {"verdict": "fail"}, page=path).status_code == 422
    assert eve.send(path, {"verdict": "fail", "note": "blue"}, page=path).status_code == 303
    decided = [one for one in list_labels(settings) if one.annotator_kind == "adjudicated"]
    assert [(one.annotator, one.verdict, one.critique) for one in decided] == [
        ("eve", "wrong", "blue")
    ]
    assert path not in eve.read("/agreement")


def test_a_verdict_is_of_what_was_shown(settings: Settings) -> None:
    """An answer that was replaced, and a wording that changed, between reading and judging."""
    (ann,) = visit(settings, "ann")
    page = ann.read(find_path(0))
    shown = dict(re.findall(r'name="(answer|wording)" value="([0-9a-f]+)"', page))
    assert set(shown) == {"answer", "wording"}
    replace_answer(settings, 0, "It is blue.")
    refused = ann.judge(0, "pass", "as it was", **shown)
    assert refused.status_code == 422
    assert "The answer was replaced while you read it" in refused.text
    assert "as it was" in refused.text
    again = ask("t-1")._replace(question="Is the answer short?")
    shown = dict(re.findall(r'name="(answer|wording)" value="([0-9a-f]+)"', ann.read(find_path(1))))
    write_review_queue(settings.open_lake(), NIGHT, [ask("t-0"), again])
    assert "The question was changed" in ann.judge(1, "pass", **shown).text
    assert list_labels(settings) == []


def replace_answer(settings: Settings, trace: int, output: str) -> Trace:
    """Replaces the answer of a trace, as an export with a correction does."""
    lake = settings.open_lake()
    every = "trace_id", ["t-0", "t-1", "t-2"]
    rows: list[Trace] = sorted(
        lake.stream_night("traces", NIGHT, every), key=lambda row: row.trace_id
    )
    rows[trace] = dataclasses.replace(rows[trace], output=output)
    for table in ("staged", "traces"):
        lake.write(table, NIGHT, rows)
    return rows[trace]


def test_a_replaced_answer_is_judged_anew(settings: Settings) -> None:
    """The verdict on the earlier answer is not shown as one on the present answer."""
    (ann,) = visit(settings, "ann")
    ann.judge(0, "fail", "blue")
    present = digest_answer(replace_answer(settings, 0, "It is blue."))
    row = ask("t-0")._replace(answer=present)
    write_review_queue(settings.open_lake(), NIGHT, [row, ask("t-1"), ask("t-2")])
    assert "0 of 3 judged" in ann.read("/")
    assert find_path(0) in ann.read("/")
    ann.judge(0, "pass")
    assert "1 of 3 judged" in ann.read("/")


def test_people_are_compared_under_one_wording(settings: Settings) -> None:
    """Two verdicts that differ since the question changed are neither a pair nor a dispute."""
    ann, ben = visit(settings, "ann", "ben")
    ann.judge(0, "fail", "blue")
    changed = ask("t-0")._replace(question="Is the answer short?")
    write_review_queue(settings.open_lake(), NIGHT, [changed])
    ben.judge(0, "pass")
    page = ann.read("/agreement")
    assert "1 wait" not in page
    assert "agree on" not in page


def test_one_decision_counts_between_people(settings: Settings) -> None:
    """Of two at once the second reads the first; sent again it replaces it, as undo takes back."""
    ann, ben, eve, max_ = visit(settings, "ann", "ben", "eve", "max")
    path = find_path(0).replace("questions", "adjudication")
    ann.judge(0, "pass")
    assert ann.send(path, {"verdict": "pass", "note": "mine"}).status_code == 409
    ben.judge(0, "fail", "blue")
    assert 'name="decided" value=""' in eve.read(path)
    assert eve.send(path, {"verdict": "fail", "note": "blue"}).status_code == 303
    late = max_.send(path, {"verdict": "pass", "note": "red", "decided": ""})
    assert late.status_code == 422
    assert "Somebody decided meanwhile" in late.text
    seen = re.search(r'name="decided" value="([0-9a-f]+)"', late.text)
    assert seen
    sent = {"verdict": "pass", "note": "red", "decided": seen[1]}
    assert max_.send(path, sent).status_code == 303
    (decided,) = [one for one in list_labels(settings) if one.annotator_kind == "adjudicated"]
    assert (decided.annotator, decided.verdict) == ("max", "correct")


def test_texts_of_traces_are_text(tmp_path: Path) -> None:
    """Markup in an answer, an id and a note is shown, and is part of no page."""
    attack = '"><script>alert(1)</script>'
    settings = write_home(tmp_path, input=attack, output=attack, context=attack)
    (ann,) = visit(settings, "ann")
    ann.judge(0, "fail", attack, tag=attack)
    for path in (find_path(0), "/", f"/?after={find_path(0).rpartition('/')[2]}"):
        assert "<script>alert" not in ann.read(path)
    assert html.escape(attack, quote=False)[2:] in ann.read(find_path(0))


def test_the_pace_is_of_the_seconds_that_were_stored(settings: Settings) -> None:
    """40 verdicts of 30 seconds are 120 an hour, on the page and in `andon labels`."""
    (ann,) = visit(settings, "ann")
    ann.judge(0, "pass", seconds="20")
    ann.judge(1, "pass", seconds="40")
    ann.judge(2, "pass", seconds="no number")
    assert "about 120 an hour of work" in ann.read("/")
    (pace,) = list_paces(list_labels(settings))
    assert pace.describe() == "ann: 2 verdicts, about 120 an hour of work"


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (12, 100, 14.0, "12 of 100 judged, about 21 minutes left"),
        (99, 100, 30.0, "99 of 100 judged, less than a minute left"),
        (3, 3, 30.0, "3 of 3 judged, nothing left"),
        (0, 50_000, 20.0, "0 of 50,000 judged, about 278 hours left"),
        (0, 10, None, "0 of 10 judged"),
    ],
)
def test_progress_is_in_words(done: int, total: int, seconds: float | None, words: str) -> None:
    """The count, and the time left once a verdict was timed."""
    assert describe_progress(done, total, seconds) == words
    assert describe_duration(60) == "about 1 minute"
