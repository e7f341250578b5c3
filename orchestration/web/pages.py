"""Serves the board, the nights' pages and the Data Docs as files; computes nothing.

`evals.reports` and `evals.validation.data_docs_pages` write them.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from evals.storage.lake import Lake
from evals.storage.report_files import make_page_folders
from orchestration.web.protection import POLICY, AddHeaders

HEADERS = {
    POLICY: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Frame-Options": "DENY",
}
"""The pages load nothing else; the scripts of Data Docs serve parts that are not shown."""


def serve_pages(home: Path) -> Starlette:
    """Serves `reports/` at the root and `data_docs/` beside it, and no other folder of the home."""
    reports, data_docs = make_page_folders(Lake(home))
    return Starlette(routes=[mount_folder(data_docs, "/data_docs"), mount_folder(reports, "/")])


def mount_folder(folder: Path, path: str) -> Mount:
    """Serves a folder's files, without listings and without links that lead out of it."""
    files = StaticFiles(directory=folder, html=True)
    return Mount(path, files, middleware=[Middleware(AddHeaders, HEADERS)])
