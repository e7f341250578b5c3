"""Checks that an answer parses: Markdown, HTML, and code.

The parsers are in `evals.evaluators.markup`; JSON by schema is in `documents`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evals.evaluators.code_checks import Examples, Params, Result, check, quoted
from evals.evaluators.markup import (
    ALIASES,
    PARSERS,
    Flaw,
    find_code_flaw,
    find_html_flaw,
    find_markdown_flaw,
    read_markdown,
)
from evals.evaluators.sql import strip_fence
from evals.records import Json, Outcome, Skip, Trace


def judge_flaw(flaw: Flaw | None) -> Outcome:
    """Passes where there is no flaw."""
    return Outcome(not flaw, explanation=f"line {flaw.line}: {quoted(flaw.words)}" if flaw else "")


@check(
    "markdown",
    behaviour=1,
    examples=Examples(
        passes={"output": "| a | b |\n|---|---|\n| 1 | 2 |\n"},
        fails={"output": "Run this:\n```sh\nkill 4711\n"},
    ),
)
def markdown(trace: Trace, params: Params, gold: Json) -> Result:
    """The output is Markdown without a flaw: fences are closed, rows fit their table, links lead.

    Any text is Markdown for a parser; these flaws are those that a reader sees.
    """
    return judge_flaw(find_markdown_flaw(trace.output))


class Html(Params):
    """Params of `html`."""

    allow_fence: bool = Field(default=False, description="whether a ```html fence is tolerated")
    needed: bool = Field(default=False, description="fail an output without any tag")


@check(
    "html",
    behaviour=1,
    params=Html,
    examples=Examples(
        passes={"output": "<p>It arrives on <b>Friday</b>.</p>"},
        fails={"output": "<p>It arrives on <b>Friday.</p>"},
    ),
)
def html(trace: Trace, params: Html, gold: Json) -> Result:
    """The tags of the output are well formed: each ends, and is closed in its order."""
    text = strip_fence(trace.output) if params.allow_fence else trace.output
    flaw = find_html_flaw(text)
    if flaw is None and params.needed and not ("<" in text and ">" in text):
        return Outcome(False, explanation="no tag")
    return judge_flaw(flaw)


class Code(Params):
    """Params of `code`."""

    language: Literal["python", "json", "yaml", "toml", "sql", "html"] | None = Field(
        default=None, description="of the whole output, or of its blocks that name none"
    )
    needed: bool = Field(default=False, description="fail an output without a block of code")


@check(
    "code",
    behaviour=1,
    params=Code,
    examples=Examples(
        passes={"output": "```python\nprint('Friday')\n```"},
        fails={"output": "```python\nprint('Friday'\n```"},
    ),
)
def code(trace: Trace, params: Code, gold: Json) -> Result:
    """Every block of code parses in its language; value is the share of blocks.

    Languages are Python, JSON, YAML, TOML, SQL and HTML; a block of another is left out. Where a
    `language` is set and the output has no fence, the output as a whole is the code.
    """
    read = read_markdown(trace.output)
    found = [(ALIASES.get(b.language, b.language), b.text, b.line) for b in read.blocks]
    if read.open_fence:
        return Outcome(False, explanation=f"line {read.open_fence}: a code fence is not closed")
    if not found and params.language:
        found = [(params.language, trace.output, 1)]
    blocks = [(name or params.language or "", text, line) for name, text, line in found]
    known = [block for block in blocks if block[0] in PARSERS]
    if not known:
        return Outcome(False, explanation="no code") if params.needed else Skip("no-code")
    try:
        flaws = [(line, find_code_flaw(text, name)) for name, text, line in known]
    except ValueError as error:
        return Skip(str(error))
    broken = [f"block at line {line}: {quoted(flaw, 150)}" for line, flaw in flaws if flaw]
    return Outcome(not broken, 1 - len(broken) / len(known), "; ".join(broken[:3]))
