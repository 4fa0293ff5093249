"""docs/trust.md: what users can rely on, how each promise is shown, and what came of it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from tests.trust.outcome import Outcome


@dataclass(frozen=True)
class Promise:
    """What users can rely on, and the module of the trials that show it; None where nothing does yet."""

    text: str
    shown_by: str
    module: str | None = None


PROMISES = (
    Promise(
        "An acknowledged document is never lost, and none is ever half there.",
        "A process adds, replaces and removes documents, compacts the store and forgets collections; it is "
        "killed with `kill -9` at any moment, also while an index is published. Then every row of documents, "
        "pages, pictures, chunks and vectors is compared, byte for byte, with what was sent. What was "
        "acknowledged must be there, the step in flight wholly or not at all. The index must answer as the "
        "rows, searched one by one, say.",
        "kills",
    ),
    Promise(
        "Indexes are disposable: whatever happens to their files, no answer is wrong.",
        "Each kind of file of an index folder (manifest, ids, vectors, Tantivy's files, locks) gets bits "
        "flipped, blocks overwritten or zeroed, is cut, emptied, prolonged, swapped with another, deleted, "
        "replaced by a folder or a link. A process of its own then opens the folder and must neither end nor "
        "answer otherwise than the sound index; a second one must find the index whole again.",
        "damage",
    ),
    Promise(
        "The answer cache is disposable: a row that was not written by us runs nothing and answers nothing.",
        "Rows of the cache's file get bits flipped, are cut, swapped, replaced by noise, by pickled code, by "
        "the name of another file. Each must be a miss, no code may run and no file go. A trial is a row.",
        "cached",
    ),
    Promise(
        "However many ask the same thing at once, it is worked out once, even if who began dies.",
        "A thousand threads at a time ask one question of the engine while the first one's work runs out of "
        "memory, or while another process that works on it is killed with `kill -9`. One generation may be "
        "completed, and all must get its answer. A trial is a question.",
        "stampede",
    ),
    Promise(
        "An answer about one picture is never given for another, and is for a copy of it.",
        "Charts that differ in one pixel row of one bar, or one grey level of its colour, must have other "
        "cache keys; a copy that was saved anew without loss as PNG, BMP, TIFF or WebP the same one. A trial "
        "is a pair and a copy.",
        "pictures",
    ),
    Promise(
        "A full disk loses nothing, says so in one sentence, and what is indexed goes on answering.",
        "Store, indexes and cache lie on one small disk. At each level it has a little more room left; "
        "documents are added until it is full, then removed and compacted while it is, then room is made. "
        "All rows and searches are compared at each stage.",
        "full_disk",
    ),
    Promise(
        "A question is answered from its own collections' live chunks only.",
        "A Hypothesis state machine takes random steps over three collections on one data folder that two "
        "stores and two retrievers share: add, replace, remove, forget a collection and use its name again, "
        "ask by words, by meaning and by both, through the answer cache, compact, close and open, lose the "
        "index folder. After every step exactly the live chunks must be found. A trial is a step.",
        "collections",
    ),
    Promise(
        "Deletion is provable: no byte of a removed document is left after compaction.",
        "Documents carry marks that stand nowhere else: in title, address, text, tables, context, "
        "identifiers, Chinese, pictures and vectors. They are asked about, so that answers and the cache "
        "hold them, then removed, replaced, or forgotten with their collection, and all is compacted. Every "
        "file of the data folder is searched for the bytes of the marks in UTF-8 and UTF-16, for their "
        "search words, and for vectors; Tantivy's dictionaries are asked for the words, since they compress "
        "them; the ids in index files are compared with those that are gone.",
        "canaries",
    ),
    Promise(
        "Several processes share one data folder: no reader sees a half document, and none an old one.",
        "Two processes write and three ask, for some seconds a trial. All hits of a document must be of one "
        "version, all its chunks must be found or none, and what was committed before a question must be "
        "found by it. Nobody may fail.",
        "sharing",
    ),
    Promise(
        "Untrusted bytes never run or take the process down.",
        "Sound files of each format get bits flipped, are cut, spliced, get extreme numbers where "
        "lengths may stand, repeated and removed pieces; archives get damaged members, too. Then come bombs, "
        "cycles, deep nesting and very large files. Each is added to an engine and must be read, or refused "
        "in a sentence within two minutes; of a refused one nothing may be left in the store. The memory of "
        "the engine's process and of those that read is watched and must stay below a gigabyte each. A trial "
        "is a file; the number counts the mutated ones of each format.",
        "hostile",
    ),
    Promise(
        "Nothing that an audience can't read is used, cited, cached or hinted at in a reply.",
        "The engine's half is shown above: it never leaves the collections it is given. The Slack bot asks "
        "Slack who can read a place before it answers and again before it posts, which the normal tests show "
        "for a few places; trials of many, which change meanwhile, are not there yet.",
    ),
    Promise(
        "An acknowledged question is never lost, and never answered twice, in Slack.",
        "Fifty questions come in over a real socket, some doubled, some as follow-ups in one thread; the "
        "bot is killed with `kill -9` at any moment and started again, and what was not acknowledged "
        "comes again. Each question must have one whole answer; an answer that was half streamed is "
        "finished.",
        "slack_kills",
    ),
    Promise(
        "One question has one visible ending in Slack, however often its events come.",
        "Each message is delivered one to four times, by retries and as another event type with another "
        "id, all shuffled. Each must have exactly one answer. A trial is a message.",
        "slack_doubled",
    ),
    Promise(
        "One question has one visible ending in Slack, whatever becomes of the connection.",
        "Calls of the Web API end in the middle of the answer, after they were carried out, before they "
        "were, with 500, 503 and 429. Each question must have one whole answer. A trial is a call that "
        "failed.",
        "slack_cut",
    ),
    Promise(
        "What a model or a document writes can't act in Slack.",
        "Hostile texts, and random mixtures of what Slack and Markdown act on, stand in every place of "
        "answers, notices, corrections, modals and the Home tab. All that is posted, edited, whispered or "
        "streamed, piece by piece, is searched by an oracle that shares no code with what writes it: no "
        "mention, and no link but a cited source's.",
        "slack_hostile",
    ),
    Promise(
        "Overload of the Slack bot is fair and bounded.",
        "One user sends questions as fast as they are taken, while others ask. Each question is answered "
        "or refused, refusals within 2 s; the others' 95th percentile may double; memory stays bounded. A "
        "trial is a question of the flood.",
        "slack_flood",
    ),
    Promise(
        "Slack's events are acknowledged at once, however busy the engine is.",
        "A hundred events a second, half of them questions to an engine that holds the interpreter; 99 of "
        "100 are on disk and acknowledged within 300 ms. A trial is an event.",
        "slack_acks",
    ),
    Promise(
        "Requests that Slack did not send are not accepted.",
        "Forged, replayed, old and malformed requests: none may be answered by 2xx but what is signed and "
        "new, none by 5xx, none may make the bot speak, and no token and no message text may stand in its "
        "log.",
        "slack_forged",
    ),
    Promise(
        "The decode loop says what greedy search says, token for token.",
        "Random prompts, with and without a picture, go through transformers' own `generate` one by one, and "
        "through the loop, over OPT and over T5: alone and in a batch that rows leave and join all the time, "
        "each with and without look-up. In 64-bit numbers, so that no two tokens are so close that the order "
        "of a sum decides between them. A trial is a prompt.",
        "decoding",
    ),
    Promise(
        "What people and documents write breaks no batch of a model, and stays in its place in a prompt.",
        "Questions, passages, titles, threads and what was read from pictures hold special tokens of this "
        "model and of others, in halves too, fences, labels, numbers in brackets, orders, links, mentions, "
        "bidi and invisible characters and lines of a megabyte. Tiny models of seven families answer them in "
        "batches with a plain question, whose answer must be what it is alone. No special token, no line and "
        "no number of a source may be in a prompt that is not ours. A trial is a case.",
        "prompts",
    ),
    Promise("The network is contained.", "Comes with adding by address."),
    Promise("An audit log accounts for every change.", "Not yet there."),
)

_HEAD = """# What users can rely on

Written by `make trust`, which reruns every trial and fails if one does; `make trust TRIALS=0.1` is a quick
look that writes nothing, and `make test` runs a short sample of each but those that measure time. What is
under trial is the real code on real files. In the place of what no promise depends on stand: vectors of
hashed words for the embedding model, tiny models with random weights, and in the trials of Slack a server
that plays Slack and an engine that answers at once.
"""


def document(outcomes: dict[Promise, Outcome]) -> str:
    """The whole of docs/trust.md."""
    rows = [
        f"| {promise.text} | {outcome.trials:,} | {len(outcome.failures)} | {outcome.seed} "
        f"| {outcome.seconds:.0f} s |"
        for promise, outcome in outcomes.items()
    ]
    shown = [
        f"**{promise.text}** {promise.shown_by}{_counted(outcome)}" for promise, outcome in outcomes.items()
    ]
    missing = [f"- **{promise.text}** {promise.shown_by}" for promise in PROMISES if promise.module is None]
    return "\n".join(
        [
            _HEAD,
            f"Last run: {_circumstances()}.",
            "",
            "| promise | trials | failures | seed | time |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "## How each is shown",
            "",
            "\n\n".join(shown),
            "",
            "## Not yet there",
            "",
            *missing,
            "",
        ]
    )


def _counted(outcome: Outcome) -> str:
    if not outcome.notes:
        return ""
    return " Counted: " + ", ".join(f"{number:,} {what}" for what, number in outcome.notes.items()) + "."


def _circumstances() -> str:
    parts = [
        f"mmrag {version('mmrag')}",
        f"Python {platform.python_version()}",
        f"SQLite {apsw.sqlite_lib_version()}",
        *(f"{name} {version(name)}" for name in ("tantivy", "diskcache", "hypothesis")),
        f"FAISS {_faiss_version()}",
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    ]
    return f"{datetime.now(UTC):%Y-%m-%d}, " + ", ".join(parts)


def _faiss_version() -> str:
    import faiss  # noqa: PLC0415 - heavy: a native library

    return str(faiss.__version__)
