"""The languages that can be detected, by code and by name.

Detecting one is a text check: see `text_checks`.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import cast

CODES = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb"
    " co cs cv cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv"
    " he hi hif hr hsb ht hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la"
    " lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne"
    " new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si"
    " sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu"
    " xal xmf yi yo yue zh"
)
"""Codes of fastText's language identification (lid.176)."""
DETECTED = frozenset(CODES.split())
SAME = {"nb": "no", "fil": "tl", "arb": "ar", "cmn": "zh"}
"""Codes that the detector has under another one."""


def read_language(text: str) -> str:
    """Returns the detector's code of a language: `en` for `EN`, `en-US`, `eng` and `English`.

    Raises:
        ValueError: no such language can be detected; the message names those most like it.
    """
    name = " ".join(text.split()).casefold()
    code = name.replace("_", "-").split("-")[0]
    code = list_aliases().get(code, code)
    code = SAME.get(code, code)
    if code in DETECTED:
        return code
    names = list_names()
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "expected a code such as `en`"
    raise ValueError(f"no language {text!r} can be detected; {hint}")


def list_aliases() -> Mapping[str, str]:
    """Returns codes of three letters, and former ones, with those in use."""
    from babel.core import get_global

    return cast("Mapping[str, str]", get_global("language_aliases"))


@functools.cache
def list_names() -> dict[str, str]:
    """Returns the names of the languages, in English and in each itself, with their codes."""
    english = name_languages("en")
    names = {english[code].casefold(): code for code in sorted(DETECTED & english.keys())}
    for code in sorted(DETECTED):
        own = name_languages(code).get(code)
        if own:
            names.setdefault(own.casefold(), code)
    return names


def name_languages(code: str) -> Mapping[str, str]:
    """Returns the names of languages in one of them, by code; empty where they are not known."""
    from babel import Locale, UnknownLocaleError

    try:
        return cast("Mapping[str, str]", Locale(code).languages)  # pyright: ignore[reportUnknownMemberType]  # untyped
    except UnknownLocaleError:
        return {}
