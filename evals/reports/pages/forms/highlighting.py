"""Code with its keywords, strings, numbers and comments marked by classes.

Which texts are code is `text`'s.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MOST = 30_000
"""Characters that are highlighted; longer code is shown without."""
LANGUAGES = frozenset(
    {
        "bash", "c", "c++", "cpp", "css", "diff", "go", "graphql", "html", "ini", "java",
        "javascript", "js", "json", "kotlin", "php", "postgresql", "py", "python", "r", "ruby",
        "rust", "sh", "shell", "sql", "sqlite3", "toml", "ts", "typescript", "xml", "yaml", "yml",
    }
)  # fmt: skip
"""Names of languages that a text may give its code."""
CLASSES = (
    ("Comment", "c"),
    ("Keyword", "k"),
    ("Operator.Word", "k"),
    ("Name.Tag", "k"),
    ("Literal.String", "s"),
    ("Literal.Number", "n"),
    ("Name.Builtin", "f"),
    ("Name.Function", "f"),
    ("Name.Attribute", "f"),
    ("Generic.Deleted", "d"),
    ("Generic.Inserted", "i"),
)
"""The class of a kind of token, and of those below it."""
SPAN = Markup('<span class="hl-{}">{}</span>')


def highlight(code: str, language: str) -> Markup:
    """Marks the tokens of code; code of an unknown language, or too long, stays as it is."""
    if language not in LANGUAGES or len(code) > MOST:
        return Markup.escape(code)
    return render_tokens((str(kind), text) for kind, text in load_lexer(language).get_tokens(code))


@functools.cache
def load_lexer(language: str) -> Lexer:
    """Loads what splits code of a language into tokens."""
    lexers: Any = importlib.import_module("pygments.lexers")  # its options have no types
    return lexers.get_lexer_by_name(language, stripnl=False, ensurenl=False)


def render_tokens(tokens: Iterable[tuple[str, str]]) -> Markup:
    """Renders tokens, neighbours of one class in one element."""
    parts: list[Markup] = []
    named = (
        (find_class(kind) if len(text) > 1 or text.isdigit() else "", text) for kind, text in tokens
    )
    for name, group in itertools.groupby(named, key=lambda pair: pair[0]):
        text = "".join(part for _, part in group)
        parts.append(SPAN.format(name, text) if name else Markup.escape(text))
    return Markup().join(parts)


def find_class(kind: str) -> str:
    """Finds the class of a kind of token, such as `Token.Literal.Number.Integer`."""
    name = kind.removeprefix("Token.") + "."
    return next((short for prefix, short in CLASSES if name.startswith(prefix + ".")), "")
