"""`python -m bots PLATFORM`: wires an adapter to an engine and starts it.

The one module of the bots that may start an engine, and only once it knows that one is needed:
`--help` is quick.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmrag.errors import InvalidInput, MissingExtra
from mmrag.exits import DONE, FAILED, exit_code_of
from mmrag.types import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.slack.service import SlackSettings
    from mmrag.config import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one adapter and return the exit code: 1 where a scripted step failed, 2 for wrong usage."""
    arguments = _parser().parse_args(argv)
    return exit_code_of(lambda: _run(arguments), program="bots", debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.engine is not None:
        raise InvalidInput("A remote engine can't be used yet: leave --engine out.")
    match arguments.platform:
        case "console":
            return _converse(arguments)
        case "slack":
            return _check_slack() if arguments.check else _serve_slack()
        case _:
            raise InvalidInput(f"The {arguments.platform} adapter is not there yet: use  console  or  slack")


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    common.add_argument("--engine", metavar="URL", help="a remote engine (not there yet)")
    parser = argparse.ArgumentParser(
        prog="python -m bots", description="A chat bot that answers from your own documents."
    )
    platforms = parser.add_subparsers(dest="platform", required=True, metavar="PLATFORM")
    slack = platforms.add_parser("slack", parents=[common], help="Slack, by Socket Mode or HTTP")
    slack.add_argument(
        "--check", action="store_true", help="say whether tokens, scopes and files are in order"
    )
    platforms.add_parser("discord", parents=[common], help="Discord (not there yet)")
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
    from mmrag.assemble import build_engine  # noqa: PLC0415 - as above, and a remote engine needs none
    from mmrag.config import load_settings  # noqa: PLC0415 - as above

    script = console.read_script(arguments.script) if arguments.script else None
    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    if arguments.debug:
        logging.getLogger("bots").setLevel(logging.DEBUG)
    with build_engine(settings) as engine:
        went_well = console.run(
            engine,
            console.Screen(person=arguments.name),
            collections=arguments.collection or [DEFAULT_COLLECTION],
            person=arguments.name,
            max_file_bytes=settings.max_file_bytes,
            script=script,
        )
    return DONE if went_well else FAILED


def _serve_slack() -> int:
    from mmrag.config import load_settings  # noqa: PLC0415 - `--help` stays quick

    settings = load_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    chosen = slack_settings(settings)
    from bots.slack import service  # noqa: PLC0415 - after `slack_settings`, which names a missing extra

    service.check_settings(chosen)  # before an engine is started for nothing
    from mmrag.assemble import build_engine  # noqa: PLC0415 - `--help` stays quick

    with build_engine(settings) as engine:
        asyncio.run(service.serve(chosen, engine))
    return DONE


def _check_slack() -> int:
    from mmrag.config import load_settings  # noqa: PLC0415 - `--help` stays quick

    chosen = slack_settings(load_settings())
    from bots.slack.check import check  # noqa: PLC0415 - after `slack_settings`, which names a missing extra

    findings = asyncio.run(check(chosen))
    for finding in findings:
        sys.stdout.write(f"{'ok     ' if finding.good else 'MISSING'} {finding.text}\n")
    return DONE if all(finding.good for finding in findings) else FAILED


def slack_settings(settings: Settings) -> SlackSettings:
    """The part of the settings that the Slack bot takes, as plain values. Raises MissingExtra."""
    from bots.conversation import Rules  # noqa: PLC0415 - `--help` stays quick

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
        api_url=settings.slack_api_url,
        admins=tuple(filter(None, map(str.strip, settings.bot_admins.split(",")))),
        human=settings.bot_ask_human,
        rules=Rules(
            adders=settings.bot_adders,
            questions_a_day=settings.bot_questions_a_day,
            ratings_an_hour=settings.bot_ratings_an_hour,
            corrections_a_day=settings.bot_corrections_a_day,
            approvals=settings.bot_approvals,
        ),
        most_file_bytes=settings.max_file_bytes,
        answering=settings.bot_answering,
        answer_seconds=settings.bot_answer_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
