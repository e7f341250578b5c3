"""Promises of the pages' server: it serves reports and Data Docs, and nothing else of a home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestration.web.pages import serve_pages
from orchestration.web.protection import protect

HIDDEN = "the key under which user ids are hashed"
REFUSED = (404, 405)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a report, a page of Data Docs, and what nobody may read."""
    for name, text in {
        "user_key": HIDDEN,
        "quarantine/files/rows.jsonl": HIDDEN,
        "reports/index.html": "the board",
        "reports/2026-10-05/support/v1/index.html": "a night",
        "reports/2026-10-05/support/v1/report.json": "{}",
        "data_docs/2026-10-05/support.html": "what was checked",
        "reports2/index.html": HIDDEN,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    """A client of the pages' server of that home."""
    with TestClient(protect(serve_pages(home)), "http://127.0.0.1:3001") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "the board"),
        ("/index.html", "the board"),
        ("/2026-10-05/support/v1/", "a night"),
        ("/2026-10-05/support/v1", "a night"),
        ("/2026-10-05/support/v1/report.json", "{}"),
        ("/data_docs/2026-10-05/support.html", "what was checked"),
    ],
)
def test_pages_are_served(client: TestClient, path: str, text: str) -> None:
    """The board, a night with or without the last slash, its report and Data Docs are served."""
    assert client.get(path).text == text


@pytest.mark.parametrize("to", ["user_key", "quarantine/files/", "quarantine/files/rows.jsonl"])
@pytest.mark.parametrize("up", ["../", "..%2f", "%2e%2e%2f", "%2e%2e/", "..%252f", "..%5c", "..\\"])
@pytest.mark.parametrize(
    "start", ["/", "/data_docs/", "/data_docs", "//data_docs/", "/data_docs//"]
)
def test_no_path_leads_out_of_the_two_folders(
    client: TestClient, start: str, up: str, to: str
) -> None:
    """A path upwards leads to nothing, however it is written."""
    for times in (1, 2, 3):
        response = client.get(f"{start}{up * times}{to}")
        assert response.status_code in REFUSED, response.url
        assert HIDDEN not in response.text
        assert "rows.jsonl" not in response.text


@pytest.mark.parametrize(
    "path",
    ["//etc/passwd", "/data_docs//etc/passwd", "/%2fetc%2fpasswd", "/..%2freports2/", "/%00"],
)
def test_no_path_starts_elsewhere(client: TestClient, path: str) -> None:
    """A path from the root, a sister folder of a like name, and a zero byte lead to nothing."""
    assert client.get(path).status_code in REFUSED


@pytest.mark.parametrize("folder", ["reports", "data_docs"])
def test_no_link_leads_out(client: TestClient, home: Path, folder: str) -> None:
    """A symbolic link to a file or a folder elsewhere in the home is not followed."""
    (home / folder / "key").symlink_to(home / "user_key")
    (home / folder / "rows").symlink_to(home / "quarantine")
    (home / folder / "sub").mkdir()
    (home / folder / "sub" / "index.html").symlink_to(home / "user_key")
    start = "/data_docs" if folder == "data_docs" else ""
    for path in ("key", "rows/files/rows.jsonl", "rows/", "sub/", "sub/index.html"):
        response = client.get(f"{start}/{path}")
        assert response.status_code in REFUSED, path
        assert HIDDEN not in response.text


@pytest.mark.parametrize("path", ["/2026-10-05/", "/2026-10-05", "/data_docs/", "/data_docs"])
def test_no_folder_is_listed(client: TestClient, path: str) -> None:
    """A folder without a page of its own is not found, and none of its names is shown."""
    response = client.get(path)
    assert response.status_code == 404
    assert "support" not in response.text


def test_the_rest_of_the_home_is_not_found(client: TestClient) -> None:
    """Nothing beside reports and Data Docs has an address."""
    for path in ("/user_key", "/quarantine/files/rows.jsonl", "/reports/index.html"):
        assert client.get(path).status_code == 404


def test_nothing_is_written(client: TestClient, home: Path) -> None:
    """Pages are read; no method changes one."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/index.html", json={}).status_code == 405
    assert (home / "reports" / "index.html").read_text() == "the board"


@pytest.mark.parametrize("path", ["/", "/data_docs/2026-10-05/support.html"])
def test_pages_run_no_script_and_fetch_nothing(client: TestClient, path: str) -> None:
    """Should a text of a trace ever get out of its quotes, the browser runs and fetches nothing."""
    headers = client.get(path).headers
    policy = headers.get_list("content-security-policy")[0]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-cache"


def test_a_home_without_reports_is_served(tmp_path: Path) -> None:
    """Before the first night the server answers, with nothing to show."""
    with TestClient(protect(serve_pages(tmp_path)), "http://127.0.0.1:3001") as client:
        assert client.get("/").status_code == 404
        assert client.get("/data_docs/2026-10-05/support.html").status_code == 404
