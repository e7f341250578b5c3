"""Values no honest application writes, as JSON or what claims to be it."""

from __future__ import annotations

TEXTS = {
    "deep": "[" * 10_000 + "]" * 10_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "NaN": "NaN",
    "infinity": "-Infinity",
    "beyond floats": "1e999",
    "400 digits": "9" * 400,
    "duplicate keys": '{"a": 1, "a": 2}',
    "10^5 attributes": "{" + ",".join(f'"k{n}":{n}' for n in range(10**5)) + "}",
    "10^5 items": "[" + ",".join(["{}"] * 10**5) + "]",
    "no JSON": "{]",
}
