"""Renders Great Expectations' Data Docs of a night: one self-contained page per application.

The pages show checks, counts and ids; the checked columns contain no text of a trace.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from evals.specs import App, Expectation
from evals.storage.documents.accounts import CheckResult
from evals.storage.lake import Lake
from evals.storage.report_files import write_data_docs
from evals.validation.expectations import load_great_expectations, resolve_argument

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.render.view.view import DefaultJinjaPageView

EXTERNAL = re.compile(
    r"<script[^>]*\ssrc=.*?</script>|<link[^>]*>|<img[^>]*>|<iframe.*?</iframe>"
    r'|<a[^>]*href="(?:https?:)?//[^"]*"[^>]*>.*?</a>',
    re.DOTALL | re.IGNORECASE,
)
"""Elements that fetch from or link to other hosts."""
STYLE = """<style>
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}
.modal,.navbar,#ge-cta-footer,.d-none{display:none}
</style>"""


def write_page(
    lake: Lake,
    night: date,
    app: App,
    checks: Sequence[Expectation],
    results: Sequence[CheckResult],
) -> Path:
    """Writes the page of an application's night."""
    return write_data_docs(lake, night, app.app, render_page(night, app, checks, results))


def render_page(
    night: date, app: App, checks: Sequence[Expectation], results: Sequence[CheckResult]
) -> str:
    """Renders the page of a night's results without external resources."""
    load_great_expectations()
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    by_name = {check.check: check for check in checks}
    rows = [build_result(by_name[r["name"]], app, r) for r in results if r["name"] in by_name]
    passed = sum(bool(row.success) for row in rows)
    outcome = ExpectationSuiteValidationResult(
        success=passed == len(rows),
        results=rows,
        suite_name=app.app,
        statistics={
            "evaluated_expectations": len(rows),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(rows) - passed,
            "success_percent": 100 * passed / len(rows) if rows else None,
        },
        meta={"run_id": f"{app.app} {night}", "active_batch_definition": {}},
    )
    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    document = renderer.render(outcome)  # pyright: ignore[reportUnknownMemberType]  # another argument is untyped
    page = load_view().render(document)  # pyright: ignore[reportUnknownMemberType]  # its arguments are untyped
    html = EXTERNAL.sub("", page)
    return html.replace("</head>", f"{STYLE}</head>", 1)


def build_result(check: Expectation, app: App, result: CheckResult) -> ExpectationValidationResult:
    """Builds a check's result for Great Expectations, without the values that failed."""
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    name = re.sub(r"(?<!^)(?=[A-Z])", "_", check.expect).lower()
    variables = {"app": app.app, **app.validation.model_dump()}
    arguments = {key: resolve_argument(value, variables) for key, value in check.arguments.items()}
    count, failed = result["element_count"], result["unexpected_count"]
    share = 100 * failed / count if count else 0.0
    return ExpectationValidationResult(
        success=result["success"],
        expectation_config=ExpectationConfiguration(
            type=name,
            kwargs=arguments,
            meta={"check": check.check, "notes": {"format": "markdown", "content": [check.reason]}},
            severity=FailureSeverity(check.severity),
        ),
        result={
            "element_count": count,
            "unexpected_count": failed,
            "unexpected_percent": share,
            "missing_count": 0,
            "missing_percent": 0.0,
            "unexpected_percent_total": share,
            "unexpected_percent_nonmissing": share,
            "partial_unexpected_list": [],
        },
    )


@functools.cache
def load_view() -> DefaultJinjaPageView:
    """Returns the library's page view, which parses each template once: most of a page's time."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    class CachingPageView(DefaultJinjaPageView):
        """Caches the templates."""

        _get_template = functools.cache(DefaultJinjaPageView._get_template)

    return CachingPageView()
