"""Promises of the digest: one message a night, to each target once, whatever fails."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from evals.digests.checks import list_lost
from evals.digests.sending import Limits, list_drafts, send_again, send_digests
from evals.digests.targets import describe_failure
from evals.storage.documents.digests import Delivery, read_digests, write_digests
from evals.storage.documents.due_analyses import DueAnalysis, write_due_analyses
from evals.storage.lake import Lake
from tests.evals.digests.home import NOW, add_report, make_catalog
from tests.evals.digests.receivers import Receiver, serve_http, serve_smtp
from tests.evals.reports.report_bodies import HOSTILE, example, night, refused, sealed, slipped

QUICK = Limits(tries=1, wait_s=0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A home with no nights."""
    return Lake(tmp_path / "home").open()


@pytest.fixture
def web() -> Iterator[Receiver]:
    """A webhook."""
    with serve_http() as receiver:
        yield receiver


def test_a_slipped_night_is_one_message_with_all_that_helps(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """It has verdict, cause, owner, ids to read, the page and the next command, and no answers."""
    apps = {"shop": {"owner": "team:shop"}}
    link = "https://andon.example/reports"
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, apps=apps, link=link)
    body = slipped()
    add_report(lake, body)
    assert send_digests(lake, catalog, NOW).sent == 1
    [message] = web.bodies("/a")
    assert message["title"] == "Product extraction, Thursday 8 October 2026: slipped"
    assert message["type"] == "failure"
    assert message["message"].splitlines() == [
        "Slipped: price 91% → 74% (−17 ± 6), prompt v3.",
        "Why: price: Prompt v3 came into use: with it 73% of prices are right, with v2 92%.",
        "Owner: team:shop",
        "Read: " + ", ".join(f"shop-10-08-000{i} (price)" for i in range(5)),
        f"Page: {link}/2026-10-08/shop/{body['version']}/index.html",
        "Next: andon report show --app shop --date 2026-10-08",
    ]


def test_an_error_analysis_that_is_due_is_announced_once(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """With its reason and the command, in the next night's message; again for another reason."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    due = "Error analysis: error analysis never done; 'andon analysis start --app shop --by NAME'"
    for day, reason in enumerate(("never done", "never done", "due since incident shop-1"), 6):
        write_due_analyses(lake, [DueAnalysis("shop", f"error analysis {reason}")])
        add_report(lake, night(f"2026-10-{day:02}"))
        send_digests(lake, catalog, NOW)
        send_digests(lake, catalog, NOW)
    found = [
        [line for line in one["message"].splitlines() if line.startswith("Error analysis")]
        for one in web.bodies("/a")
    ]
    assert found == [[due], [], [due.replace("never done", "due since incident shop-1")]]


def test_an_incident_that_ended_with_the_night_is_announced(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """With how it ended and, where a person accepted it, with their name; older ones are not."""
    row = {"decides": True, "from": "2026-10-04", "to": "2026-10-08", "opened": "2026-10-05"}
    rate = {"dimension": "price", "evaluator": "p", "before": 0.9, "after": 0.7, "nights": 4}
    row["rates"] = [rate | {"from": "2026-10-04"}]
    done = [{"action": "accept", "by": "Ann @x", "reason": "wanted", "night": "2026-10-08"}]
    rows = [
        row | {"name": "shop-1", "state": "recovered"},
        row | {"name": "shop-2", "state": "accepted", "done": done},
        row | {"name": "shop-3", "state": "recovered", "to": "2026-10-07"},
    ]
    add_report(lake, sealed(night(incidents={"rows": rows})))
    send_digests(lake, make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}), NOW)
    [message] = web.bodies("/a")
    assert [one for one in message["message"].splitlines() if one.startswith("Incident")] == [
        "Incident shop-1: price, recovered, it began on 4 Oct",
        "Incident shop-2: price, accepted, it began on 4 Oct, by Ann ＠x",
    ]


@pytest.mark.parametrize(
    ("failed", "cause", "words"),
    [
        ("A Connection error occurred", "Read timed out. (read timeout=4.0)", "no answer in time"),
        ("A Connection error occurred", "Failed to establish a new connection", "no connection"),
        ("Connection error while submitting email", "(535, b'no')", "SMTP 535"),
        ("Sending email to x failed.", "(451, b'later')", "SMTP 451"),
        ("Failed to send: error=503.", "", "HTTP 503"),
        ("Failed.", "", "refused by the service"),
    ],
)
def test_a_failure_is_a_status_or_a_few_words(failed: str, cause: str, words: str) -> None:
    """A server that hangs, one that is not there and a wrong password have different messages."""
    assert describe_failure(0, [failed], [f"Socket Exception: {cause}"]) == words


def test_answers_are_quoted_only_where_their_application_asks(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """Question, answer and explanation are in the messages of one application, of no other."""
    apps = {"shop": {"digest": {"texts": True}}, "chat": {}}
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, apps=apps)
    for app in apps:
        add_report(lake, night(app=app, examples=[example(1, input=f"{app} {HOSTILE}")]))
    send_digests(lake, catalog, NOW)
    chat, shop = (one["message"] for one in web.bodies("/a"))
    assert "asked: shop" in shop
    assert "judged: The price is 49" in shop
    assert "<script>" not in shop
    assert "asked" not in chat
    assert "The price" not in chat


def test_nothing_is_sent_twice(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """Neither by a second run nor for a new version of the report with other figures alone."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    add_report(lake, night())
    assert [send_digests(lake, catalog, NOW).sent for _ in range(2)] == [1, 0]
    add_report(lake, night(cost={"usd": 1.0, "calls": 9, "tokens_in": 0, "tokens_out": 0}))
    assert send_digests(lake, catalog, NOW).sent == 0
    assert len(web.requests) == 1


def test_earlier_and_corrected_nights_are_one_line(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """Of a message about the newest night, or else of a message that has nothing else."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    for day in ("2026-10-05", "2026-10-06", "2026-10-08"):
        add_report(lake, night(day))
    add_report(lake, slipped("2026-10-07"))
    send_digests(lake, catalog, NOW)
    add_report(lake, slipped("2026-10-06"))
    send_digests(lake, catalog, NOW)
    first, second = (one["message"].splitlines() for one in web.bodies("/a"))
    assert first[0] == "Held: price 91%."
    assert first[-1] == (
        "Earlier nights: 7 Oct slipped, reported now; "
        "2 nights from 5 Oct to 6 Oct held, reported now."
    )
    assert second == ["Earlier nights: 6 Oct held → slipped."]


def test_a_provisional_night_waits_until_it_is_final(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """While rows may still arrive nothing is sent; afterwards once."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    until = NOW + timedelta(hours=1)
    add_report(lake, slipped(), until=until.isoformat())
    assert send_digests(lake, catalog, NOW).sent == 0
    assert send_digests(lake, catalog, until).sent == 1


def test_failed_and_missing_nights_are_announced(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """A refused night is a message with its reason, a missing one too, and its report later."""
    apps = {"shop": {"owner": "team:shop"}, "late": {}}
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, apps=apps)
    add_report(lake, refused())
    add_report(lake, night("2026-10-07", "late"))
    evening = NOW + timedelta(hours=5)
    assert send_digests(lake, catalog, NOW).sent == 2  # nobody looked for late's traces yet
    assert [send_digests(lake, catalog, evening).sent for _ in range(2)] == [1, 0]
    add_report(lake, night("2026-10-08", "late"))
    assert send_digests(lake, catalog, evening).sent == 1
    _, failed, missing, found = web.bodies("/a")
    assert failed["title"].endswith("not measured")
    assert "Next: andon quarantine list --app shop" in failed["message"]
    assert missing["title"] == "late, Thursday 8 October 2026: no report"
    assert "late has no traces for 2026-10-08" in missing["message"]
    assert found["title"] == "Late, Thursday 8 October 2026: held"


def test_a_dead_target_is_tried_again_while_another_works(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """After a 500 a later run sends to that target alone; the other one has its message at once."""
    targets = {name: f"json://{web.url}/{name}" for name in ("dead", "good")}
    catalog = make_catalog(tmp_path / "c", targets)
    web.statuses["/dead"] = [500, 500]
    add_report(lake, night())
    run = send_digests(lake, catalog, NOW, QUICK)
    assert run.sent == 1
    assert run.failures == ["digest target dead: HTTP 500 (shop, 2026-10-08; attempt 1 of 8)"]
    assert send_digests(lake, catalog, NOW, QUICK).sent == 0  # too early
    assert send_digests(lake, catalog, NOW + timedelta(minutes=5), QUICK).failures
    assert send_digests(lake, catalog, NOW + timedelta(minutes=20), QUICK).sent == 1
    assert [path for _, path, _ in web.requests] == ["/dead", "/good", "/dead", "/dead"]


def test_one_run_repeats_what_may_pass(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """A target that answers 503 once has its message after one run; a 404 is asked once."""
    targets = {name: f"json://{web.url}/{name}" for name in ("busy", "gone")}
    catalog = make_catalog(tmp_path / "c", targets)
    web.statuses |= {"/busy": [503], "/gone": [404, 404]}
    add_report(lake, night())
    run = send_digests(lake, catalog, NOW, Limits(wait_s=0))
    assert run.sent == 1
    assert [path for _, path, _ in web.requests].count("/gone") == 1
    assert "gone: HTTP 404" in run.failures[0]


def test_attempts_have_a_bound(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """A target that refuses a message eight times does not get it again."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    web.statuses["/a"] = [400] * 20
    add_report(lake, night())
    for hours in range(0, 60, 5):
        send_digests(lake, catalog, NOW + timedelta(hours=hours), QUICK)
    assert len([one for one in web.bodies("/a") if one["title"].endswith("held")]) == 8
    message, *_ = read_digests(lake, "shop").messages
    assert message.deliveries[0].state == "given up"


def test_mails_are_plain_text(lake: Lake, tmp_path: Path) -> None:
    """An e-mail has the title as its subject and the message as plain text."""
    with serve_smtp() as box:
        address = f"mailto://127.0.0.1:{box.port}?from=andon@example.com&to=team@example.com"
        catalog = make_catalog(tmp_path / "c", {"mail": address})
        add_report(lake, slipped())
        run = send_digests(lake, catalog, NOW)
    assert run.failures == []
    [mail] = box.mails
    assert mail["Subject"] == "Product extraction, Thursday 8 October 2026: slipped"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().startswith("Slipped: price 91% → 74% (−17 ± 6), prompt v3.")


def test_a_file_has_one_line_of_json_a_message(lake: Lake, tmp_path: Path) -> None:
    """Lines are appended."""
    path = tmp_path / "digest.jsonl"
    path.write_text('{"earlier": 1}\n')
    catalog = make_catalog(tmp_path / "c", {"log": f"file://{path}"})
    add_report(lake, night())
    assert send_digests(lake, catalog, NOW).sent == 1
    _, line = path.read_text("utf-8").splitlines()
    assert json.loads(line)["title"] == "Shop, Thursday 8 October 2026: held"


def test_hostile_reports_are_sent_as_plain_text(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """Whatever the texts of a report, a message has no mention, link or markup of theirs."""
    attack = "<!channel> @everyone [x](https://evil.example) *b*\n# head"
    apps = {"shop": {"digest": {"texts": True}}}
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, apps=apps)
    body = night(
        title=attack, sentence=f"Slipped: {attack}", verdict="slipped",
        examples=[example(1, trace_id=attack, input=attack, output=attack, explanation=attack)],
    )  # fmt: skip
    add_report(lake, body)
    send_digests(lake, catalog, NOW)
    [message] = web.bodies("/a")
    shown = message["title"] + message["message"]
    assert "everyone" in shown
    for part in ("<!", "@everyone", "](", "https://", "*b*", "\n#"):
        assert part not in shown


@pytest.mark.filterwarnings("default")
def test_secrets_are_in_no_output(
    lake: Lake, web: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither logs nor failures nor the home have any part of an address, whatever fails."""
    secret = "".join(("s3cr3tT0ken", "OfTheTeam"))
    monkeypatch.setenv("TEAM_TOKEN", secret)
    targets = {
        "refused": f"json://user:${{TEAM_TOKEN}}@{web.url}/x",
        "closed": "json://127.0.0.1:1/${TEAM_TOKEN}",
        "bad": "nothing://${TEAM_TOKEN}",
        "slack": "slack://${TEAM_TOKEN}",
        "unset": "slack://${NOT_SET_ANYWHERE}",
        "written": f"json://user:{secret}@{web.url}/y",
        "mail": "mailto://u:${TEAM_TOKEN}@127.0.0.1:1?from=a@example.com&to=b@example.com",
    }
    catalog = make_catalog(tmp_path / "c", targets)
    web.statuses["/x"] = [401]
    add_report(lake, night())
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        run = send_digests(lake, catalog, NOW, QUICK)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    failures = "\n".join(run.failures)
    assert sorted(line.split()[2][:-1] for line in run.failures) == sorted(targets)
    assert "NOT_SET_ANYWHERE not set in the environment" in failures
    assert "written: its secret is in the catalog" in failures
    assert "refused: HTTP 401" in failures
    stored = "".join(p.read_text("utf-8") for p in (lake.home / "digests").iterdir())
    for text in (failures, stream.getvalue(), stored):
        assert secret not in text
    assert run.sent == 0


def test_a_target_without_its_variable_keeps_its_message(
    lake: Lake, web: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that lacks a variable uses up no attempt; one that has it sends the message."""
    catalog = make_catalog(tmp_path / "c", {"a": "${TEAM_HOOK}"})
    add_report(lake, night())
    assert send_digests(lake, catalog, NOW).failures
    monkeypatch.setenv("TEAM_HOOK", f"json://{web.url}/a")
    assert send_digests(lake, catalog, NOW).sent == 1


def test_a_process_killed_while_sending_sends_nothing_twice(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """After kill -9 between request and record the message counts as perhaps sent, and is named."""
    import threading

    web.hold = threading.Event()
    make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    add_report(lake, night())
    code = textwrap.dedent(f"""
        from datetime import datetime
        from pathlib import Path
        from evals.digests.sending import send_digests
        from evals.specs import load_catalog
        from evals.storage.lake import Lake
        catalog = load_catalog(Path({str(tmp_path / "c")!r}))
        send_digests(Lake(Path({str(lake.home)!r})), catalog, datetime.fromisoformat("{NOW}"))
    """)
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code]) as process:
        assert web.arrived.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    web.hold.set()
    web.hold = None
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    assert send_digests(lake, catalog, NOW + timedelta(hours=1)).sent == 0
    [message] = read_digests(lake, "shop").messages
    assert message.deliveries[0].state == "interrupted"
    assert len(web.requests) == 1
    assert [target for target, _ in list_lost(lake, NOW)] == ["a"]
    assert send_again(lake, catalog, "shop", message.night, NOW).sent == 1
    assert list(list_lost(lake, NOW)) == []


def test_a_damaged_record_stops_its_application_alone(
    lake: Lake, web: Receiver, tmp_path: Path
) -> None:
    """The other application's message is sent, and the failure names the file."""
    apps = {"shop": {}, "chat": {}}
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, apps=apps)
    for app in apps:
        add_report(lake, night(app=app))
    (lake.home / "digests").mkdir()
    (lake.home / "digests" / "chat.json").write_text("{")
    run = send_digests(lake, catalog, NOW)
    assert run.sent == 1
    assert "digests/chat.json" in run.failures[0]


def test_drafts_store_and_send_nothing(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """A dry run lists the message with its targets and leaves the home as it is."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    add_report(lake, night())
    [draft] = list_drafts(lake, catalog, NOW)
    assert [one.target for one in draft.message.deliveries] == ["a"]
    assert not (lake.home / "digests").exists()
    assert web.requests == []


def test_deliveries_to_a_target_that_is_gone_end(lake: Lake, web: Receiver, tmp_path: Path) -> None:
    """A target that the catalog no longer names is not sent to."""
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a", "b": f"json://{web.url}/b"})
    web.statuses["/b"] = [500] * 9
    add_report(lake, night())
    send_digests(lake, catalog, NOW, QUICK)
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"})
    assert not send_digests(lake, catalog, NOW + timedelta(hours=2), QUICK).failures
    states = {d.target: d.state for d in read_digests(lake, "shop").messages[0].deliveries}
    assert states == {"a": "sent", "b": "given up"}


def test_records_round_trip(lake: Lake) -> None:
    """A record is read as it was written."""
    from evals.storage.documents.digests import Announced, Change, DigestRecord, Message

    day = NOW.date()
    message = Message("earlier", day, "2026-10-09T07:30:00+00:00", (Change(day, "", "held"),),
                      (Delivery("a", "given up", 8, "2026-10-09", "HTTP 400"),))  # fmt: skip
    record = DigestRecord({day: Announced("v", "c", "held")}, (message,))
    write_digests(lake, "shop", record)
    assert read_digests(lake, "shop") == record
