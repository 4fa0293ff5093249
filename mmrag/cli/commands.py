"""One function a command: read the arguments, call the engine, print, return the exit code."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mmrag import wire
from mmrag.cli import output
from mmrag.cli.files import folder_bytes, items_below, read_file
from mmrag.errors import InvalidInput, MissingExtra, NotReadable, UserFacingError
from mmrag.exits import DONE, FAILED
from mmrag.types import DEFAULT_COLLECTION, Attachment, Question, Rating, Turn

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI

    from mmrag.config import Settings
    from mmrag.engine import Engine
    from mmrag.storage.keys import ApiKeys, Role


def add(arguments: argparse.Namespace, settings: Settings) -> int:
    """Each file on its own: a bad one is named with its reason, the others go in."""
    limit = settings.max_file_bytes
    items = [item for given in arguments.paths for item in items_below(given, limit=limit)]
    if not items:
        print("mmrag: there is no file to add: name files, or folders that hold some.", file=sys.stderr)
        return FAILED
    failed = 0
    loaders = [partial(item.source, limit=limit) for item in items]
    sizes = [item.size for item in items]
    with _engine(settings) as engine, output.adding(sizes, quiet=arguments.json) as progress:
        outcomes = engine.add_many(loaders, collection=arguments.collection, listener=progress.pages)
        for number, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
            if isinstance(outcome, UserFacingError):
                failed += 1
                progress.failed(number, item.path, str(outcome))
            else:
                progress.done(number, item.path, outcome)
            if arguments.json:
                _print_json(wire.outcome_to_json(str(item.path), outcome))
    return FAILED if failed else DONE


def documents(arguments: argparse.Namespace, settings: Settings) -> int:
    """List documents, newest first."""
    collections = [arguments.collection] if arguments.collection else None
    with _engine(settings) as engine:
        found = engine.documents(collections=collections)
    if arguments.json:
        _print_json([wire.document_to_json(document) for document in found])
    else:
        output.print_documents(found)
    return DONE


def remove(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove all of the named documents, or none of them."""
    with _engine(settings) as engine:
        removed = engine.remove(arguments.document_ids)
        if not arguments.later:
            engine.compact()
    if arguments.json:
        _print_json([wire.document_to_json(document) for document in removed])
    else:
        output.print_removed(removed)
    return DONE


def forget(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove whole collections, one after the other."""
    with _engine(settings) as engine:
        for name in arguments.collections:
            removed = engine.forget(name)
            if arguments.json:
                _print_json({"collection": name, "documents": len(removed)})
            else:
                output.print_forgotten(name, len(removed))
        engine.compact()
    return DONE


def compact(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compact the data folder now."""
    before = folder_bytes(settings.home)
    with _engine(settings) as engine:
        engine.compact()
    after = folder_bytes(settings.home)
    if arguments.json:
        _print_json({"bytes_before": before, "bytes_after": after})
    else:
        output.print_compacted(before, after)
    return DONE


def backup(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a backup, which may be done while the engine and the bots run."""
    from mmrag.backup import back_up  # noqa: PLC0415 - `--help` stays quick

    with output.working(quiet=arguments.json) as progress:
        taken = back_up(settings.home, arguments.file.absolute(), progress=progress)
    if arguments.json:
        _print_json({"path": str(taken.path), "bytes": taken.bytes, **asdict(taken.manifest)})
    else:
        output.print_backup(taken)
    return DONE


def restore(arguments: argparse.Namespace, settings: Settings) -> int:
    """Restore a backup, check one, or finish what was interrupted."""
    from mmrag.backup import Restored, finish, restore, verify  # noqa: PLC0415 - `--help` stays quick

    if arguments.file is None:
        done = finish(settings.home)
    elif arguments.check:
        done = Restored(verify(arguments.file), None)
    else:
        done = restore(settings.home, arguments.file, replace=arguments.replace)
    if arguments.json:
        manifest = asdict(done.manifest) if done.manifest else None
        _print_json({"manifest": manifest, "replaced": done.aside and str(done.aside)})
    elif arguments.check and done.manifest:
        output.print_checked(done.manifest)
    else:
        output.print_restored(done, settings.home)
    return DONE


def search(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print hits, best first."""
    with _engine(settings) as engine:
        result = engine.search(_question(arguments, settings), k=arguments.k)
    if arguments.json:
        _print_json(wire.search_to_json(result))
    else:
        output.print_hits(result)
    return DONE


def ask(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print an answer with its sources, or an abstention with the nearest."""
    history = _history(arguments.history) if arguments.history else ()
    with _engine(settings) as engine:
        answer = engine.ask(_question(arguments, settings, history))
    if arguments.json:
        _print_json(wire.answer_to_json(answer))
    else:
        output.print_answer(answer)
    return DONE


def rate(arguments: argparse.Namespace, settings: Settings) -> int:
    """Record a verdict, and a correction if there is one."""
    rating = Rating(arguments.answer_id, arguments.verdict, arguments.correction, author="the owner")
    with _engine(settings) as engine:
        receipt = engine.rate(rating)
    if arguments.json:
        _print_json(wire.receipt_to_json(receipt))
    else:
        output.print_receipt(receipt)
    return DONE


def read(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show what the readers see."""
    from mmrag.assemble import reading_with_models  # noqa: PLC0415 - needs an extra that `--help` does not

    data = read_file(arguments.path, limit=settings.max_file_bytes)
    with reading_with_models(settings) as reader:
        reading = reader.read(data, name=arguments.path.name)
    if arguments.json:
        _print_json(wire.reading_to_json(reading))
    else:
        output.print_reading(reading)
    return DONE


def serve(arguments: argparse.Namespace, settings: Settings) -> int:
    """Answer over HTTP until it is told to stop."""
    from mmrag.config import load_settings  # noqa: PLC0415 - as `main` does

    chosen = {"serve_host": arguments.host, "serve_port": arguments.port}
    settings = load_settings(**{name: value for name, value in chosen.items() if value is not None})
    try:
        from mmrag.service import server  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "fastapi", _service_extra()) from missing
    listening = server.bind(settings)  # before an engine is started for nothing
    url = server.url_of(listening)
    settings = server.with_address(settings, url)
    with _engine(settings) as engine:
        server.serve(
            engine,
            settings,
            listening,
            ready=lambda: output.print_serving(url, as_json=arguments.json),
            extend=_mcp_route(engine, required=arguments.command == "mcp"),
        )
    return DONE


def _service_extra() -> str:
    """The extra `serve` brings FAISS for the CPU, which must not come beside a GPU's."""
    return "http" if find_spec("faiss") else "serve"


def _mcp_route(engine: Engine, *, required: bool) -> Callable[[FastAPI], None]:
    """What adds /mcp to the service where the extra is installed. Raises MissingExtra where it must be."""
    try:
        from mmrag.mcp.http import add_mcp  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        if required:
            raise MissingExtra(missing.name or "mcp", f"mcp,{_service_extra()}") from missing
        return lambda _app: None
    return lambda app: add_mcp(app, engine)


def mcp(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve the Model Context Protocol until whoever started us has had enough."""
    if arguments.http:
        if arguments.collection:
            raise InvalidInput(
                "Over HTTP the key says which collections may be named: leave --collection out."
            )
        return serve(arguments, settings)
    if arguments.host or arguments.port is not None:
        raise InvalidInput("--host and --port are for HTTP: give --http, too.")
    try:
        from mmrag.mcp import local  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "mcp", "mcp") from missing
    with _engine(settings) as engine:
        local.serve(engine, collections=arguments.collection or [DEFAULT_COLLECTION])
    return DONE


def keys_add(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make an API key and show it, once."""
    collections = arguments.collection or [DEFAULT_COLLECTION]
    role: Role = "read" if arguments.read_only else "admin" if arguments.admin else "write"
    with _keys(settings) as keys:
        key, text = keys.add(arguments.name, collections=collections, role=role)
    if arguments.json:
        _print_json({**asdict(key), "key": text})
    else:
        output.print_new_key(key, text)
    return DONE


def keys_list(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the keys, without their secrets."""
    with _keys(settings) as keys:
        found = keys.all()
    if arguments.json:
        _print_json([asdict(key) for key in found])
    else:
        output.print_keys(found)
    return DONE


def keys_remove(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove all of the named keys, or none of them."""
    with _keys(settings) as keys:
        removed = keys.remove(arguments.names)
    if arguments.json:
        _print_json([asdict(key) for key in removed])
    else:
        output.print_removed_keys(removed)
    return DONE


def _keys(settings: Settings) -> ApiKeys:
    from mmrag.assemble import build_keys  # noqa: PLC0415 - needs an extra that `--help` does not

    return build_keys(settings)


def eval_retrieval(arguments: argparse.Namespace, settings: Settings) -> int:
    """Measure the search on a test collection, in a folder of its own that is deleted afterwards."""
    from mmrag.evaluation import beir  # noqa: PLC0415 - brings the engine, which `--help` does not need
    from mmrag.evaluation.retrieval import evaluate  # noqa: PLC0415 - as above

    collection = beir.load(arguments.corpus, arguments.queries, arguments.qrels)
    with output.measuring(quiet=arguments.json) as progress:
        report = evaluate(
            collection, settings=settings, mode=arguments.mode, ks=arguments.k, progress=progress
        )
    if arguments.json:
        _print_json(report.to_json())
    else:
        output.print_retrieval_report(report)
    return DONE


def eval_answers(arguments: argparse.Namespace, settings: Settings) -> int:
    """Ask every question over its own documents, in a folder that is deleted afterwards, and judge."""
    from mmrag.evaluation import answers  # noqa: PLC0415 - brings the engine, which `--help` does not need

    rows = answers.load(arguments.file)
    with output.measuring(quiet=arguments.json) as progress:
        report = answers.evaluate(rows, settings=settings, progress=progress)
    if arguments.json:
        _print_json(report.to_json())
    else:
        output.print_answers_report(report)
    return DONE


def eval_truthfulqa(arguments: argparse.Namespace, settings: Settings) -> int:
    """Multiple choice and generation of a model, and the engine's own answers from collections."""
    from mmrag.evaluation import truthfulqa  # noqa: PLC0415 - brings models, which `--help` does not need

    if not arguments.model and not arguments.collection:
        raise InvalidInput("Nothing to measure: name a --model, a --collection, or both.")
    rows = truthfulqa.load(arguments.file)[: arguments.limit]
    primer = truthfulqa.read_text(arguments.primer) if arguments.primer else ""
    with ExitStack() as stack:
        progress = stack.enter_context(output.measuring(quiet=arguments.json))
        figures = truthfulqa.measure(
            rows,
            model=truthfulqa.TransformersModel(arguments.model) if arguments.model else None,
            engine=stack.enter_context(_engine(settings)) if arguments.collection else None,
            collections=arguments.collection or (),
            primer=primer,
            progress=progress,
        )
    if arguments.json:
        _print_json(figures)
    else:
        output.print_truthfulqa(figures)
    return DONE


def doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show the settings, or each part's state; 1 where something must be mended."""
    from mmrag.doctor import examine, list_settings  # noqa: PLC0415 - looks at every heavy part

    if arguments.settings:
        rows = list_settings(settings)
        if arguments.json:
            _print_json(rows)
        else:
            output.print_settings(rows)
        return DONE
    findings = examine(settings)
    if arguments.json:
        _print_json([asdict(finding) for finding in findings])
    else:
        output.print_findings(findings)
    return FAILED if any(finding.state == "fault" for finding in findings) else DONE


def _engine(settings: Settings) -> Engine:
    from mmrag.assemble import build_engine  # noqa: PLC0415 - needs an extra that `--help` does not

    return build_engine(settings)


def _question(arguments: argparse.Namespace, settings: Settings, history: tuple[Turn, ...] = ()) -> Question:
    return Question(
        text=arguments.text,
        collections=tuple(arguments.collection or [DEFAULT_COLLECTION]),
        attachments=tuple(_attachment(path, limit=settings.max_file_bytes) for path in arguments.image),
        history=history,
    )


def _attachment(path: Path, *, limit: int) -> Attachment:
    """What can't be read is named in the answer; a path that is not there is a slip of the pen."""
    if not path.exists():
        raise InvalidInput(f"{path} is not there: check the path after --image.")
    try:
        return Attachment(path.name, read_file(path, limit=limit))
    except NotReadable as error:
        return Attachment(path.name, b"", failure=str(error))


def _history(path: Path) -> tuple[Turn, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        turns = tuple(Turn(role=row["role"], text=row["text"]) for row in rows)
    except OSError as error:
        raise InvalidInput(f"{path} could not be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError):
        turns = None
    if turns is None or any(turn.role not in ("user", "assistant") for turn in turns):
        raise InvalidInput(
            f'{path} is no thread: it must be JSON such as [{{"role": "user", "text": "..."}}], '
            "with the roles user and assistant."
        )
    return turns


def _print_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    print(json.dumps(value, ensure_ascii=False))
