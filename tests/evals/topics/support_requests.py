"""Requests to a shop's support, made of templates: what topics are found in."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from evals.records import Trace

THINGS = ["kettle", "lamp", "backpack", "jacket", "helmet", "toaster", "mat", "tent", "bottle"]
CITIES = ["Porto", "Berlin", "Oslo", "Leeds", "Lyon", "Turin"]
GREETINGS = ("", "hello ", "hi there, ")
FOREIGN = (
    ["الحذاء", "الكتاب", "القميص", "المصباح", "الحقيبة", "شكرا", "بسرعة", "اليوم", "غدا"],
    ["靴", "傘", "鞄", "時計", "机", "椅子", "帽子", "財布"],
)
"""Things of requests that are not in English."""
TEMPLATES: Mapping[str, Sequence[str]] = {
    "refund": (
        "I want a refund for my {thing}",
        "my refund has not arrived yet",
        "when will the refund for order {number} be paid",
        "please refund the {thing}, it is broken",
        "refund status of my {thing}?",
    ),
    "parcel": (
        "where is my parcel",
        "track parcel {number} to {city}",
        "when does my parcel arrive in {city}",
        "the parcel with the {thing} is late",
        "the courier lost my parcel",
    ),
    "password": (
        "I forgot my password",
        "how can I reset the password of account {number}",
        "the password reset link does not work",
        "login to my account fails with the new password",
    ),
}
LATER = {
    "tariff": (
        "what does the winter tariff cost in {city}",
        "switch me to the winter tariff in {city} with a {thing}",
        "is the winter tariff cheaper with a {thing}",
        "the winter tariff is missing on the bill of my {thing} in {city}",
    )
}
JAPANESE = {
    "返金": ("{thing}と{other}の返金はいつ届きますか", "{thing}と{other}の返金をお願いします"),
    "配送": ("{thing}と{other}の配送が遅れています", "{thing}と{other}の配送状況を知りたい"),
    "鍵": ("{thing}と{other}のパスワードを忘れました", "{thing}と{other}のパスワードの変更"),
}
ARABIC = {
    "استرداد": ("متى يصل استرداد المبلغ {thing} {other}", "أريد استرداد المبلغ {thing} {other}"),
    "الشحنة": ("تأخر توصيل الشحنة {thing} {other}", "لم تصل الشحنة بعد توصيل {thing} {other}"),
    "المرور": ("نسيت كلمة المرور {thing} {other}", "كيف أغير كلمة المرور {thing} {other}"),
}


def make_texts(
    count: int, seed: int = 0, templates: Mapping[str, Sequence[str]] = TEMPLATES
) -> list[tuple[str, str]]:
    """Makes requests, each with what it is about; greeted and about things in English only."""
    draw = random.Random(seed)
    made: list[tuple[str, str]] = []
    for _ in range(count):
        about = draw.choice(sorted(templates))
        things = THINGS if about.isascii() else FOREIGN[about[0] > "\u3000"]
        text = draw.choice(templates[about]).format(
            thing=draw.choice(things),
            other=draw.choice(things),
            city=draw.choice(CITIES),
            number=draw.randint(100, 999),
        )
        greeting = draw.choice(GREETINGS) if about.isascii() else ""
        made.append((about, greeting + text))
    return made


def make_traces(night: date, texts: Sequence[str], app: str = "support") -> list[Trace]:
    """Makes the traces of a night, each of a user and a session of its own."""
    begin = datetime(night.year, night.month, night.day, 8, tzinfo=UTC)
    return [
        Trace(
            trace_id=f"{night}-{number}",
            ts=begin + timedelta(seconds=number),
            app=app,
            input=text,
            output="Done.",
            user_id=f"user-{night}-{number}",
        )
        for number, text in enumerate(texts)
    ]
