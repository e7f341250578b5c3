"""Text in Markdown as markup: no HTML of its own, links to the web alone, images as their address.

Which texts are Markdown is `text`'s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from evals.reports.pages.forms.highlighting import highlight
from evals.reports.pages.texts import parse_link

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST = 40_000
"""Characters that are read as Markdown; a longer text is shown as it is."""
MOST_BRACKETS = 400
"""Opening brackets of a text that is read as Markdown; the time to read them grows as a square."""
NESTING = 100
SIGNS = re.compile(
    r"^\s{0,3}(?:#{1,6}\s+\S|[-*+]\s+\S|\d{1,3}[.)]\s+\S|>\s*\S|```|~~~|\|?[ \t]*:?-+:?[ \t]*\|)"
    r"|\*\*[^\s*][^*\n]*\*\*|`[^`\n]+`|!?\[[^\]\n]*\]\([^)\s]+\)",
    re.MULTILINE,
)
"""What makes a text Markdown rather than plain."""
RELATION = "noopener noreferrer nofollow"
BLOCK = Markup('<div class="prose" dir="auto">{}</div>')
FENCED = Markup('<pre class="code" tabindex="0">{}</pre>\n')


def is_markdown(text: str) -> bool:
    """Whether a text has signs of Markdown, and is short enough to be read as such."""
    if len(text) > MOST or text.count("[") > MOST_BRACKETS:
        return False
    return SIGNS.search(text) is not None


def render_markdown(text: str) -> Markup | None:
    """Renders Markdown whose hidden characters are shown; None where it would lose a word."""
    parser = load_parser()
    tokens = parser.parse(text)
    if count_letters(text) > sum(count_letters(f"{one.content}{one.info}") for one in tokens):
        return None
    for token in tokens:
        token.children = list(plain_inlines(token.children or []))
    label_cells(tokens)
    for token in tokens:
        plain_block(token)
    html = parser.renderer.render(tokens, parser.options, {})
    return BLOCK.format(Markup(html))  # noqa: S704  the parser escapes; it passes no HTML on


@functools.cache
def load_parser() -> MarkdownIt:
    """Loads the parser of Markdown, without HTML."""
    from markdown_it import MarkdownIt

    options = {"html": False, "linkify": False, "typographer": False, "breaks": True}
    more = {"highlight": render_fenced, "maxNesting": NESTING}
    parser = MarkdownIt("commonmark", {**options, **more})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = is_link  # an instance's own rule, as its documentation describes
    return parser


def is_link(url: str) -> bool:
    """Whether an address may be a link: of the web, without a user or a password."""
    return parse_link(url) is not None


def render_fenced(code: str, language: str, attributes: str) -> str:
    """Renders code of a fence, in the colours of its language."""
    del attributes
    return FENCED.format(highlight(code, language.strip().lower()))


def plain_inlines(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yields the parts of a line: images as text, and links followed by the name of their host."""
    from markdown_it.token import Token

    hosts: list[str] = []
    for token in tokens:
        if token.type == "image":
            words = token.content or "no description"
            yield Token("text", "", 0, content=f"[image: {words}, {token.attrs.get('src', '')}]")
            continue
        if token.type == "link_open":
            address = str(token.attrs.get("href", ""))
            link = parse_link(address)
            hosts.append(link.host if link else "")
            token.attrs = {"href": address, "rel": RELATION, "target": "_blank"}
        yield token
        if token.type == "link_close" and hosts and (host := hosts.pop()):
            yield Token("text", "", 0, content=f" ({host})")


def count_letters(text: str) -> int:
    """Counts the letters of a text."""
    return sum(map(str.isalpha, text))


def label_cells(tokens: Sequence[Token]) -> None:
    """Gives the cells of tables the names of their columns, which a phone shows beside them."""
    names: list[str] = []
    column = 0
    for token, inner in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            names = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            names.append(inner.content if inner else "")
            token.attrSet("scope", "col")
        elif token.type == "td_open":
            token.attrSet("data-label", names[column] if column < len(names) else "")
            column += 1


def plain_block(token: Token) -> None:
    """Takes styles off a block, and headings, which would be the page's own."""
    if token.attrs.pop("style", None) == "text-align:right":
        token.attrSet("class", "figure")
    if token.type in ("heading_open", "heading_close"):
        level, token.tag = token.tag, "p"
        if token.type == "heading_open":
            token.attrSet("class", f"heading {level}")
    if token.type == "table_open":
        token.attrSet("class", "tight")
