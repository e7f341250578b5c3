"""Labels in exports of systems that log spans: feedback and scores, by who gave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evals.records import Label, NonAnswer, Trace
from tests.evals.traces import span_logs
from tests.evals.traces.test_span_logs import EXCHANGE, read, write


def find_labels(items: list[Any]) -> set[tuple[Any, ...]]:
    """Returns the dimension, verdict, annotator, kind and note of each label."""
    return {
        (i.dimension, i.verdict, i.annotator, i.annotator_kind, i.critique)
        for i in items
        if isinstance(i, Label)
    }


def test_mlflow_s_feedback_becomes_labels(tmp_path: Path) -> None:
    """A failed one is an error; one that was replaced is none, nor is an expectation."""
    row = span_logs.mlflow_trace(EXCHANGE)

    def assess(name: str, value: Any, kind: str, who: str, **more: Any) -> dict[str, Any]:
        source = {"source_type": kind, "source_id": who}
        return {"assessment_name": name, "source": source, "feedback": {"value": value}, **more}

    row["info"]["assessments"] = [
        assess("right", True, "HUMAN", "ann", rationale="It is."),
        assess("right", False, "HUMAN", "ann", valid=False),
        assess("tone", 1.0, "LLM_JUDGE", "gpt-5"),
        assess("length", "short", "CODE", ""),
        {"assessment_name": "broken", "feedback": {"error": {"error_code": "X"}}},
        {"assessment_name": "answer", "expectation": {"value": "In Bonn."}},
    ]
    items = read(write(tmp_path / "rows.jsonl", [row]))
    assert find_labels(items) == {
        ("right", True, "ann", "human", "It is."),
        ("tone", 1, "gpt-5", "judge", ""),
        ("length", "short", "mlflow-length", "rule", ""),
        ("broken", None, "mlflow-broken", "rule", ""),
    }
    (trace,) = (item for item in items if isinstance(item, Trace))
    assert trace.metadata["expectations"] == {"answer": "In Bonn."}


def test_opik_s_scores_become_labels_by_author(tmp_path: Path) -> None:
    """A category is its word; a score without authors is its source's."""
    rows = span_logs.opik_rows(EXCHANGE)
    rows[0]["feedback_scores"] = [
        {"name": "right", "value": 1.0, "source": "ui", "reason": "Yes.", "created_by": "ann"},
        {"name": "topic", "value": 2.0, "category_name": "billing", "source": "online_scoring"},
        {
            "name": "tone",
            "value": 0.5,
            "source": "ui",
            "value_by_author": {
                "ann": {"value": 1.0, "source": "ui"},
                "bob": {"value": 0.0, "source": "ui", "reason": "Rude."},
            },
        },
        {"name": "length", "value": 14, "source": "sdk"},
    ]
    assert find_labels(read(write(tmp_path / "rows.jsonl", rows))) == {
        ("right", 1, "ann", "human", "Yes."),
        ("topic", "billing", "opik-online_scoring", "judge", ""),
        ("tone", 1, "ann", "human", ""),
        ("tone", 0, "bob", "human", "Rude."),
        ("length", 14, "opik-sdk", "rule", ""),
    }


def test_weave_s_feedback_becomes_labels(tmp_path: Path) -> None:
    """Annotations, reactions and notes are a person's; a scorer's result is a judge's."""
    rows = span_logs.weave_calls(EXCHANGE)
    rows[0]["summary"]["weave"]["feedback"] = [
        {"feedback_type": "wandb.annotation.right", "payload": {"value": True}, "creator": "ann"},
        {"feedback_type": "wandb.reaction.1", "payload": {"emoji": "👍"}, "wb_user_id": "bob"},
        {"feedback_type": "wandb.runnable.tone", "payload": {"output": {"passed": False}}},
        {
            "feedback_type": "wandb.runnable.facts",
            "payload": {"output": {"made_up": 2, "why": "x"}},
        },
        {"feedback_type": "wandb.note.1", "payload": {"note": "Late."}, "creator": "ann"},
    ]
    assert find_labels(read(write(tmp_path / "rows.jsonl", rows))) == {
        ("right", True, "ann", "human", ""),
        ("reaction", "👍", "bob", "human", ""),
        ("tone", False, "weave-tone", "judge", ""),
        ("facts.made_up", 2, "weave-facts", "judge", ""),
        ("note", "Late.", "ann", "human", ""),
    }


def test_braintrust_s_scores_become_labels(tmp_path: Path) -> None:
    """Scores of any span are the trace's; one given on Braintrust's pages is a person's."""
    rows = span_logs.braintrust_rows(EXCHANGE)
    rows[0]["scores"] = {"right": 1, "tone": 0.5, "later": None}
    rows[0]["audit_data"] = [
        {
            "source": "app",
            "audit_data": {"action": "merge", "path": ["scores", "right"], "to": 1},
            "metadata": {"email": "ann@example.com"},
        }
    ]
    rows[1]["scores"] = {"length": 1}
    rows[1]["span_attributes"]["purpose"] = "scorer"
    assert find_labels(read(write(tmp_path / "rows.jsonl", rows))) == {
        ("right", 1, "ann@example.com", "human", ""),
        ("tone", 0.5, "braintrust-tone", "rule", ""),
        ("length", 1, "braintrust-length", "judge", ""),
    }


def test_scores_that_are_no_label_are_counted(tmp_path: Path) -> None:
    """One without a name, or a person's without a verdict, is an entry of its own kind."""
    mlflow, opik = span_logs.mlflow_trace(EXCHANGE), span_logs.opik_rows(EXCHANGE)
    weave = span_logs.weave_calls(EXCHANGE)[:1]
    person = {"source_type": "HUMAN", "source_id": "ann"}
    mlflow["info"]["assessments"] = [
        {"assessment_name": "", "source": person, "feedback": {"value": True}},
        {"assessment_name": "right", "source": person, "feedback": {"rationale": "?"}},
    ]
    opik[0]["feedback_scores"] = [
        {"name": "", "value": 1.0, "source": "ui", "created_by": "ann"},
        {"name": "right", "value": None, "source": "ui", "created_by": "ann"},
    ]
    weave[0]["summary"]["weave"]["feedback"] = [
        {"feedback_type": "wandb.annotation.right", "payload": {}, "creator": "ann"},
        {"feedback_type": "wandb.runnable.facts", "payload": {"output": {"why": "x"}}},
    ]
    for rows in ([mlflow], opik, weave):
        items = read(write(tmp_path / "rows.jsonl", rows))
        assert not find_labels(items)
        kinds = [item.kind for item in items if isinstance(item, NonAnswer)]
        assert kinds == ["score without a name or a verdict"] * 2
        assert any(isinstance(item, Trace) for item in items)
