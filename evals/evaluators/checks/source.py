"""Checks that what an answer states is in its source: the input and the context.

The right answer is not known here; comparing with it is for `likeness` and `extraction`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from pydantic import Field

from evals.evaluators import comparisons, dates, numbers
from evals.evaluators.checks.tool_calls import list_documents
from evals.evaluators.code_checks import Examples, Params, Result, check, quoted
from evals.evaluators.comparisons import UnreadableJson
from evals.evaluators.normal_form import normalize_text
from evals.records import Json, Outcome, Skip, Trace

NO_SOURCE = Skip("no-source")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


class NumbersInSource(Params):
    """Params of `numbers_in_source`."""

    ignore_up_to: int = Field(default=0, ge=0, description="whole numbers up to this are free")
    ignore_ordinals: bool = True
    ignore_list_markers: bool = True
    ignore_citations: bool = Field(default=False, description="citations such as `[1]` are free")
    language: numbers.Language = Field(default="en", description="whose number words are read")


@check(
    "numbers_in_source",
    reads=("input", "context", "output"),
    behaviour=3,
    params=NumbersInSource,
    examples=Examples(
        passes={"context": "The lamp costs 1,299 euros.", "output": "It costs 1299 euros."},
        fails={"context": "The lamp costs 1,299 euros.", "output": "It costs 1199 euros."},
    ),
)
def numbers_in_source(trace: Trace, params: NumbersInSource, gold: Json) -> Result:
    """Every number in the output is stated in the input or the context; value is the share."""
    source = join_source(trace)
    if not source:
        return NO_SOURCE
    text = trace.output
    if params.ignore_list_markers:
        text = numbers.drop_list_markers(text)
    if params.ignore_citations:
        text = drop_citations(text)
    free = {str(number) for number in range(params.ignore_up_to + 1)} - {"0"}
    claims = [
        number
        for number in numbers.find_claims(text, params.language)
        if not (number.is_ordinal and params.ignore_ordinals) and not number.values & free
    ]
    stated = numbers.find_stated_values(source, params.language)
    new = [number.text for number in claims if not number.is_stated(stated)]
    return compare_with_source([claim.text for claim in claims], new)


def join_source(trace: Trace) -> str:
    """Returns the input and the context of a trace as one text; empty where it has neither."""
    source = f"{trace.input}\n{trace.context or ''}"
    return source if source.strip() else ""


def compare_with_source(claims: Sequence[object], new: Sequence[str]) -> Outcome:
    """Passes where no claim is new; the value is the share of the others, None without claims."""
    share = 1 - len(new) / len(claims) if claims else None
    listed = ", ".join(dict.fromkeys(quoted(text, 60) for text in new[:20]))
    return Outcome(not new, share, f"not in the source: {listed}" if new else "")


class DatesInSource(Params):
    """Params of `dates_in_source`."""

    languages: tuple[dates.DateLanguage, ...] = Field(
        default=("en",), min_length=1, description="whose names of months are read"
    )


@check(
    "dates_in_source",
    reads=("input", "context", "output"),
    behaviour=1,
    params=DatesInSource,
    examples=Examples(
        passes={"context": "Shipped on 2026-10-08.", "output": "It was shipped on 8 October."},
        fails={"context": "Shipped on 2026-10-08.", "output": "It was shipped on 9 October."},
    ),
)
def dates_in_source(trace: Trace, params: DatesInSource, gold: Json) -> Result:
    """Every date in the output is stated in the input or the context; value is the share.

    `2026-10-08`, `8 October`, `Oct 8th, 2026`, `10/2026` and `8.10.2026` are dates. One that may
    be two, such as `08/10/2026`, is stated by either. Years alone belong to `numbers_in_source`.
    """
    source = join_source(trace)
    if not source:
        return NO_SOURCE
    claims = dates.find_dates(trace.output, params.languages)
    stated = dates.SourceDates.of(source, params.languages)
    return compare_with_source(claims, [one.text for one in claims if not stated.states(one)])


URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'`\\^{|}]+", re.IGNORECASE)
PAIRS = {")": "(", "]": "["}


class UrlsInSource(Params):
    """Params of `urls_in_source`."""

    hosts: tuple[str, ...] = Field(
        default=(), description="hosts whose addresses are free, those below them included"
    )

    def is_free(self, url: str) -> bool:
        """Whether an address need not be in the source."""
        host = url.partition("/")[0].partition(":")[0]
        return any(host == one.lower() or host.endswith(f".{one.lower()}") for one in self.hosts)


@check(
    "urls_in_source",
    reads=("input", "context", "output"),
    behaviour=1,
    params=UrlsInSource,
    examples=Examples(
        passes={
            "context": "Details: https://example.com/returns/",
            "output": "See [returns](https://example.com/returns).",
        },
        fails={
            "context": "Details: https://example.com/returns/",
            "output": "See https://example.com/refunds.",
        },
    ),
)
def urls_in_source(trace: Trace, params: UrlsInSource, gold: Json) -> Result:
    """Every web address in the output is in the input or the context; value is the share.

    `http`, `https`, `www.`, a closing slash, and the case of the host make no difference.
    """
    source = join_source(trace)
    if not source:
        return NO_SOURCE
    claims = {url: normalize_url(url) for url in find_urls(trace.output)}
    claims = {url: plain for url, plain in claims.items() if not params.is_free(plain)}
    stated = {normalize_url(url) for url in find_urls(source)}
    new = [url for url, plain in claims.items() if plain not in stated]
    return compare_with_source(list(claims), new)


def find_urls(text: str) -> list[str]:
    """Lists the web addresses in a text, each once, without the punctuation that follows them."""
    return list(dict.fromkeys(trim_url(match[0]) for match in URL.finditer(text)))


def trim_url(url: str) -> str:
    """Removes closing punctuation and brackets that do not belong to an address."""
    url = url.partition("](")[0]
    spare = {mark: url.count(mark) - url.count(opening) for mark, opening in PAIRS.items()}
    end = len(url)
    while end and (url[end - 1] in ".,;:!?*_" or spare.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in spare:
            spare[url[end]] -= 1
    return url[:end]


def normalize_url(url: str) -> str:
    """Returns an address in the form in which addresses are compared."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:  # a bracket in the host
        return url
    host = parts.netloc.lower().removeprefix("www.")
    query = f"?{parts.query}" if parts.query else ""
    return f"{host}{parts.path.rstrip('/')}{query}"


QUOTE = re.compile('"([^"\\n]+)"|«([^«»\\n]+)»|「([^「」\\n]+)」')
GAP = re.compile(r"\s*(?:\[\s*(?:…|\.\.\.)\s*\]|…|\.\.\.)\s*")
QUOTED_END = " .,;:!?"


class QuotesInSource(Params):
    """Params of `quotes_in_source`."""

    min_words: int = Field(
        default=3, ge=1, description="shorter quotations are names or irony and are free"
    )


@check(
    "quotes_in_source",
    reads=("input", "context", "output"),
    behaviour=1,
    params=QuotesInSource,
    examples=Examples(
        passes={
            "context": "You may return goods within 14 days of delivery.",
            "output": "The terms say “return goods … of delivery”.",
        },
        fails={
            "context": "You may return goods within 14 days of delivery.",
            "output": "The terms say “return goods within 30 days”.",
        },
    ),
)
def quotes_in_source(trace: Trace, params: QuotesInSource, gold: Json) -> Result:
    """Every quotation in the output is in the input or the context; value is the share.

    Spaces, case, the shape of characters and the punctuation at the end make no difference; the
    parts of a quotation around `…` follow each other. Code is left out; of JSON the texts count.
    """
    source = join_source(trace)
    if not source:
        return NO_SOURCE
    plain = normalize_text(source)
    claims = [one for one in find_quotes(trace.output) if len(one.split()) >= params.min_words]
    return compare_with_source(claims, [one for one in claims if not is_quoted_from(one, plain)])


def find_quotes(text: str) -> list[str]:
    """Lists the quotations in an output; of JSON, those in its texts."""
    if text.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(UnreadableJson, RecursionError):
            text = "\n".join(list_texts(comparisons.read_json(text)))
    lines = (normalize_text(line, ignore_case=False) for line in CODE.sub(" ", text).splitlines())
    found = (match for line in lines for match in QUOTE.finditer(line))
    return list(dict.fromkeys(next(filter(None, match.groups())).strip() for match in found))


def list_texts(value: Json) -> list[str]:
    """Lists every text in a JSON value, keys apart."""
    waiting, found = [value], list[str]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
    return found


def is_quoted_from(quote: str, source: str) -> bool:
    """Whether the parts of a quotation follow each other in a source in normal form."""
    at = 0
    for part in GAP.split(normalize_text(quote).strip(QUOTED_END)):
        at = source.find(part.strip(QUOTED_END), at)
        if at < 0:
            return False
    return True


CITATION = re.compile(r"(?<!\w)\[(?:\^)?([^\[\]\n]{1,80})\](?![(:])")
NUMBERS = re.compile(
    r"\d{1,4}(?:\s*[-–]\s*\d{1,4})?(?:\s*[,;]\s*\d{1,4}(?:\s*[-–]\s*\d{1,4})?)*", re.ASCII
)
MARKER = re.compile(
    r"^[ \t]*(?:\[(\d{1,4})\]"
    r"|(?:passage|document|doc|source|chunk)[ \t]*\[?(\d{1,4})\]?[ \t]*[:.\]])",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
DEFINITION = re.compile(r"^[ \t]*\[\^?([^\[\]\n]{1,80})\]:", re.MULTILINE)


def drop_citations(text: str) -> str:
    """Removes the numbers in brackets that cite passages, such as `[1, 3-5]`."""

    def drop(match: re.Match[str]) -> str:
        return " " if NUMBERS.fullmatch(match[1].strip()) else match[0]

    return CITATION.sub(drop, text)


class Citations(Params):
    """Params of `citations_resolve`."""

    needed: bool = Field(default=False, description="fail an answer that cites nothing")
    first: int = Field(default=1, ge=0, le=1, description="the number of the first document")


@check(
    "citations_resolve",
    reads=("context", "steps", "output"),
    behaviour=1,
    params=Citations,
    examples=Examples(
        passes={
            "context": "passage 1: Returns are free.\npassage 2: Refunds take 5 days.",
            "output": "Returns are free [1] and refunds take 5 days [2].",
        },
        fails={
            "context": "passage 1: Returns are free.\npassage 2: Refunds take 5 days.",
            "output": "Returns are free [3].",
        },
    ),
)
def citations_resolve(trace: Trace, params: Citations, gold: Json) -> Result:
    """Every citation in brackets names a passage there is; value is the share.

    Passages are the retrieved documents, by number and by id, and what the context numbers itself
    (`passage 2:`, `[2]` at the beginning of a line). `[1, 3-5]` cites four of them. Other words in
    brackets are citations where a document has an id and the words contain no space.
    """
    known = list_passages(trace, params.first)
    if not known:
        return Skip("no-passages")
    text = CODE.sub(" ", trace.output)
    known |= {name.strip().casefold() for name in DEFINITION.findall(text)}
    has_ids = any(not name.isdigit() for name in known)
    groups = (list_cited(match[1], has_ids) for match in CITATION.finditer(text))
    cited = list(dict.fromkeys(name for group in groups for name in group))
    if params.needed and not cited:
        return Outcome(False, explanation="cites nothing")
    missing = [name for name in cited if name.casefold() not in known]
    share = 1 - len(missing) / len(cited) if cited else None
    words = f"no passage {', '.join(quoted(name, 40) for name in missing[:10])}" if missing else ""
    return Outcome(not missing, share, words)


def list_passages(trace: Trace, first: int) -> set[str]:
    """Returns the numbers and the ids by which the passages of a trace may be cited."""
    documents = list_documents(trace.steps)
    names = {str(number) for number, _ in enumerate(documents, first)}
    names |= {document.id.casefold() for document in documents if document.id}
    return names | {a or b for a, b in MARKER.findall(trace.context or "")}


def list_cited(text: str, has_ids: bool) -> Iterable[str]:
    """Lists what the text between two brackets cites."""
    text = text.strip()
    if NUMBERS.fullmatch(text):
        for part in re.split(r"\s*[,;]\s*", text):
            low, _, high = (end.strip() for end in part.replace("–", "-").partition("-"))
            last = min(int(high or low), int(low) + 100)
            yield from map(str, range(int(low), last + 1) if last > int(low) else (int(low),))
    elif has_ids and not re.search(r"\s", text):
        yield text
