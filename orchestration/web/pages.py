"""The board, the nights' pages and the Data Docs as files; nothing is computed for a page view.

What writes them is in `evals/reports` and `evals/validation/data_docs_pages.py`.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from evals.storage.lake import Lake
from evals.storage.report_files import page_folders
from orchestration.web.protection import POLICY, AddHeaders

HEADERS = {
    POLICY: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Frame-Options": "DENY",
}
"""The pages are whole in themselves; the scripts of Data Docs serve what is not shown in them."""


def pages(home: Path) -> Starlette:
    """Serves `reports/` at the root and `data_docs/` beside it, and no other folder of the home."""
    reports, data_docs = page_folders(Lake(home))
    return Starlette(routes=[files(data_docs, "/data_docs"), files(reports, "/")])


def files(folder: Path, path: str) -> Mount:
    """Serves a folder's files, without listings and without links that lead out of it."""
    found = StaticFiles(directory=folder, html=True)
    return Mount(path, found, middleware=[Middleware(AddHeaders, HEADERS)])
