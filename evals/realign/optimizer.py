"""Instructions that a model writes anew: critiques rewritten once, or GEPA over many steps.

Only examples of the few-shot pool are shown to the model; dev labels choose between what it wrote.
Source: Agrawal et al. 2025, arXiv 2507.19457, by the package `gepa`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from evals.evaluators.judges import as_text
from evals.evaluators.untrusted import neutralize, quote_text
from evals.models import ModelError, Unavailable, why_unavailable
from evals.realign.composition import Draft, draft_rubric
from evals.realign.labelled_answers import LabelledAnswer, select_split
from evals.realign.labelled_judge import LabelledJudge
from evals.records import Outcome
from evals.runs.model_texts import TextModel
from evals.specs import ModelPin
from evals.specs.realign import Realign

SHOWN_CHARACTERS = 2000
"""Of a field of an answer."""
MINIBATCH = 4
REWRITE = (
    "These are the instructions of a judge, which decides whether an answer passes or fails. At "
    "their end is what people wrote when they decided on such answers. Write the instructions anew "
    "so that they state these criteria clearly, each once; keep the question, the form of the "
    "answer and everything else they ask for. Answer with the instructions alone.\n\n"
)


class NoOptimizer(Exception):
    """The package of an optimizer is not installed."""


def require(settings: Realign) -> None:
    """Checks that an optimizer's package is there before anything is spent.

    Raises:
        NoOptimizer: it is not.
    """
    if settings.optimizer and importlib.util.find_spec(settings.optimizer) is None:
        raise NoOptimizer(
            "`realign.optimizer: gepa` needs the extra `andon[gepa]`: pip install 'andon[gepa]'"
        )


def list_drafts(work: LabelledJudge, settings: Realign) -> Iterator[Draft]:
    """Yields the judge with instructions that a model wrote."""
    pin = work.catalog.models[settings.model or ""]
    if why_unavailable(pin) is not None:
        return
    pool = select_split(work.answers, "pool")
    writer = Writer(work, pin)
    rubric = draft_rubric(work.judge, pool)
    text = writer.write(REWRITE + rubric.judge.system) if rubric else None
    if rubric and text:
        yield rebuild(rubric, "rewritten", text, f"{rubric.note}, rewritten by {pin.model}")
    if settings.optimizer == "gepa":
        yield from optimize(work, writer, pool)


def rebuild(draft: Draft, kind: str, system: str, note: str) -> Draft:
    """Returns a draft with other instructions."""
    judge = draft.judge.model_copy(update={"system": system})
    return draft._replace(kind=kind, judge=judge, note=note)


class Writer:
    """A pinned model that writes text; what it wrote is stored as any other paid answer."""

    def __init__(self, work: LabelledJudge, pin: ModelPin) -> None:
        self.work, self.pin = work, pin
        app = next(iter(work.incumbent.uses), "")
        name = f"{work.judge.judge}.writer"
        self.texts = TextModel(work.lake, pin, name, app, work.incumbent.night)

    def __call__(self, prompt: str | Sequence[Mapping[str, Any]]) -> str:
        """Writes text, as `gepa` asks for it; empty where nothing may be asked."""
        if not isinstance(prompt, str):
            prompt = "\n\n".join(str(message.get("content", "")) for message in prompt)
        return self.write(prompt) or ""

    def write(self, prompt: str) -> str | None:
        """Writes text for a prompt; None where no call is left, or it failed."""
        if (written := self.texts.read(prompt)) is not None:
            return written
        run = self.work.run
        if run is None or self.work.calls_left < 1:
            return None
        try:
            return self.texts.ask(run, prompt) or None
        except (ModelError, Unavailable):
            return None
        finally:
            self.work.calls_left -= 1


class Trajectory(NamedTuple):
    """What a judge made of one answer."""

    answer: LabelledAnswer
    verdict: Outcome | None


class Adapter:
    """Lets `gepa` try a judge's instructions on labelled answers."""

    propose_new_texts = None

    def __init__(self, work: LabelledJudge, batch_type: Any) -> None:
        self.work, self.batch_type = work, batch_type

    def evaluate(
        self, batch: Sequence[LabelledAnswer], candidate: Mapping[str, str],
        capture_traces: bool = False,
    ) -> Any:  # fmt: skip
        """Judges some answers with a candidate's instructions: 1 where it agrees with people."""
        judge = self.work.judge.model_copy(update={"system": candidate["system"]})
        trial = self.work.open_trial(judge)
        self.work.ask(trial, batch)
        verdicts = trial.read(batch)
        scores = [
            float(verdict is not None and verdict.passed is answer.passed)
            for answer, verdict in zip(batch, verdicts, strict=True)
        ]
        traces = [Trajectory(a, v) for a, v in zip(batch, verdicts, strict=True)]
        return self.batch_type(
            outputs=verdicts, scores=scores, trajectories=traces if capture_traces else None
        )

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], eval_batch: Any, components_to_update: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Returns what the model is shown: answers of the pool, verdicts, and people's words."""
        del candidate
        rows = [describe_trajectory(self.work.judge.reads, one) for one in eval_batch.trajectories]
        return dict.fromkeys(components_to_update, rows)


def describe_trajectory(reads: Sequence[str], one: Trajectory) -> dict[str, Any]:
    """Describes one answer for the model that writes instructions; its texts are quoted."""
    wanted = "pass" if one.answer.passed else "fail"
    given = "nothing" if one.verdict is None else "pass" if one.verdict.passed else "fail"
    words = " ".join(one.answer.critiques)
    because = f" because: {words}" if words else ""
    fields = {name: as_text(getattr(one.answer.trace, name)) for name in reads}
    return {
        "Inputs": {name: quote_text(text, SHOWN_CHARACTERS) for name, text in fields.items()},
        "Generated Outputs": neutralize(
            f"{given}. {one.verdict.explanation if one.verdict else ''}"
        ),
        "Feedback": f"People decided: {wanted}{because}",
    }


def optimize(
    work: LabelledJudge, writer: Writer, pool: Sequence[LabelledAnswer]
) -> Iterator[Draft]:
    """Yields the judge with the instructions that GEPA found, if they differ."""
    verdicts = {one.passed for one in pool}
    if len(verdicts) < 2 or len(pool) < MINIBATCH:
        return
    gepa: Any = importlib.import_module("gepa")
    adapter: Any = importlib.import_module("gepa.core.adapter")
    result = gepa.optimize(
        seed_candidate={"system": work.judge.system},
        trainset=list(pool),
        valset=work.dev,
        adapter=Adapter(work, adapter.EvaluationBatch),
        reflection_lm=writer,
        reflection_minibatch_size=MINIBATCH,
        max_metric_calls=max(1, work.calls_left - len(work.test)),
        logger=Silent(),
        display_progress_bar=False,
        seed=0,
    )
    system = str(result.best_candidate["system"]).strip()
    if system and system != work.judge.system.strip():
        judge = work.judge.model_copy(update={"system": system})
        traces = tuple(sorted(one.trace.trace_id for one in pool))
        note = f"instructions by GEPA, written by {writer.pin.model}"
        yield Draft("gepa", judge, ("system",), traces, note)


class Silent:
    """Logs nothing."""

    def log(self, message: str) -> None:
        """Drops a message."""
