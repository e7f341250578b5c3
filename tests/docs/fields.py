"""The page of the canonical fields: what a row may have, and what uses it.

Types come from the record and from how values are converted.
"""

from __future__ import annotations

from evals.specs.mappings import KEYED, MAPPED, SPAN_FIELDS
from evals.traces.rows.fields import CONVERT, REQUIRED
from evals.traces.rows.mapping import SYNONYMS
from evals.traces.rows.statuses import STATUSES

KINDS = {
    "to_trace_id": "text, at most 256 characters",
    "to_app_name": "a name: letters, digits, `.`, `-`, `_`",
    "to_prose": "text; anything else is stored as JSON",
    "to_list": "list",
    "to_object": "object",
    "to_text_object": "object of texts",
    "to_texts": "list of texts, or a text with commas",
    "to_count": "whole number",
    "to_number": "number",
    "to_identifier": "text or number",
}
"""What the conversion of a field accepts."""
OWN_KINDS = {
    "ts": "a time: ISO 8601, or the mapping's `format` and `zone`",
    "status": f"{', '.join(f'`{status}`' for status in STATUSES)}, or an HTTP code",
}
UNITS = {
    "latency_ms": "milliseconds", "cost_usd": "US dollars", "tokens_in": "tokens",
    "tokens_out": "tokens",
}  # fmt: skip
USES = {
    "trace_id": "names the request; a later file with the same id corrects it",
    "ts": "when the request began: its night, and the order of a session's turns",
    "app": "the application whose suite, gate and budget apply",
    "input": "the question: judges, gold sets, slices by keyword; missing, it is the last message "
    "of the user",
    "output": "the answer that is evaluated",
    "session_id": "turns of a conversation; a session belongs to the night of its first turn, "
    "with the turns of the next 24 hours",
    "user_id": "hashed at once; erasure, and counts of users",
    "messages": "the chat as it was sent: judges that read it, and the prompt version where none "
    "is given",
    "context": "the passages the answer should rest on: `numbers_in_source`, judges",
    "steps": "tool calls, retrievals and model calls: judges that read them, cost by step",
    "model_requested": "whether the model is pinned; a cause of a change",
    "model": "the model that answered: a slice, a cause of a change",
    "provider": "who served the model",
    "params": "temperature and other parameters of the call: a cause of a change",
    "prompt_name": "which prompt was used",
    "prompt_version": "a cause of a change, a slice; inferred from the system message if absent",
    "prompt_hash": "the hash of the prompt's template, where no version is given",
    "git_commit": "the application's commit: a cause of a change",
    "versions": "retriever, index, tools, flags: each a cause of a change",
    "finish_reason": "why the answer ended: cut-off answers",
    "status": "how the request ended: the dimension `answered`; without it, by the output, an "
    "`error` and the finish reason",
    "tokens_in": "figures of use, and the estimate of what judging costs",
    "tokens_out": "figures of use",
    "latency_ms": "figures of use, guardrails' limits",
    "cost_usd": "figures of use",
    "feedback": "what users said, kept with the trace",
    "tags": "slices",
    "metadata": "everything else: slices by any key",
}
"""What uses each field; a test fails where one is missing."""
SPAN_USES = {
    "span_id": "the row's own id: by it late rows are merged",
    "parent_id": "the row it belongs to; empty in the root",
    "name": "what a step is called",
    "kind": "`llm`, `tool`, `retriever`, `agent`, `chain`, …",
    "ended": "when it ended: its latency",
    "error": "why it failed",
}
HEAD = """# The fields of a trace

MADE
What a row may have, under these names or by a \
[mapping](exporters.md#anything-else-jsonl-json-csv-parquet). A row needs `trace_id`, `ts` and \
`app`; `app` may be the catalog's only application, `--assume-app` or a constant of a mapping, and \
`ts` `--assume-date`. Any other field is optional: it is null where a row lacks it or where its \
value cannot be read, which is counted and shown. Keys of no field go to `metadata`.

| field | value | unit | needed | also read from | what uses it |
|---|---|---|---|---|---|
"""
SPANS = """
Rows that are spans of one trace, under `group_by`, may also have:

| field | what uses it |
|---|---|
"""


def fields_page(made: str) -> str:
    """Every field as a row of a table."""
    synonyms: dict[str, list[str]] = {}
    for synonym, field in SYNONYMS.items():
        synonyms.setdefault(field, []).append(f"`{synonym}`")
    lines: list[str] = []
    for field in MAPPED:
        kind = OWN_KINDS.get(field) or KINDS[getattr(CONVERT[field], "__name__", "")]
        needed = "yes" if field in (*REQUIRED, "ts") else ""
        name = f"`{field}`, `{field}.NAME`" if field in KEYED else f"`{field}`"
        also = ", ".join(synonyms.get(field, []))
        cells = (name, kind, UNITS.get(field, ""), needed, also, USES[field])
        lines.append(f"| {' | '.join(cells)} |")
    spans = [f"| `{field}` | {SPAN_USES[field]} |" for field in SPAN_FIELDS]
    return (
        HEAD.replace("MADE\n", f"{made}\n")
        + "\n".join(lines)
        + "\n"
        + SPANS
        + "\n".join(spans)
        + "\n"
    )
