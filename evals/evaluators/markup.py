"""Whether Markdown, HTML and code are well formed: the first flaw of a text, with its line.

Each is read once from its beginning to its end. The checks are in `checks.syntax`.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

from evals.evaluators import sql

MAX_CODE = 200_000
"""Characters of code that are parsed: the time and stack of parsers grow with it."""
VOID = frozenset(
    "area base br col embed hr img input link meta param source track wbr !doctype".split()  # noqa: SIM905  one line
)
OPTIONAL_END = frozenset(
    "p li dt dd tr td th thead tbody tfoot option optgroup colgroup rp rt html head body".split()  # noqa: SIM905  one line
)
"""Elements whose end the next one, or their parent's end, implies."""
RAW = frozenset(("script", "style", "textarea", "title"))
"""Elements that contain text alone."""
TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-zA-Z!][^\s/>]*+)(?:[^<>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'>]*+)|\"[^\"]*+\"|'[^']*+')*+>"
)
OPENING = re.compile(r"<[/!]?[a-zA-Z]")


class Flaw(NamedTuple):
    """What is wrong with a text."""

    words: str
    line: int


def count_line(text: str, at: int) -> int:
    """Returns the line of a position, from 1."""
    return text.count("\n", 0, at) + 1


def find_html_flaw(text: str) -> Flaw | None:
    """Finds the first tag that is not closed, closes nothing, or does not end."""
    open_tags: list[tuple[str, int]] = []
    at = text.find("<")
    while at >= 0:
        read = read_markup(text, at, open_tags)
        if isinstance(read, str):
            return Flaw(read, count_line(text, at))
        at = text.find("<", read)
    left = next(((name, at) for name, at in open_tags if name not in OPTIONAL_END), None)
    return left and Flaw(f"<{left[0]}> is not closed", count_line(text, left[1]))


def read_markup(text: str, at: int, open_tags: list[tuple[str, int]]) -> int | str:
    """Reads a comment or a tag, or a mere `<`; returns where it ends, or what is wrong with it."""
    if text.startswith("<!--", at):
        end = text.find("-->", at + 4)
        return end + 3 if end >= 0 else "a comment does not end"
    match = TAG.match(text, at)
    if match is None:
        return "a tag does not end" if OPENING.match(text, at) else at + 1
    name = match["name"].lower()
    if match["end"]:
        return close_tag(open_tags, name) or match.end()
    if name in VOID or match[0].endswith("/>"):
        return match.end()
    open_tags.append((name, at))
    if name not in RAW:
        return match.end()
    closing = re.compile(f"</{name}", re.IGNORECASE).search(text, match.end())
    return closing.start() if closing else f"<{name}> is not closed"


def close_tag(open_tags: list[tuple[str, int]], name: str) -> str | None:
    """Closes the last open element of a name; returns what is wrong, or None."""
    if name in VOID:
        return f"</{name}> closes nothing"
    while open_tags:
        last, _ = open_tags.pop()
        if last == name:
            return None
        if last not in OPTIONAL_END:
            return f"</{name}> closes <{last}>"
    return f"</{name}> closes nothing"


FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$")
RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
EMPTY_LINK = re.compile(r"\[[^\[\]\n]{1,300}\]\([ \t]*\)")


class Block(NamedTuple):
    """A fenced block of code."""

    language: str
    """Its first word, in lower case; empty without one."""
    text: str
    line: int
    """Of its first line."""


class Markdown(NamedTuple):
    """The blocks of code of a Markdown text, the lines outside of them, and an open fence."""

    blocks: list[Block]
    prose: list[tuple[int, str]]
    """Number and text of each line."""
    open_fence: int | None


def read_markdown(text: str) -> Markdown:
    """Separates code from prose by CommonMark's rules of fences."""
    blocks, prose = list[Block](), list[tuple[int, str]]()
    inside: tuple[str, str, int] | None = None
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if inside is None:
            if match and not (match["mark"][0] == "`" and "`" in match["info"]):
                inside = (match["mark"], match["info"].strip(), number)
                body = []
            else:
                prose.append((number, line))
        elif match and match["mark"].startswith(inside[0]) and not match["info"].strip():
            language = (inside[1].split() or [""])[0].lower()
            blocks.append(Block(language, "\n".join(body), inside[2] + 1))
            inside = None
        else:
            body.append(line)
    return Markdown(blocks, prose, inside[2] if inside else None)


def find_markdown_flaw(text: str) -> Flaw | None:
    """Finds the first fence that is not closed, table whose rows differ, or link to nowhere.

    Any text is Markdown; these are what a reader sees as broken.
    """
    read = read_markdown(text)
    flaws = [Flaw("a code fence is not closed", read.open_fence)] if read.open_fence else []
    flaws += [Flaw("a link to nowhere", n) for n, line in read.prose if EMPTY_LINK.search(line)][:1]
    flaws += filter(None, (find_table_flaw(read.prose),))
    return min(flaws, key=lambda flaw: flaw.line, default=None)


def find_table_flaw(lines: list[tuple[int, str]]) -> Flaw | None:
    """Finds the first row of a table that has more or fewer cells than its head."""
    columns = 0
    for (_, head), (number, line) in itertools.pairwise(lines):
        if columns:
            if "|" not in line:
                columns = 0
            elif (n := count_cells(line)) != columns:
                return Flaw(f"a row of {n} cells in a table of {columns}", number)
        elif "|" in head and "|" in line and RULE.fullmatch(line.strip()):
            columns = count_cells(head)
            if count_cells(line) != columns:
                return Flaw(f"{count_cells(line)} columns below a head of {columns}", number)
    return None


def count_cells(line: str) -> int:
    """Counts the cells of a table's row."""
    plain = re.sub(r"`[^`]*`", "", line.replace("\\|", "")).strip()
    return plain.removeprefix("|").removesuffix("|").count("|") + 1


def parse_python(text: str) -> None:
    """Parses Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(text)


def parse_yaml(text: str) -> None:
    """Parses YAML without building its values: an alias cannot multiply them."""
    import yaml

    for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # pyright: ignore[reportUnknownMemberType]
        pass


def parse_toml(text: str) -> None:
    """Parses TOML."""
    import tomllib

    tomllib.loads(text)


def parse_sql(text: str) -> None:
    """Parses SQL of any dialect that is common enough."""
    sql.parse_statements(text, None)


def parse_html(text: str) -> None:
    """Parses HTML."""
    if flaw := find_html_flaw(text):
        raise SyntaxError(f"{flaw.words} (line {flaw.line})")


PARSERS: dict[str, Callable[[str], object]] = {
    "python": parse_python,
    "json": json.loads,
    "yaml": parse_yaml,
    "toml": parse_toml,
    "sql": parse_sql,
    "html": parse_html,
}
ALIASES = {"py": "python", "python3": "python", "yml": "yaml"}


def find_code_flaw(text: str, language: str) -> str | None:
    """Returns why code does not parse, in a line, or None.

    Raises:
        ValueError: it is too long to be parsed, or nested too deep.
    """
    if len(text) > MAX_CODE:
        raise ValueError("too-long")
    try:
        PARSERS[language](text)
    except (RecursionError, MemoryError) as error:
        raise ValueError("nested-too-deep") from error
    except Exception as error:  # each parser has its own
        return " ".join(str(error).split()) or type(error).__name__
    return None
