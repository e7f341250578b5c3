"""Great Expectations' Data Docs of a night: one page an application, that fetches nothing.

What is shown are checks, counts and ids; the columns that were checked hold no text of a trace.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from evals.specs import App, Expectation
from evals.storage.lake import Lake
from evals.storage.report_files import write_data_docs
from evals.validation.expectations import load_great_expectations, resolve_argument

EXTERNAL = re.compile(
    r"<script[^>]*\ssrc=.*?</script>|<link[^>]*>|<img[^>]*>|<iframe.*?</iframe>"
    r'|<a[^>]*href="(?:https?:)?//[^"]*"[^>]*>.*?</a>',
    re.DOTALL | re.IGNORECASE,
)
"""What would be fetched from elsewhere, or leads there."""
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
    results: Sequence[dict[str, Any]],
) -> Path:
    """Writes the page of an application's night."""
    return write_data_docs(lake, night, app.app, render_page(night, app, checks, results))


def render_page(
    night: date, app: App, checks: Sequence[Expectation], results: Sequence[dict[str, Any]]
) -> str:
    """The page: what Great Expectations makes of the night's results, without what it fetches."""
    load_great_expectations()
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    by_name = {check.check: check for check in checks}
    found = [build_result(by_name[r["name"]], app, r) for r in results if r["name"] in by_name]
    passed = sum(one.success for one in found)
    outcome = ExpectationSuiteValidationResult(
        success=passed == len(found),
        results=found,
        suite_name=app.app,
        statistics={
            "evaluated_expectations": len(found),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(found) - passed,
            "success_percent": 100 * passed / len(found) if found else None,
        },
        meta={"run_id": f"{app.app} {night}", "active_batch_definition": {}},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(outcome)
    html = EXTERNAL.sub("", load_view().render(document))
    return html.replace("</head>", f"{STYLE}</head>", 1)


def build_result(check: Expectation, app: App, said: dict[str, Any]) -> Any:
    """A check's result as Great Expectations keeps one; the values that failed stay out of it."""
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    name = re.sub(r"(?<!^)(?=[A-Z])", "_", check.expect).lower()
    variables = {"app": app.app, **app.validation.model_dump()}
    arguments = {key: resolve_argument(value, variables) for key, value in check.arguments.items()}
    count, failed = said["element_count"], said["unexpected_count"]
    share = 100 * failed / count if count else 0.0
    return ExpectationValidationResult(
        success=said["success"],
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
def load_view() -> Any:
    """The library's page view with its templates parsed once: that is most of a page's time."""
    from great_expectations.render.view.view import DefaultJinjaPageView

    class Once(DefaultJinjaPageView):
        """Keeps each template."""

        _get_template = functools.cache(DefaultJinjaPageView._get_template)

    return Once()
