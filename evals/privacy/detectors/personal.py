"""Personal data: the recognizers of each kind, with their checksums, numbering plans and suffixes.

Secrets are `secrets`' and `keys`'.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from evals.privacy.detectors.finding import Detector, Spans


@functools.cache
def load_recognizer(kind: str) -> Any:
    """The presidio recognizer of a kind, alone: no language model, no network."""
    from presidio_analyzer import predefined_recognizers as known

    if kind == "email":
        return build_email_recognizer(known.EmailRecognizer)
    if kind == "phone":
        return known.PhoneRecognizer(supported_regions=("US", "GB"), leniency=1)
    return {
        "card": known.CreditCardRecognizer,
        "iban": known.IbanRecognizer,
        "ssn": known.UsSsnRecognizer,
        "ip": known.IpRecognizer,
    }[kind]()


def build_email_recognizer(base: Any) -> Any:
    """An e-mail recognizer that knows the public suffixes its package ships, and fetches none."""
    import tldextract

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmail(base):
        def validate_result(self, pattern_text: str) -> bool:
            """Whether the domain ends in a public suffix."""
            return extract(pattern_text.rpartition("@")[2]).suffix != ""

    return OfflineEmail()


def recognize(kind: str, text: str, least: float = 0.4) -> Iterator[tuple[int, int]]:
    """Spans a recognizer gives at least some confidence."""
    found = load_recognizer(kind)
    for result in found.analyze(text, found.supported_entities, None):
        if result.score >= least:
            yield result.start, result.end


def find_emails(text: str) -> Spans:
    """E-mail addresses under a public suffix."""
    return recognize("email", text)


DIGIT = re.compile(r"(?<!\d)\d")


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Card numbers with a right check digit, also behind a few other digits."""
    starts = [match.start() for match in DIGIT.finditer(text)]
    if len(starts) > 50:
        yield from recognize("card", text, 0.9)
        return
    at = 0
    for start in starts:
        found = list(recognize("card", text[start : start + 40], 0.9)) if start >= at else []
        for first, last in found:
            yield start + first, start + last
            at = start + last


def find_ibans(text: str) -> Spans:
    """Account numbers with right check digits."""
    return recognize("iban", text, 0.9)


NEAR_SSN = re.compile(r"social\s+security|\bssn\b", re.IGNORECASE)


def find_ssns(text: str) -> Spans:
    """US social security numbers; undivided or oddly divided ones only near the words."""
    return recognize("ssn", text, 0.05 if NEAR_SSN.search(text) else 0.4)


def find_ips(text: str) -> Iterator[tuple[int, int]]:
    """Addresses that may be somebody's: not loopback, multicast, netmask or all zeros."""
    import ipaddress

    for start, end in recognize("ip", text):
        address = ipaddress.ip_interface(text[start:end]).ip
        nobody = address.is_loopback or address.is_multicast or address.is_unspecified
        netmask = address.version == 4 and address.is_reserved
        words = address.version == 6 and not any(c.isdigit() for c in text[start:end])
        if not (nobody or netmask or words):
            yield start, end


NEAR_PHONE = re.compile(
    r"\b(?:phone|tel|telephone|call|mobile|cell|fax|whatsapp|sms|text)\w*\b", re.IGNORECASE
)


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Valid numbers written as one: with a plus, divided, or near a word for it."""
    near = NEAR_PHONE.search(text) is not None
    for start, end in recognize("phone", text):
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
