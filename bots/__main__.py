"""`python -m bots PLATFORM`: wires an adapter to an engine and starts it.

The one module of the bots that may start an engine, and only once it knows that one is needed:
`--help` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrag.errors import MissingExtra
from mmrag.exits import DONE, FAILED, exit_code_of
from mmrag.home import check_whole
from mmrag.types import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bots.discord.service import DiscordSettings
    from bots.slack.service import SlackSettings
    from mmrag.config import Settings
    from mmrag.ports import EngineClient


def main(argv: Sequence[str] | None = None) -> int:
    """Run one adapter and return the exit code: 1 where a scripted step failed, 2 for wrong usage."""
    arguments = _parser().parse_args(argv)
    return exit_code_of(lambda: _run(arguments), program="bots", debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    match arguments.platform:
        case "console":
            return _converse(arguments)
        case platform:
            return _check(platform) if arguments.check else _serve(platform, arguments)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    common.add_argument(
        "--engine",
        metavar="URL",
        help="ask the engine at this address (`mmrag serve`) instead of one in this process",
    )
    parser = argparse.ArgumentParser(
        prog="python -m bots", description="A chat bot that answers from your own documents."
    )
    platforms = parser.add_subparsers(dest="platform", required=True, metavar="PLATFORM")
    slack = platforms.add_parser("slack", parents=[common], help="Slack, by Socket Mode or HTTP")
    slack.add_argument(
        "--check", action="store_true", help="say whether tokens, scopes and files are in order"
    )
    discord = platforms.add_parser("discord", parents=[common], help="Discord, by its gateway")
    discord.add_argument(
        "--check", action="store_true", help="say whether token, intents and permissions are in order"
    )
    console = platforms.add_parser("console", parents=[common], help="a thread in this terminal")
    console.add_argument(
        "--collection",
        action="append",
        metavar="NAME",
        help="answer from this collection; several times: widest first, the last one takes what is added",
    )
    console.add_argument("--script", type=Path, metavar="FILE", help="play these lines first")
    console.add_argument("--name", default="you", metavar="NAME", help="who is typing (default: you)")
    return parser


def _converse(arguments: argparse.Namespace) -> int:
    from bots import console  # noqa: PLC0415 - `--help` stays quick
    from bots.addresses import Reach  # noqa: PLC0415 - as above
    from mmrag.config import load_settings  # noqa: PLC0415 - as above

    script = console.read_script(arguments.script) if arguments.script else None
    settings = load_settings()
    reach = Reach.parse(settings.bot_link_hosts)
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    if arguments.debug:
        logging.getLogger("bots").setLevel(logging.DEBUG)
    with _engine(arguments, settings) as engine:
        went_well = console.run(
            engine,
            console.Screen(person=arguments.name),
            collections=arguments.collection or [DEFAULT_COLLECTION],
            person=arguments.name,
            max_file_bytes=settings.max_file_bytes,
            reach=reach,
            script=script,
        )
    return DONE if went_well else FAILED


@contextmanager
def _engine(arguments: argparse.Namespace, settings: Settings) -> Iterator[EngineClient]:
    """The engine at the given address, or one in this process: only that one loads models."""
    if arguments.engine is None:
        from mmrag.assemble import build_engine  # noqa: PLC0415 - a remote engine needs none of it

        with build_engine(settings) as engine:
            yield engine
        return
    try:
        from mmrag.remote import RemoteEngine  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "httpx2", "remote") from missing
    key = settings.engine_key.get_secret_value()
    with RemoteEngine(arguments.engine, key=key, patience_seconds=settings.engine_patience_seconds) as remote:
        remote.probe()
        yield remote


def _serve(platform: str, arguments: argparse.Namespace) -> int:
    from mmrag.config import load_settings  # noqa: PLC0415 - `--help` stays quick

    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    check_whole(settings.home)
    chosen = SETTINGS_OF[platform](settings)
    service = import_module(f"bots.{platform}.service")
    service.check_settings(chosen)  # before an engine is started for nothing
    with _engine(arguments, settings) as engine:
        asyncio.run(service.serve(chosen, engine))
    return DONE


def _check(platform: str) -> int:
    from mmrag.config import load_settings  # noqa: PLC0415 - `--help` stays quick

    chosen = SETTINGS_OF[platform](load_settings())
    findings = asyncio.run(import_module(f"bots.{platform}.check").check(chosen))
    for finding in findings:
        sys.stdout.write(f"{'ok     ' if finding.good else 'MISSING'} {finding.text}\n")
    return DONE if all(finding.good for finding in findings) else FAILED


def slack_settings(settings: Settings) -> SlackSettings:
    """The part of the settings that the Slack bot takes, as plain values. Raises MissingExtra."""
    try:
        from bots.slack.service import SlackSettings  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "slack-bolt", "slack") from missing
    return SlackSettings(
        folder=settings.home / "bots",
        bot_token=settings.slack_bot_token.get_secret_value(),
        app_token=settings.slack_app_token.get_secret_value(),
        signing_secret=settings.slack_signing_secret.get_secret_value(),
        client_id=settings.slack_client_id,
        client_secret=settings.slack_client_secret.get_secret_value(),
        token_key=settings.slack_token_key.get_secret_value(),
        transport=settings.slack_transport,
        host=settings.slack_host,
        port=settings.slack_port,
        share_port=settings.slack_share_port,
        api_url=settings.slack_api_url,
        **_of_any_bot(settings),
    )


def discord_settings(settings: Settings) -> DiscordSettings:
    """The part of the settings that the Discord bot takes, as plain values. Raises MissingExtra."""
    try:
        from bots.discord.service import DiscordSettings  # noqa: PLC0415 - needs an extra; named by the error
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "discord.py", "discord") from missing
    return DiscordSettings(
        folder=settings.home / "bots" / "discord",
        token=settings.discord_token.get_secret_value(),
        message_content=settings.discord_message_content,
        shards=settings.discord_shards,
        api_url=settings.discord_api_url.rstrip("/"),
        **_of_any_bot(settings),
    )


def _of_any_bot(settings: Settings) -> dict[str, Any]:
    from bots.addresses import Reach  # noqa: PLC0415 - `--help` stays quick
    from bots.conversation import Rules  # noqa: PLC0415 - as above

    return {
        "admins": tuple(filter(None, map(str.strip, settings.bot_admins.split(",")))),
        "human": settings.bot_ask_human,
        "rules": Rules(
            adders=settings.bot_adders,
            questions_a_day=settings.bot_questions_a_day,
            ratings_an_hour=settings.bot_ratings_an_hour,
            corrections_a_day=settings.bot_corrections_a_day,
            approvals=settings.bot_approvals,
        ),
        "most_file_bytes": settings.max_file_bytes,
        "reach": Reach.parse(settings.bot_link_hosts),
        "answering": settings.bot_answering,
        "answer_seconds": settings.bot_answer_seconds,
        "stalled_seconds": settings.bot_stalled_seconds,
    }


SETTINGS_OF: dict[str, Callable[[Settings], Any]] = {"slack": slack_settings, "discord": discord_settings}


if __name__ == "__main__":
    sys.exit(main())
