"""What models and servers write around an answer: drafts, stock phrases, fences, turn marks.

Searches no verdict inside prose: a judge that quotes a trace may quote a verdict with it. Marks of
turns and the end of a draft cannot come from a quoted trace: `untrusted` neutralizes them there.
"""

from __future__ import annotations

import re

MARK = r"<\|[^<>|\n]{1,40}\|>|<｜[^<>｜\n]{1,40}｜>|</?s>|<(?:bos|eos|start_of_turn|end_of_turn)>"
MARKS = re.compile(f"(?:(?:{MARK})\\s*)+(?:assistant\\b\\s*(?:{MARK})?\\s*)?")
"""Marks at the start of an answer, where a server shows those of the model's chat template."""
LAST_MARK = re.compile(MARK)
FINAL_CHANNEL = re.compile(
    r"<\|channel\|>final[^<]{0,40}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
)
"""Where the answer begins in the channels of gpt-oss."""

DRAFT = re.compile(
    r"<(think|thinking|reasoning|thought)>.*?</\1>|\[THINK\].*?\[/THINK\]", re.DOTALL
)
DRAFT_END = "</think>"
"""Ends a draft also where the chat template, and so not the answer, has its beginning."""

LEAD = re.compile(
    r"(sure|okay|certainly|of course)?[,.!]?\s*"
    r"(here(?:'s| is) (?:the|my) (?:json|answer|verdict|result|evaluation)(?: object)?"
    r"|(?:final )?(?:answer|verdict|json|result))?\s*:\s*(?=[{`])",
    re.IGNORECASE,
)
FENCE = "```"
FENCED = re.compile(r"```[ \t]*(?:json[5c]?\b)?", re.IGNORECASE)
TOOL_CALL = ("<tool_call>", "</tool_call>")


def strip_wrapping(answer: str) -> str:
    """Removes what surrounds the answer itself."""
    text = strip_draft(strip_marks(answer.strip().strip("\ufeff")))
    lead = LEAD.match(text)
    text = text[lead.end() :] if lead else text
    fence = FENCED.match(text)
    if fence:  # a server that stops at the closing fence leaves it out
        text = text[fence.end() :].removesuffix(FENCE)
    opening, closing = TOOL_CALL
    return text.strip().removeprefix(opening).removesuffix(closing).strip()


def strip_marks(text: str) -> str:
    """Removes the marks of turns at both ends, and the channels before the final one."""
    while text.endswith(">"):
        start = text.rfind("<")
        if start < 0 or not LAST_MARK.fullmatch(text, start):
            break
        text = text[:start].rstrip()
    finals = list(FINAL_CHANNEL.finditer(text))
    if len(finals) == 1:
        return text[finals[0].end() :].strip()
    marks = MARKS.match(text)
    return text[marks.end() :] if marks else text


def strip_draft(text: str) -> str:
    """Removes the model's reasoning before its answer."""
    draft = DRAFT.match(text)
    if draft:
        return text[draft.end() :].strip()
    before, _, after = text.partition(DRAFT_END)
    return after.strip() if after and "<think>" not in before else text
