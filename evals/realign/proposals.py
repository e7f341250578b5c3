"""Makes candidates for a judge from people's labels, measures them, and looks at the best once.

Promotes none. What each is made of is `composition`'s; what a look shows is `evidence`'s.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from evals.evaluators.gold import GoldAndLabels
from evals.labels.alignment import propose_threshold
from evals.realign import optimizer
from evals.realign.classifier_candidates import ClassifierTrial, list_classifiers
from evals.realign.composition import Draft, compose_drafts
from evals.realign.evidence import (
    Evidence,
    Measured,
    format_difference,
    judge_result,
    measure_pairs,
    pair_answers,
)
from evals.realign.judge_files import change_file
from evals.realign.labelled_answers import (
    LabelledAnswer,
    count_splits,
    hash_labels,
)
from evals.realign.labelled_judge import LEAST_DEV, LabelledJudge
from evals.realign.verdicts import Trial
from evals.records import Outcome, digest
from evals.reports import json_form
from evals.reports.decide.judge_labels import LOOKS
from evals.runs.runner import ScoringRun
from evals.specs import Catalog, CatalogError, Judge
from evals.specs.realign import Realign
from evals.storage.documents.judge_candidates import (
    CandidateLook,
    StoredCandidate,
    add_candidate_look,
    delete_candidate,
    list_candidates,
    read_candidate,
    read_candidate_looks,
    write_candidate,
)
from evals.storage.lake import Lake

ALPHA = 0.05
ABSENT = 0.1
"""The share of answers without a verdict up to which a candidate counts as measured."""


class Proposal(NamedTuple):
    """What became of the candidates of a judge."""

    judge: str
    candidates: Sequence[StoredCandidate]
    """Those of its present labels, the best on dev first."""
    why: str
    """What to do, or why there are none."""


def find_settings(catalog: Catalog, judge: Judge) -> Realign:
    """Returns what may be spent on a judge: its own settings, or the catalog's."""
    return judge.realign or catalog.realign


def propose_all(
    lake: Lake,
    catalog: Catalog,
    references: GoldAndLabels,
    now: datetime,
    run: ScoringRun | None = None,
) -> list[Proposal]:
    """Makes and measures candidates for every judge; promotes none."""
    found: list[Proposal] = []
    for _, judge in sorted(catalog.judges.items()):
        calls = find_most_calls(catalog, judge)
        try:
            work = LabelledJudge(lake, catalog, references, judge, now, run, calls)
            found.append(propose(work))
        except (optimizer.NoOptimizer, CatalogError) as error:
            found.append(Proposal(judge.judge, (), str(error)))
    return found


def find_most_calls(catalog: Catalog, judge: Judge) -> int:
    """Returns how many calls a run may make for a judge's candidates."""
    return find_settings(catalog, judge).max_calls


def explain_shortage(answers: Sequence[LabelledAnswer]) -> str | None:
    """Explains which labels are missing before candidates can be chosen; None: none are."""
    dev = count_splits(answers)["dev"]
    passes, failures = (max(0, LEAST_DEV - dev[name]) for name in ("passes", "failures"))
    if not passes and not failures:
        return None
    parts = [f"{passes} passes" if passes else "", f"{failures} failures" if failures else ""]
    return f"{' and '.join(filter(None, parts))} still needed in dev, a good two fifths of labels"


def propose(work: LabelledJudge) -> Proposal:
    """Makes and measures the candidates of a judge, and looks at the best on test where due."""
    name = work.judge.judge
    optimizer.require(find_settings(work.catalog, work.judge))
    if work.judge.compares:
        return Proposal(name, (), "no candidates for a judge that compares two answers")
    if short := explain_shortage(work.answers):
        return Proposal(name, (), short)
    now = work.find_judged()
    measured = [measure_draft(work, draft, now) for draft in list_drafts(work, now)]
    measured += map(functools.partial(measure_classifier, work, now), list_classifiers(work))
    ranked = sorted(measured, key=lambda one: -score_on_dev(one.evidence))  # of equals the simpler
    if ranked and is_look_due(work, ranked[0]):
        ranked[0] = look_at(work, ranked[0])
    for one in ranked:
        write_candidate(work.lake, one.stored)
    drop_old(work.lake, name, {one.stored.candidate for one in ranked})
    return Proposal(name, [one.stored for one in ranked], conclude(name, ranked))


def list_drafts(work: LabelledJudge, now: Sequence[Outcome | None]) -> Iterator[Draft]:
    """Yields what the judge might be: by its threshold, by its labels, by an optimizer."""
    threshold = choose_threshold(work.judge, work.dev, now)
    if threshold is not None and threshold != work.judge.threshold:
        judge = work.judge.model_copy(update={"threshold": threshold})
        yield Draft("threshold", judge, ("threshold",), (), f"threshold {threshold:.4g}")
    yield from compose_drafts(work.judge, work.answers)
    settings = find_settings(work.catalog, work.judge)
    if settings.model and work.run and work.calls_left:
        yield from optimizer.list_drafts(work, settings)


def choose_threshold(
    judge: Judge, dev: Sequence[LabelledAnswer], verdicts: Sequence[Outcome | None]
) -> float | None:
    """Chooses the threshold by dev labels; None for a judge without graded scores."""
    pairs = [
        (verdict.value, answer.passed)
        for answer, verdict in zip(dev, verdicts, strict=True)
        if verdict and verdict.value is not None
    ]
    if judge.mode != "logprobs" or len({passed for _, passed in pairs}) < 2:
        return None
    return float(f"{propose_threshold(pairs).threshold:.4g}")


class MeasuredDraft(NamedTuple):
    """A draft, or a classifier, with what was measured of it."""

    trial: Trial
    evidence: Evidence
    stored: StoredCandidate


def measure_draft(
    work: LabelledJudge, draft: Draft, now: Sequence[Outcome | None]
) -> MeasuredDraft:
    """Measures a draft on dev labels, where its answers are there or may be asked for."""
    trial = work.open_trial(draft.judge)
    calls, usd = work.ask(trial, work.dev)
    verdicts = trial.read(work.dev)
    threshold = choose_threshold(draft.judge, work.dev, verdicts)
    if threshold is not None and "threshold" not in draft.changed:
        judge = draft.judge.model_copy(update={"threshold": threshold})
        note = f"{draft.note}; threshold {threshold:.4g}"
        draft = draft._replace(judge=judge, changed=(*draft.changed, "threshold"), note=note)
        trial = work.open_trial(judge)
        verdicts = trial.read(work.dev)
    missing = trial.estimate(work.dev)
    measured = measure_pairs(pair_answers(work.dev, verdicts, now), ALPHA)
    whole = None if missing.calls > len(work.dev) * ABSENT else measured
    evidence = Evidence(
        before=work.before,
        labels=hash_labels(work.answers),
        splits=count_splits(work.answers),
        note=draft.note,
        result="measured on dev" if whole else "not measured",
        why=explain_dev(whole, missing.calls, missing.usd, work, trial),
        dev=whole,
        calls=calls,
        usd=round(usd, 6),
        usd_per_1000=round_usd(trial.price_per_thousand(work.dev)),
        usd_per_1000_now=round_usd(work.incumbent.price_per_thousand(work.dev)),
        calls_needed=0 if whole else missing.calls,
        usd_needed=None if whole else round_usd(missing.usd),
    )
    return store_draft(work, trial, draft, evidence)


def round_usd(usd: float | None) -> float | None:
    """Rounds dollars as they are stored."""
    return None if usd is None else round(usd, 6)


def explain_dev(
    measured: Measured | None, calls: int, usd: float | None, work: LabelledJudge, trial: Trial
) -> str:
    """Explains what dev labels show of a draft, or what it takes to measure it."""
    if measured:
        difference = format_difference(measured.difference)
        return f"{difference} against the judge there is, on the dev labels that choose"
    if not calls:
        return "the judge there is has no verdicts on enough of the dev labels"
    if not trial.can_ask():
        return f"its model is not available here; {calls:,} calls would measure it"
    if work.is_down:
        return f"its provider answers nothing now; {calls:,} calls would measure it, later"
    price = f", about ${usd:.2f}" if usd else ""
    return (
        f"{calls:,} calls{price} would measure it: allow them with `realign: {{max_calls: N}}`, or "
        f"`andon judge realign {work.judge.judge} --max-calls N`"
    )


def store_draft(
    work: LabelledJudge, trial: Trial, draft: Draft, evidence: Evidence
) -> MeasuredDraft:
    """Returns a draft as it is stored."""
    file = change_file(read_file(work), draft.judge, draft.changed)
    name = f"{draft.kind}-{digest([file, evidence.before], 8)}"
    stored = StoredCandidate(work.judge.judge, name, draft.kind, "", file, draft.traces, {})
    return keep_known(work, MeasuredDraft(trial, evidence, stored))


def measure_classifier(
    work: LabelledJudge, now: Sequence[Outcome | None], trial: ClassifierTrial
) -> MeasuredDraft:
    """Measures a classifier on the dev labels that it never learned from."""
    pairs = pair_answers(work.dev, trial.read(work.dev), now)
    least = min(sum(one.answer.passed is side for one in pairs) for side in (True, False))
    measured = measure_pairs(pairs, ALPHA) if least >= LEAST_DEV else None
    evidence = Evidence(
        before=work.before,
        labels=hash_labels(work.answers),
        splits=count_splits(trial.select(work.answers)),
        note=trial.describe(),
        result="measured on dev" if measured else "not measured",
        why=explain_dev(measured, 0, None, work, trial)
        if measured
        else f"{LEAST_DEV - least} more dev labels of the rarer verdict are needed among the two "
        "in five answers that it never learns from",
        dev=measured,
        usd_per_1000=0.0,
        usd_per_1000_now=round_usd(work.incumbent.price_per_thousand(work.dev)),
        ms_per_answer=trial.ms_per_answer,
    )
    name = f"classifier-{digest([trial.spec.classifier, trial.model, evidence.before], 8)}"
    stored = StoredCandidate(
        work.judge.judge, name, "classifier", "", trial.file, (), {},
        trial.spec.classifier, trial.model,
    )  # fmt: skip
    return keep_known(work, MeasuredDraft(trial, evidence, stored))


def keep_known(work: LabelledJudge, one: MeasuredDraft) -> MeasuredDraft:
    """Returns a candidate with the time at which it was first made, and an earlier look at it."""
    known = read_candidate(work.lake, work.judge.judge, one.stored.candidate)
    made = known.made if known else work.now.isoformat(timespec="seconds")
    evidence = one.evidence
    if known:
        evidence = carry_look(json_form.from_json(Evidence, known.evidence), evidence)
    return add_evidence(one._replace(stored=one.stored._replace(made=made)), evidence)


def read_file(work: LabelledJudge) -> str:
    """Reads the judge's file.

    Raises:
        CatalogError: no file has its name.
    """
    path = work.catalog.root / "judges" / f"{work.judge.judge}.yaml"
    if not path.is_file():
        raise CatalogError(f"{path} does not exist; name the file after its judge")
    return path.read_text("utf-8")


def carry_look(before: Evidence, evidence: Evidence) -> Evidence:
    """Returns evidence with an earlier look at the same candidate."""
    if before.test is None:
        return evidence
    return replace(
        evidence, test=before.test, look=before.look, result=before.result, why=before.why
    )


def add_evidence(one: MeasuredDraft, evidence: Evidence) -> MeasuredDraft:
    """Returns a candidate whose document has its evidence."""
    row = json_form.to_json(evidence)
    assert isinstance(row, dict)  # noqa: S101  a record
    return one._replace(evidence=evidence, stored=one.stored._replace(evidence=row))


def score_on_dev(evidence: Evidence) -> float:
    """Returns the gain on dev by which candidates are ranked; -2 of one that was not measured.

    A gain compares candidates that were measured on different answers: each has its own incumbent's
    figures.
    """
    return evidence.dev.difference.value if evidence.dev else -2.0


def find_level(answers: Iterable[LabelledAnswer]) -> int:
    """Finds the look that the test labels suffice for; 0: none."""
    test = count_splits(answers)["test"]
    return max((at for at in LOOKS if at <= min(test.values())), default=0)


def is_look_due(work: LabelledJudge, one: MeasuredDraft) -> bool:
    """Whether a candidate is looked at on test: better on dev, and the number of labels is due."""
    evidence = one.evidence
    if evidence.dev is None or evidence.dev.difference.value <= 0 or evidence.test is not None:
        return False
    level = find_level(one.trial.select(work.answers))
    looks = read_candidate_looks(work.lake, work.judge.judge)
    return level > max((one.at for one in looks if one.before == work.before), default=0)


def look_at(work: LabelledJudge, one: MeasuredDraft) -> MeasuredDraft:
    """Looks at a candidate on the test labels, and counts the look.

    Its interval is at .05 divided by the number of looks so far: the best of many candidates would
    seem better by chance.
    """
    trial, looks = one.trial, read_candidate_looks(work.lake, work.judge.judge)
    answers = trial.select(work.test)
    calls, usd = work.ask(trial, answers)
    number = len(looks) + 1
    alpha = ALPHA / number
    pairs = pair_answers(answers, trial.read(answers), work.incumbent.read(answers))
    measured = measure_pairs(pairs, alpha)
    if measured is None or len(pairs) < (1 - ABSENT) * len(answers):
        needed = trial.estimate(answers)
        why = f"better on dev; {needed.calls:,} more calls would show it on the test labels"
        kept = replace(one.evidence, why=why, calls_needed=needed.calls, usd_needed=needed.usd)
        return add_evidence(one, kept)
    found, name = measured.difference, work.judge.judge
    figures = (found.value, found.low, found.high)
    seen = work.now.date().isoformat()
    level = find_level(trial.select(work.answers))
    add_candidate_look(
        work.lake,
        CandidateLook(name, one.stored.candidate, work.before, level, seen, alpha, *figures),
    )
    evidence = replace(
        one.evidence, test=measured, look=number, result=judge_result(found),
        why=explain_look(name, one.stored.candidate, measured),
        calls=one.evidence.calls + calls, usd=round(one.evidence.usd + usd, 6),
    )  # fmt: skip
    return add_evidence(one, evidence)


def explain_look(judge: str, candidate: str, measured: Measured) -> str:
    """Explains what the test labels show of a candidate."""
    difference = measured.difference
    shown = f"{format_difference(difference)} on {measured.candidate.n:,} test labels"
    match judge_result(difference):
        case "better":
            return f"better by {shown}: `andon judge promote {judge} {candidate}`"
        case "worse":
            return f"worse by {shown}: leave the judge as it is"
        case _:
            return f"no difference beyond chance, {shown}: leave it, or label more"


def drop_old(lake: Lake, judge: str, kept: set[str]) -> None:
    """Deletes candidates of earlier labels that nobody looked at."""
    looked = {look.candidate for look in read_candidate_looks(lake, judge)}
    for one in list_candidates(lake, judge):
        if one.candidate not in kept and one.candidate not in looked:
            delete_candidate(lake, judge, one.candidate)


def conclude(judge: str, ranked: Sequence[MeasuredDraft]) -> str:
    """Concludes what a person may do."""
    if not ranked:
        return "no candidate can be made: label answers of both verdicts, and write down why"
    best = ranked[0].evidence
    if best.dev is None:
        return f"{len(ranked)} candidates, none measured: {best.why}"
    if best.test is not None:
        return best.why
    if best.dev.difference.value <= 0:
        return "no candidate is better on dev: leave the judge as it is"
    return f"{ranked[0].stored.candidate} is the best on dev: {best.why}; {explain_wait(best)}"


def explain_wait(evidence: Evidence) -> str:
    """Explains why the test labels were not looked at."""
    rarer = min(evidence.splits["test"].values())
    if rarer < LOOKS[0]:
        return f"{LOOKS[0] - rarer} more test labels of the rarer verdict until they are looked at"
    return "the test labels were looked at already: the next look is at more of them"
