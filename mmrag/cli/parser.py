"""What can be typed after `mmrag`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from mmrag import __version__
from mmrag.types import DEFAULT_COLLECTION

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no public name

DESCRIPTION = "Answers from your own documents and charts, with cited sources."


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="mmrag", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"mmrag {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_to in (_documents, _questions, _read, _backup, _serve, _keys, _mcp, _evaluation, _doctor):
        add_to(commands)
    return parser


def _documents(commands: Commands) -> None:
    add = _command(commands, "add", "read files and folders into the knowledge base")
    add.add_argument("paths", nargs="+", type=Path, metavar="PATH|DIR")
    add.add_argument(
        "--collection", default=DEFAULT_COLLECTION, metavar="NAME", help=f"where to ({DEFAULT_COLLECTION})"
    )

    documents = _command(commands, "documents", "list what is in the knowledge base")
    documents.add_argument("--collection", metavar="NAME", help="only this collection")

    remove = _command(commands, "remove", "remove documents and all that was derived from them")
    remove.add_argument("document_ids", nargs="+", metavar="DOCUMENT_ID")
    remove.add_argument(
        "--later",
        action="store_true",
        help="leave it to the next compaction to clear their bytes from the disk",
    )

    forget = _command(commands, "forget", "remove whole collections, with all answers given from them")
    forget.add_argument("collections", nargs="+", metavar="COLLECTION")

    _command(
        commands, "compact", "leave no byte of what was removed, and bring vectors and indexes up to date"
    )


def _questions(commands: Commands) -> None:
    search = _command(commands, "search", "find passages without answering")
    _question(search)
    search.add_argument("-k", type=int, default=10, metavar="N", help="how many hits (10)")

    ask = _command(commands, "ask", "answer a question, each sentence with its source")
    _question(ask)
    ask.add_argument(
        "--history", type=Path, metavar="FILE", help='the thread so far: JSON [{"role", "text"}, ...]'
    )

    rate = _command(commands, "rate", "rate an answer, and correct it")
    rate.add_argument("answer_id", metavar="ANSWER_ID")
    rate.add_argument("verdict", choices=["up", "down"])
    rate.add_argument("--correction", metavar="TEXT", help="the right answer; it becomes a source at once")


def _read(commands: Commands) -> None:
    read = _command(commands, "read", "show what the readers see in a file; nothing is stored")
    read.add_argument("path", type=Path, metavar="PATH")


def _backup(commands: Commands) -> None:
    backup = _command(commands, "backup", "write all that is kept to one file, also while it is used")
    backup.add_argument("file", type=Path, metavar="FILE", help="a new file; it is read back and checked")

    restore = _command(commands, "restore", "bring a backup into the data folder, checked first")
    restore.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="without it: finish a restore that was interrupted"
    )
    restore.add_argument(
        "--replace", action="store_true", help="also where there is data, which is moved aside and kept"
    )
    restore.add_argument(
        "--check", action="store_true", help="only read the file and say whether it is whole"
    )


def _serve(commands: Commands) -> None:
    serve = _command(commands, "serve", "answer over HTTP, for chat bots and other programs")
    serve.add_argument("--host", metavar="H", help="address to listen on (the setting serve_host)")
    serve.add_argument("--port", type=_port, metavar="P", help="port to listen on (the setting serve_port)")


def _keys(commands: Commands) -> None:
    summary = "who may ask over HTTP, and of which collections"
    command = commands.add_parser("keys", help=summary, description=summary.capitalize() + ".")
    actions = command.add_subparsers(dest="action", required=True, metavar="WHAT")

    add = _command(actions, "add", "make an API key; it is shown once")
    add.set_defaults(command="keys_add")
    add.add_argument("name", metavar="NAME", help="whose key it is")
    add.add_argument(
        "--collection",
        action="append",
        metavar="NAME",
        help=f"may name this collection; several times; 'x*' is all that begin with x ({DEFAULT_COLLECTION})",
    )
    rights = add.add_mutually_exclusive_group()
    rights.add_argument(
        "--read-only", action="store_true", help="may ask, search and rate, and change nothing"
    )
    rights.add_argument("--admin", action="store_true", help="may look after the service as well")

    listing = _command(actions, "list", "list the API keys, without their secrets")
    listing.set_defaults(command="keys_list")

    remove = _command(actions, "remove", "remove API keys; whoever uses one is refused from now on")
    remove.set_defaults(command="keys_remove")
    remove.add_argument("names", nargs="+", metavar="NAME|ID")


def _mcp(commands: Commands) -> None:
    mcp = _command(
        commands, "mcp", "let other assistants use the knowledge base, by the Model Context Protocol"
    )
    mcp.add_argument(
        "--collection",
        action="append",
        metavar="NAME",
        help=f"what may be looked into; may be given several times ({DEFAULT_COLLECTION})",
    )
    mcp.add_argument(
        "--http", action="store_true", help="over HTTP instead of standard input and output: serve, with /mcp"
    )
    mcp.add_argument("--host", metavar="H", help="with --http, as of serve")
    mcp.add_argument("--port", type=_port, metavar="P", help="with --http, as of serve")


def _evaluation(commands: Commands) -> None:
    summary = "measure the engine on questions whose answers are known"
    command = commands.add_parser("eval", help=summary, description=summary.capitalize() + ".")
    subjects = command.add_subparsers(dest="subject", required=True, metavar="WHAT")
    retrieval = _command(subjects, "retrieval", "measure the search on a test collection in BEIR's files")
    retrieval.set_defaults(command="eval_retrieval")
    retrieval.add_argument("corpus", type=Path, metavar="CORPUS.jsonl", help='rows {"_id", "title", "text"}')
    retrieval.add_argument(
        "queries",
        type=Path,
        metavar="QUERIES.jsonl",
        help='rows {"_id", "text"}, "history" where they follow up',
    )
    retrieval.add_argument(
        "qrels", type=Path, metavar="QRELS.tsv", help="query-id, corpus-id, score; above 0 is relevant"
    )
    retrieval.add_argument(
        "-k", type=_cuts, default=(1, 5, 10), metavar="N,...", help="cuts of recall and hit (1,5,10)"
    )
    retrieval.add_argument("--mode", choices=["hybrid", "bm25", "dense"], default="hybrid", help="(hybrid)")

    answers = _command(subjects, "answers", "measure answers: abstention, grounding, citations, numbers")
    answers.set_defaults(command="eval_answers")
    answers.add_argument(
        "file",
        type=Path,
        metavar="FILE.jsonl",
        help='rows {"question", "documents", "answer"}; "history", "image" where there are some',
    )

    truthfulqa = _command(subjects, "truthfulqa", "measure whether a model repeats what people believe")
    truthfulqa.set_defaults(command="eval_truthfulqa")
    truthfulqa.add_argument("file", type=Path, metavar="TruthfulQA.csv")
    truthfulqa.add_argument(
        "--model", metavar="NAME|DIR", help="a causal or sequence-to-sequence checkpoint on this machine"
    )
    truthfulqa.add_argument(
        "--collection", action="append", metavar="NAME", help="answer with what is found here, too"
    )
    truthfulqa.add_argument("--primer", type=Path, metavar="FILE", help="text before each question")
    truthfulqa.add_argument("--limit", type=int, metavar="N", help="only the first N questions")


def _doctor(commands: Commands) -> None:
    doctor = _command(commands, "doctor", "show what is installed, chosen and why, and what to mend")
    doctor.add_argument("--settings", action="store_true", help="list every setting with its value")


def _cuts(text: str) -> tuple[int, ...]:
    cuts = tuple(sorted({int(part) for part in text.split(",")}))
    if cuts[0] < 1:
        raise ValueError(text)
    return cuts


_cuts.__name__ = "list of numbers from 1, such as 1,5,10"  # argparse puts it after "invalid"


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:  # noqa: PLR2004 - what a port is
        raise ValueError(text)
    return port


_port.__name__ = "port from 0 to 65535"  # as above


def _command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    command.add_argument("--json", action="store_true", help="print JSON")
    # SUPPRESS keeps a --debug that stood before the command from being reset to False.
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return command


def _question(command: argparse.ArgumentParser) -> None:
    command.add_argument("text", metavar="TEXT")
    command.add_argument(
        "--image", action="append", default=[], type=Path, metavar="PATH", help="attach a picture or file"
    )
    command.add_argument(
        "--collection",
        action="append",
        metavar="NAME",
        help=f"search here; may be given several times ({DEFAULT_COLLECTION})",
    )
