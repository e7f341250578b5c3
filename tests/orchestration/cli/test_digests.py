"""`andon digest`: what is shown, sent and tried; what the doctor finds of targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evals.specs import load_catalog
from evals.storage.lake import Lake
from orchestration.cli.diagnosis import check_digest
from orchestration.cli.digests import digest
from orchestration.cli.nightly import send_news
from tests.catalog_files import write_catalog
from tests.evals.digests.home import add_report, make_catalog
from tests.evals.digests.receivers import Receiver, serve_http
from tests.evals.reports.report_bodies import night, slipped

TODAY = datetime.now(UTC).date()


@pytest.fixture
def web() -> Iterator[Receiver]:
    """A webhook."""
    with serve_http() as receiver:
        yield receiver


def declare(root: Path, web: Receiver) -> None:
    """Writes a catalog with one target, of which no night is missing."""
    make_catalog(root / "c", {"a": f"json://{web.url}/a"}, apps={"shop": {"cadence": "irregular"}})


def call(root: Path, *words: str) -> Result:
    """Runs a command of the group."""
    home = ("--home", str(root / "home"), "--catalog", str(root / "c"))
    return CliRunner().invoke(digest, [*words, *home])


def test_one_message_is_shown_sent_and_sent_again(tmp_path: Path, web: Receiver) -> None:
    """Show and --dry-run send nothing; send sends once; --again sends once more."""
    declare(tmp_path, web)
    add_report(Lake(tmp_path / "home").open(), slipped())
    which = ("--app", "shop", "--date", "2026-10-08")
    shown = call(tmp_path, "show", *which).output
    assert shown.startswith("to a: Product extraction, Thursday 8 October 2026: slipped\n  Slipped")
    [draft] = json.loads(call(tmp_path, "send", "--dry-run", "--json").output)
    assert (draft["targets"], draft["kind"]) == (["a"], "night")
    assert web.requests == []
    assert call(tmp_path, "send").output == "1 message sent\n"
    assert call(tmp_path, "send").output == "0 messages sent\n"
    assert call(tmp_path, "send", "--dry-run").output == "no message is due\n"
    assert call(tmp_path, "send", "--again", *which).output == "1 message sent\n"
    assert len(web.bodies("/a")) == 2
    assert web.bodies("/a")[0] == web.bodies("/a")[1]


def test_a_target_that_fails_ends_with_4(tmp_path: Path, web: Receiver) -> None:
    """So does a test message that cannot be sent; a wrong name is a usage error."""
    declare(tmp_path, web)
    web.statuses["/a"] = [404, 404]
    add_report(Lake(tmp_path / "home").open(), night())
    result = call(tmp_path, "send")
    assert (result.exit_code, "digest target a: HTTP 404" in result.output) == (4, True)
    assert call(tmp_path, "test").output == "a: HTTP 404\n"
    assert call(tmp_path, "test").output == "a: sent\n"
    assert web.bodies("/a")[-1]["title"] == "Andon: a test"
    assert call(tmp_path, "test", "--target", "b").exit_code == 2
    assert call(tmp_path, "send", "--again").exit_code == 2


def test_nightly_sends_the_digest_without_dagster(tmp_path: Path, web: Receiver) -> None:
    """It sends what is due, and the heartbeat only after a run that succeeded."""
    beat = {"url": f"http://{web.url}/beat"}
    catalog = make_catalog(tmp_path / "c", {"a": f"json://{web.url}/a"}, heartbeat=beat)
    lake = Lake(tmp_path / "home").open()
    add_report(lake, night(TODAY.isoformat()))
    assert send_news(lake, catalog, succeeded=False) == []
    assert send_news(lake, catalog, succeeded=True) == []
    assert [path for _, path, _ in web.requests] == ["/a", "/beat"]


def test_the_doctor_checks_addresses_and_names_lost_messages(tmp_path: Path, web: Receiver) -> None:
    """Without sending: a valid address is ok, another fails, a message that was lost is named."""
    lake = Lake(tmp_path / "home").open()
    targets = {"a": f"json://{web.url}/a", "b": "nothing://x", "c": "file:///no/such/folder/f"}
    catalog = make_catalog(tmp_path / "c", targets)
    findings = {one.about: one.state for one in check_digest(lake, catalog)}
    assert findings == {
        "digest target a": "ok",
        "digest target b": "fail",
        "digest target c": "fail",
    }
    assert web.requests == []
    from evals.storage.documents.digests import Delivery, DigestRecord, Message, write_digests

    made = datetime.now(UTC).isoformat()
    lost = Message("night", TODAY, made, (), (Delivery("a", "interrupted", 1),))
    write_digests(lake, "shop", DigestRecord({}, (lost,)))
    [warning] = [one for one in check_digest(lake, catalog) if one.state == "warn"]
    assert f"`andon digest send --again --app shop --date {TODAY}`" in warning.words


def test_an_unknown_target_of_an_application_is_named(tmp_path: Path) -> None:
    """With file, line and key; the application waits, the others do not."""
    root = write_catalog(
        tmp_path,
        {
            "catalog.yaml": {"digest": {"targets": {"a": "${TEAM_HOOK}"}}},
            "apps/shop.yaml": {"app": "shop", "digest": {"targets": ["b"]}},
            "apps/chat.yaml": {"app": "chat", "digest": {"targets": ["a"]}},
        },
    )
    catalog = load_catalog(root)
    [problem] = catalog.problems
    assert problem.apps == ("shop",)
    assert "shop.yaml:4: digest.targets.0: no target 'b' in `digest.targets`" in problem.message
