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
        "A backup taken while the data is used gives, restored elsewhere, the same answers; and none is ever "
        "half there.",
        "Backups are taken while another process adds, replaces, removes, compacts and forgets. Each is "
        "restored elsewhere and must hold exactly what was there at one moment between its beginning and its "
        "end, row by row, and answer what the original answered. Processes that back up or restore are "
        "killed with `kill -9` between any two lines of their code: then there is a whole backup or none, "
        "the old data or the new, and what was replaced is kept. Damaged backups are "
        "refused, or restored whole.",
        "backup",
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
        "The engine's half is shown above: it never leaves the collections it is given. The bots ask "
        "Slack and Discord who can read a place before they answer and again before they post, which the "
        "normal tests show for a few places; trials of many, which change meanwhile, are not there yet.",
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
        "Several bots on one data folder share the work in Slack; each question is answered once.",
        "Three processes take events by a socket each, or listen on one port; each event comes to any of "
        "them, some doubled. One is killed with `kill -9`, or stopped for longer than the others wait and "
        "let go on; it is not started again. Each question must have one whole answer within 30 s. A trial "
        "is a process that was killed or stopped.",
        "slack_processes",
    ),
    Promise(
        "One question has one visible ending in Slack, however often its events come.",
        "Each message is told as one type of event or as two, each delivered one to three times, also by "
        "other event ids, all shuffled. Each must have exactly one answer. A trial is a message.",
        "slack_doubled",
    ),
    Promise(
        "One question has one visible ending in Slack, whatever becomes of the connection.",
        "Calls of the Web API end in the middle of the answer, after they were carried out, before they "
        "were, with 500, 503 and 429. Each question must have one whole answer. What one person alone "
        "sees comes at most once where they asked and once in their own messages, and is never missing. A "
        "trial is a call that failed.",
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
        "Whatever is sent to the service, it answers as its OpenAPI document says.",
        "schemathesis makes requests of the document, valid and broken ones, for every route, as JSON and as "
        "events; they go over a real socket to the real engine. No answer may be an error of the server, or "
        "have a status, a media type or a form that is not documented. A trial is a request.",
        "service_schema",
    ),
    Promise(
        "With an API key nobody reads or changes more than what it may name; without one, nothing.",
        "Clients with a key each name what belongs to another (its collection, documents, "
        "answers, figures, alone and among their own), and strangers send keys that are cut, changed, put "
        "together of two, or no keys at all. None may succeed, no reply may hold a word of another's "
        "documents, and at the end everything must be as it was. A trial is an attempt.",
        "service_keys",
    ),
    Promise(
        "Over MCP, an API key opens what it opens over HTTP, and nothing more.",
        "The same clients and strangers call tools and read resources that belong to others: by their "
        "collections and documents. None may succeed and no reply may hold a foreign word; who names "
        "no collection finds its own only. A trial is an attempt.",
        "mcp_keys",
    ),
    Promise(
        "A correction is decided once, whoever decides at the same time; and two people are two.",
        "Four people decide about a correction at once, in two processes on one data folder: admins who "
        "approve, an admin who rejects meanwhile, people of whom two are needed, and somebody who decides "
        "at the engine as the owners' pages do. One must be told that it is done, the others that it was "
        "decided or that a vote is missing, and it must be a source if and only if it was approved. A trial "
        "is a correction.",
        "decisions",
    ),
    Promise(
        "Two hundred stream at once, and who reads slowly holds up nobody.",
        "Clients open a stream each, all at once; some read nothing of a reply that is larger than "
        "the sockets hold, some leave in the middle. Who reads must get a whole answer, and other "
        "routes must answer while some do not read. The engine is one in memory. A trial is a stream.",
        "service_streams",
    ),
    Promise(
        "Of an upload that is cut off, by whichever side, nothing half is there.",
        "A service takes in uploads of several files and is killed with `kill -9` at a random moment, or the "
        "client breaks off. Each document that is there must be whole, each that was acknowledged must be "
        "there, and nothing may be left in the folder of temporary files. A trial is a kill or a "
        "broken upload.",
        "service_kills",
    ),
    Promise(
        "A link opens what an answer cited, for a while; nobody looks inside who may not.",
        "Over HTTP, against the whole service: links that are invented, changed in a bit, made to name "
        "another answer, marker or expiry, signed with another key, spelled otherwise or expired, and good "
        "ones led to other things; sessions that are forged, keys of other roles, a proxy's header from "
        "elsewhere, one collection's key at another's pages and corrections. None may be let in, none may "
        "bring an error of the server, and no word of a document or question may come back.",
        "service_links",
    ),
    Promise(
        "A question in Discord is answered once, however often the bot is killed.",
        "Fifty messages mention the bot over a real gateway, some as follow-ups in one thread; the bot is "
        "killed with `kill -9` at any moment and started again. Discord brings nothing again to a session "
        "that is lost, so the bot pages for what it missed. Each question must have one whole answer in its "
        "thread, and no draft may be left.",
        "discord_kills",
    ),
    Promise(
        "Several bots on one data folder share the work in Discord; each question is answered once.",
        "Three processes hear the same guilds, or hold shards of their own, or both. While messages mention "
        "the bot, one is killed with `kill -9`, or stopped for longer than the others wait and let go on. "
        "The others finish what it had begun; one that alone held a shard is started again. Each question "
        "must have one whole answer in its thread within 30 s, and no draft may be left. A trial is a "
        "process that was killed or stopped.",
        "discord_processes",
    ),
    Promise(
        "A dropped connection to Discord's gateway loses nothing.",
        "While messages mention the bot, the connection is reset, also in place of an event, closed with a "
        "code, or told to reconnect. The session must be resumed, and each message have one whole answer. A "
        "trial is a connection that ended.",
        "discord_drops",
    ),
    Promise(
        "What is asked while Discord has no session with the bot is answered once, and says so.",
        "The session is made invalid, or forgotten while the connection is dropped, and messages mention the "
        "bot until it has begun a new one. Each must have one whole answer. A trial is a session that was "
        "lost.",
        "discord_sessions",
    ),
    Promise(
        "An answer arrives in Discord once, whatever becomes of the connection that carries it.",
        "Calls of the API are reset before anything was done or after, end in the middle of the answer, fail "
        "with 503, or are told to wait. Each question must have one whole answer, and no request may come "
        "before the time that Discord told has passed. A trial is a call that failed.",
        "discord_cut",
    ),
    Promise(
        "What a model or a document writes can't act in Discord.",
        "Hostile texts, and random mixtures of what Discord and Markdown act on, stand in every place of "
        "answers, notices, corrections, drafts, modals and offered titles. All that is posted, edited or "
        "whispered is searched by an oracle that shares no code with what writes it: no mention, no link but "
        "a cited source's, no fence that stays open, nothing longer than Discord takes.",
        "discord_hostile",
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
    Promise(
        "The network is contained: the link that somebody gives leads to the public web, never inside.",
        "One address of the machine stands for the public web, others at the same port for what is inside. "
        "Links lead there in all spellings of an address, by redirects, by names that resolve to it, to "
        "several addresses or to another one each time; and to other networks inside. Nothing inside may be "
        "connected to, and public pages must be had in between. Covers adding by link; what the bots call "
        "otherwise is their platform and the engine. A trial is a link.",
        "network",
    ),
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
