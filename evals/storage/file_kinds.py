"""The kinds of files in a home: which can be made again, and what the loss of the others means.

What is in a file is defined by the module that reads it; `damage` treats a damaged one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NIGHTLY = "run `andon nightly`, which makes it again"
BACKUP = "restore it from a backup"


class FileKind(NamedTuple):
    """What the loss of a file means."""

    pattern: str
    """A regular expression over names in the home."""
    loss: str
    remedy: str
    is_cache: bool = False
    """Whether whoever reads it can do without it: it is set aside at once and made again."""
    is_derived: bool = False
    """Whether a nightly run can make it again from other files."""


def declare_cache(pattern: str, loss: str = "nothing is lost") -> FileKind:
    """Declares a file that its readers can do without."""
    return FileKind(pattern, loss, "it is made again", is_cache=True, is_derived=True)


def declare_derived(pattern: str, loss: str = "nothing is lost") -> FileKind:
    """Declares a file that a nightly run makes again from others."""
    return FileKind(pattern, loss, NIGHTLY, is_derived=True)


KINDS = (
    declare_cache(r"catalog_checks\.json"),
    declare_cache(r"contents\.json"),
    declare_cache(r"missing_nights\.json"),
    declare_cache(r"failed_sources\.json"),
    declare_cache(r"incident_names\.json"),
    declare_cache(r"model_lists\.json"),
    declare_cache(r"emptied\.json"),
    declare_cache(r"answer_files\.json", "a file of answers lost before goes unnoticed"),
    declare_cache(r"redacted_kinds\.json"),
    declare_cache(r"due_analyses\.json"),
    declare_cache(r"quarantine/inbox_stamps\.json"),
    declare_cache(r"pulls/remote_stamps\.json", "objects are fetched again, each read once"),
    declare_cache(r"pulls/.*\.seen\.json", "rows that land twice are counted as duplicates"),
    declare_cache(r"pulls/[^/]*\.json", "the source is pulled from its beginning again"),
    declare_cache(r"dagster/board\.json"),
    declare_cache(r"candidates/.*\.json"),
    declare_cache(
        r"alignment_looks\.json", "when judges were looked at on their test labels is forgotten"
    ),
    declare_cache(r"review_drafts/.*\.json", "notes that were being written must be written again"),
    declare_derived(r"judge_candidates/.*\.json"),
    FileKind(
        r"candidate_looks\.json",
        "how often the test labels were looked at for candidates of judges is unknown",
        f"{BACKUP}, or delete it: intervals of later candidates are then too narrow",
    ),
    declare_cache(r"ids/.*\.npy"),
    declare_cache(r"asking\.sqlite", "what runs of today have spent is counted from their answers"),
    declare_cache(r"dagster/.*", "Dagster's pages no longer list earlier runs"),
    declare_cache(r"warehouse\.duckdb"),
    declare_cache(r"data_docs/.*"),
    declare_cache(r"reports/index\.html"),
    declare_derived(r"nights/.*\.json"),
    declare_derived(r"inbox_files\.json"),
    declare_derived(r"label_batches\.json"),
    declare_derived(r"label_arrivals\.json"),
    declare_derived(r"sessions/.*\.json"),
    declare_derived(r"left/.*\.json"),
    declare_derived(r"review/.*\.json"),
    declare_derived(
        r"(traces|requests|scores|labels_mapped|coverage|canaries|noise|anchors|verdicts|quarantine/date=[^/]*|marts)/.*\.parquet"
    ),
    FileKind(
        r"evaluators/.*\.json",
        "the nights locked to this version of an evaluator cannot be evaluated again",
        f"{BACKUP}, or move them to the catalog's version with `andon backfill`",
    ),
    FileKind(
        r"classifiers/.*\.json",
        "the nights that one model of a classifier judged cannot be judged by it again",
        f"{BACKUP}, or delete it and train the classifier again: the same labels give the same",
    ),
    FileKind(
        r"incident_decisions\.json",
        "incidents that people accepted are open again",
        f"{BACKUP}, or delete it and decide again with `andon incident`",
    ),
    FileKind(
        r"digests/.*\.json",
        "which nights of one application were announced is unknown, and no more are",
        f"{BACKUP}, or delete it: its last night is then announced again",
    ),
    FileKind(
        r"blessed_baselines\.json",
        "nights are no longer compared with the reports that people blessed",
        f"{BACKUP}, or delete it and bless them again with `andon baseline`",
    ),
    FileKind(
        r"topic_models/.*\.json",
        "no night of its application can be assigned the topics that it had",
        f"{BACKUP}, or delete all files of that application in the folder to have new topics made",
    ),
    FileKind(
        r"staged/.*\.parquet",
        "the traces read from one export for this night are lost where the export is gone",
        f"{BACKUP}, or put the export back into the inbox and run `andon nightly`",
    ),
    FileKind(
        r"quarantine/files/.*\.parquet",
        "the refused rows of one export cannot be counted or replayed",
        f"{BACKUP}, or put the export back into the inbox and run `andon nightly`",
    ),
    FileKind(
        r"answers/.*\.parquet",
        "a night's paid answers of one judge are lost",
        f"{BACKUP}, or delete it to have them asked and paid again",
    ),
    FileKind(
        r"journal/.*\.jsonl",
        "answers of an interrupted run are lost",
        f"{BACKUP}, or delete it to have them asked and paid again",
    ),
    FileKind(
        r"labels/reviewed/.*\.jsonl",
        "labels that people gave on one day are lost",
        f"{BACKUP}, or delete the damaged lines, which loses only their labels",
    ),
    FileKind(
        r"(labels|gold)/.*\.jsonl",
        "the labels of one file are lost",
        f"{BACKUP}, or delete it and import the file with `andon labels import`",
    ),
    FileKind(
        r"analysis/notes/.*\.jsonl",
        "the open notes on one application's traces are lost",
        f"{BACKUP}, or delete it and read its traces again with `andon analysis start`",
    ),
    FileKind(
        r"analysis/modes/.*\.json",
        "the failure modes of one application and what was decided on them are lost",
        f"{BACKUP}, or delete it and group the notes again with `andon analysis group`",
    ),
    FileKind(
        r"analysis/reading/.*\.json",
        "which traces of one application were to be read is unknown",
        f"{BACKUP}, or delete it and begin again with `andon analysis start`",
    ),
    FileKind(
        r"batches/.*",
        "the answers of one batch cannot be collected",
        f"{BACKUP}, or delete it to have its questions asked and paid again",
    ),
    FileKind(
        r"reports/.*/report\.json",
        "one version of a report is lost",
        f"{BACKUP}; the current version of a night is written again by `andon nightly`",
    ),
    FileKind(r"reports/.*/run\.json", "when and by which run a report was written", BACKUP),
    declare_cache(r"reports/.*\.(html|md)", "the page of one report"),
    FileKind(
        r"model_servers\.json",
        "which of two servers with one model name gave the stored answers is unknown",
        f"{BACKUP}, or delete it if each model name was only ever served by one",
    ),
    FileKind(
        r"forgotten(\.copy)?\.json",
        "who was forgotten is unknown, and nothing may be imported until it is there again",
        f"{BACKUP}, or delete it and repeat each `andon forget`",
    ),
    FileKind(
        r"user_key\.json",
        "whether the key for user ids is the one the home began with is unknown",
        f"{BACKUP}, or delete it if `user_key` and ANDON_USER_KEY were never changed",
    ),
    FileKind(
        r"user_key",
        "user ids get other hashes than before",
        BACKUP,
    ),
    FileKind(
        r"schema\.json",
        "the version of the home's layout is unknown",
        f'{BACKUP}, or write {{"schema_version": 2}} into it if this Andon wrote the home last',
    ),
    FileKind(
        r"quarantine/forgetting/.*",
        "one erasure is not finished",
        "delete it and request it again with `andon forget`",
    ),
)
"""The first that matches a name applies."""

OTHER = FileKind(r".*", "what was in it is lost", BACKUP)


def find_kind(name: str) -> FileKind:
    """Returns the kind of a file by its name in the home."""
    return next((kind for kind in KINDS if re.fullmatch(kind.pattern, name)), OTHER)
