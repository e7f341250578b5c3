"""Detectors of personal data, with checksums, numbering plans and public suffixes.

Secrets are in `secrets` and `keys`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, cast

from evals.privacy.detectors.finding import Detector, Spans

if TYPE_CHECKING:
    from presidio_analyzer.predefined_recognizers import EmailRecognizer


class Match(Protocol):
    """A span that a recognizer reports."""

    start: int
    end: int
    score: float
    """Its confidence, from 0 to 1."""


class Recognizer(Protocol):
    """A presidio recognizer."""

    supported_entities: list[str]

    def analyze(self, text: str, entities: list[str], nlp_artifacts: None) -> list[Match]:
        """Returns the spans of some entities in a text."""
        ...


@functools.cache
def load_recognizer(kind: str) -> Recognizer:
    """Loads one presidio recognizer, which needs neither a language model nor a network."""
    from presidio_analyzer import predefined_recognizers as known

    if kind == "email":
        return cast("Recognizer", build_email_recognizer(known.EmailRecognizer))
    if kind == "phone":
        phone = known.PhoneRecognizer(supported_regions=("US", "GB"), leniency=1)
        return cast("Recognizer", phone)
    recognizers = {
        "card": known.CreditCardRecognizer,
        "iban": known.IbanRecognizer,
        "ssn": known.UsSsnRecognizer,
        "ip": known.IpRecognizer,
    }
    return cast("Recognizer", recognizers[kind]())


def build_email_recognizer(base: type[EmailRecognizer]) -> EmailRecognizer:
    """Builds an e-mail recognizer that uses the shipped public suffixes and fetches none."""
    import tldextract

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmail(base):
        def validate_result(self, pattern_text: str) -> bool:
            """Whether the domain ends in a public suffix."""
            return extract(pattern_text.rpartition("@")[2]).suffix != ""

    return OfflineEmail()


def recognize_spans(kind: str, text: str, least: float = 0.4) -> Iterator[tuple[int, int]]:
    """Yields the spans that a recognizer scores at least `least`."""
    recognizer = load_recognizer(kind)
    for result in recognizer.analyze(text, recognizer.supported_entities, None):
        if result.score >= least:
            yield result.start, result.end


def find_emails(text: str) -> Spans:
    """Finds e-mail addresses under a public suffix."""
    return recognize_spans("email", text)


DIGIT = re.compile(r"(?<!\d)\d")


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Finds card numbers with a valid check digit, also after a few other digits."""
    starts = [match.start() for match in DIGIT.finditer(text)]
    if len(starts) > 50:
        yield from recognize_spans("card", text, 0.9)
        return
    at = 0
    for start in starts:
        near = text[start : start + 40] if start >= at else ""
        for first, last in list(recognize_spans("card", near, 0.9)) if near else []:
            yield start + first, start + last
            at = start + last


def find_ibans(text: str) -> Spans:
    """Finds account numbers with valid check digits."""
    return recognize_spans("iban", text, 0.9)


NEAR_SSN = re.compile(r"social\s+security|\bssn\b", re.IGNORECASE)


def find_ssns(text: str) -> Spans:
    """Finds US social security numbers; unusually written ones only near the words."""
    return recognize_spans("ssn", text, 0.05 if NEAR_SSN.search(text) else 0.4)


def find_ips(text: str) -> Iterator[tuple[int, int]]:
    """Finds IP addresses other than loopback, multicast, netmasks and all zeros."""
    import ipaddress

    for start, end in recognize_spans("ip", text):
        address = ipaddress.ip_interface(text[start:end]).ip
        special = address.is_loopback or address.is_multicast or address.is_unspecified
        netmask = address.version == 4 and address.is_reserved
        is_text = address.version == 6 and not any(c.isdigit() for c in text[start:end])
        if not (special or netmask or is_text):
            yield start, end


NEAR_PHONE = re.compile(
    r"\b(?:phone|tel|telephone|call|mobile|cell|fax|whatsapp|sms|text)\w*\b", re.IGNORECASE
)


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Finds valid phone numbers: with a plus, with separators, or near a word for phone."""
    near = NEAR_PHONE.search(text) is not None
    for start, end in recognize_spans("phone", text):
        number = text[start:end]
        if near or number.startswith("+") or re.search(r"\d[)\s./-]+\d", number):
            yield start, end


PII = (
    Detector("email", re.compile("@"), 260, find_emails),
    Detector("card", re.compile(r"\d(?:[ -]?\d){11}"), 30, find_cards),
    Detector("iban", re.compile(r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}"), 45, find_ibans),
    Detector("ssn", re.compile(r"\d{3}[- .]?\d{2}[- .]?\d{4}"), 40, find_ssns),
    Detector(
        "ip", re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d|[0-9A-Fa-f]?:[0-9A-Fa-f]{0,4}:"), 45, find_ips
    ),
    Detector("phone", re.compile(r"\d(?:[ ()./\u00a0\u2010-\u2013-]{0,3}\d){6}"), 40, find_phones),
)
