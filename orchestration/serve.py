"""`andon ui`: Dagster and the reports, on this machine only.

Serves what is at rest; nothing is computed for a page view.
"""

import functools
import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from orchestration import terminal
from orchestration.launch import dagster_home
from orchestration.settings import ROOT, Settings

DONE = 0
HOST = "127.0.0.1"
SUPERSEDED = "ignore:Function `dev_command` is superseded"
"""Dagster's advice to type `dg dev`, which needs another package and brings nothing here."""


class Pages(http.server.SimpleHTTPRequestHandler):
    """The reports and the Data Docs as files, without a line of log for each."""

    def translate_path(self, path: str) -> str:
        """Where an address leads: `/data_docs/` lies beside the reports."""
        found = super().translate_path(path)
        reports = Path(self.directory)
        if path.startswith("/data_docs/"):
            return str(reports.parent / Path(found).relative_to(reports))
        return found

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def pages(here: Settings, port: int) -> http.server.ThreadingHTTPServer:
    """A server of the reports' folder, answering on a thread of its own."""
    folder = here.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    handler = functools.partial(Pages, directory=str(folder))
    server = http.server.ThreadingHTTPServer((HOST, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve(here: Settings, port: int) -> int:
    """Serves until interrupted; returns Dagster's exit code."""
    dagster_home(here.home)
    server = pages(here, port + 1)
    os.environ["ANDON_BOARD_URL"] = f"http://{HOST}:{port + 1}"
    os.environ["ANDON_HOME"], os.environ["ANDON_CATALOG"] = str(here.home), str(here.catalog_root)
    terminal.say(f"board    http://{HOST}:{port + 1}/", err=True)
    terminal.say(f"Dagster  http://{HOST}:{port}/", err=True)
    workspace = ["-w", str(ROOT / "workspace.yaml"), "-h", HOST, "-p", str(port)]
    python = [sys.executable, "-W", SUPERSEDED]
    command = [*python, "-m", "dagster", "dev", *workspace, "--log-level", "warning"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with subprocess.Popen(command, cwd=ROOT) as dagster:
        try:
            return dagster.wait()
        except KeyboardInterrupt:
            dagster.terminate()  # it ends its own processes, given the time
            return DONE
        finally:
            server.shutdown()
