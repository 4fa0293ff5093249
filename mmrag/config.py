"""Settings: the only reader of the environment and of the configuration file.

Every setting is `MMRAG_<NAME>` in the environment or `<name>` in `mmrag.toml`; the
environment wins. `mmrag doctor --settings` lists them all with their values.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from mmrag.errors import InvalidSettings

CONFIG_FILE = "mmrag.toml"

MiB = 1024 * 1024


def _usable_cpus() -> int:
    """CPUs this process may run on; a container's share, not the machine's count, where known."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """All settings with their defaults, units and limits."""

    model_config = SettingsConfigDict(env_prefix="MMRAG_", extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("mmrag"),
        description="Data folder: the store, the indexes, the cache, converted models.",
    )
    embedding_model: Annotated[str, Field(min_length=1)] = Field(
        default="all-MiniLM-L6-v2",
        description="Embedding model: the default, a sentence-transformers folder, or a model hub name.",
    )
    embedding_languages: Literal["auto", "english", "multilingual"] = Field(
        default="auto", description="What the embedding model reads; auto looks whether it knows Chinese."
    )
    embedding_runtime: Literal["auto", "torch", "openvino"] = Field(
        default="auto", description="What runs the embedding model; auto takes the fastest exact one."
    )
    generator: Literal["auto", "extractive", "blip2", "vlm", "openai"] = Field(
        default="auto", description="Who phrases answers; auto takes the model that is named, if one is."
    )
    generator_model: str = Field(
        default="",
        description="Model that phrases answers: a folder, a model hub name, or a server's name for it.",
    )
    generator_revision: str = Field(
        default="", description="Commit of a model hub name, 40 digits; nothing is downloaded without it."
    )
    generator_precision: Literal[
        "auto", "fp32", "bf16", "fp16", "int8", "int8-torchao", "int8-bitsandbytes", "4bit-bitsandbytes"
    ] = Field(default="auto", description="Numbers a local model computes with; auto looks at the device.")
    generator_tokens: Annotated[int, Field(ge=8, le=2_048)] = Field(
        default=128, description="Longest draft of a model, in its tokens."
    )
    generator_seconds: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=60, description="Seconds a model has for a draft; then the answer is made without it."
    )
    generator_batch: Annotated[int, Field(ge=1, le=512)] = Field(
        default=16, description="Most questions that a local model answers together."
    )
    generator_look_up: Annotated[int, Field(ge=0, le=16)] = Field(
        default=4, description="Tokens that are guessed from the context in a step of BLIP-2; 0 for none."
    )
    generator_cache_8bit: bool = Field(
        default=False, description="Whether BLIP-2 keeps past tokens in 8 bits: half the memory, less exact."
    )
    captions: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether figures that are read get a caption by the generator `blip2`, to be found by; "
        "auto where it runs on a GPU.",
    )
    chart_model: str = Field(
        default="",
        description="Model that reads the data of charts where nothing certain was read: a folder or a model "
        "hub name, of Pix2Struct's kind (DePlot) or with DocTags (Granite-Docling); empty for none.",
    )
    chart_model_revision: str = Field(
        default="", description="Commit of that hub name, 40 digits; nothing is downloaded without it."
    )
    chart_model_tokens: Annotated[int, Field(ge=32, le=8_192)] = Field(
        default=512, description="Longest table of a chart model, in its tokens."
    )
    chart_model_batch: Annotated[int, Field(ge=1, le=256)] = Field(
        default=4, description="Most charts that a chart model reads together."
    )
    chart_model_seconds: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=120, description="Seconds a chart model has for those; then they are read without it."
    )
    openai_base_url: str = Field(
        default="", description="Address of an OpenAI-compatible server; empty for OpenAI's own."
    )
    openai_api_key: SecretStr = Field(default=SecretStr(""), description="Key for that server.")
    openai_context_tokens: Annotated[int, Field(ge=500, le=200_000)] = Field(
        default=6_000, description="Longest prompt for that server, in tokens (estimated)."
    )
    openai_dollars_a_day: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Most that server's answers may cost in a UTC day, in dollars; 0 for no limit."
    )
    openai_price_read: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Its price for a million tokens that are read, in dollars."
    )
    openai_price_written: Annotated[float, Field(ge=0)] = Field(
        default=0, description="Its price for a million tokens that are written, in dollars."
    )
    max_question_chars: Annotated[int, Field(ge=100, le=100_000)] = Field(
        default=8_000, description="Longest question, in characters."
    )
    max_file_bytes: Annotated[int, Field(ge=1_000)] = Field(
        default=100 * MiB, description="Largest file that is read, in bytes."
    )
    max_pages: Annotated[int, Field(ge=1)] = Field(
        default=5_000, description="Most pages of one document that are read."
    )
    max_image_bytes: Annotated[int, Field(ge=1_000)] = Field(
        default=20 * MiB, description="Largest picture that is read, in bytes."
    )
    max_image_pixels: Annotated[int, Field(ge=10_000)] = Field(
        default=40_000_000, description="Largest picture that is read, in pixels (width x height)."
    )
    max_text_chars: Annotated[int, Field(ge=1_000)] = Field(
        default=30_000_000, description="Most text of one document that is read, in characters."
    )
    reading_processes: Annotated[int, Field(ge=1, le=64)] = Field(
        default_factory=lambda: min(_usable_cpus(), 8),
        description="Most files that are read at a time, each in a process of its own.",
    )
    reading_memory_bytes: Annotated[int, Field(ge=300_000_000)] = Field(
        default=1_000_000_000, description="Most memory of a process that reads a file, in bytes."
    )
    reading_page_seconds: Annotated[float, Field(gt=0)] = Field(
        default=60, description="Longest time until the next page of a file is read, in seconds."
    )
    reading_seconds: Annotated[float, Field(gt=0)] = Field(
        default=1_800, description="Longest time that one file is read, in seconds."
    )
    reading_answer_bytes: Annotated[int, Field(ge=MiB)] = Field(
        default=256 * MiB, description="Most text and pictures taken from one file, in bytes."
    )
    max_attachments: Annotated[int, Field(ge=1)] = Field(
        default=10, description="Most attachments of one question that are read."
    )
    chunk_tokens: Annotated[int, Field(ge=32, le=512)] = Field(
        default=160, description="Target size of a chunk, in the embedder's tokens."
    )
    exact_search_rows: Annotated[int, Field(ge=0)] = Field(
        default=10_000,
        description="Up to this many chunks a collection is searched exactly.",
    )
    large_index: Literal["scan", "hnsw"] = Field(
        default="scan",
        description="How vectors are searched beyond that: a scan of short codes, or an HNSW graph.",
    )
    index_memory_bytes: Annotated[int, Field(ge=MiB)] = Field(
        default=2048 * MiB,
        description="About how many bytes open indexes may take; beyond, the least used are dropped.",
    )
    faiss_device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto", description="Where FAISS builds indexes; auto takes a GPU if it can use one."
    )
    compact_after_seconds: Annotated[float, Field(ge=0)] = Field(
        default=60,
        description="Seconds after the last removal or update until the data folder is compacted.",
    )
    rerank_model: str = Field(
        default="",
        description="Cross-encoder that orders the best candidates: a folder, or a name in the local "
        "Hugging Face cache; empty for none.",
    )
    rerank_candidates: Annotated[int, Field(ge=2, le=500)] = Field(
        default=50, description="How many candidates the cross-encoder reads for a question."
    )
    entailment_model: str = Field(
        default="",
        description="Cross-encoder for natural language inference that checks phrased answers: a folder, or "
        "a name in the local Hugging Face cache; empty to check them by words.",
    )
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        default=256 * MiB, description="Size limit of the answer cache, in bytes; 0 turns it off."
    )
    threads: Annotated[int, Field(ge=1)] = Field(
        default_factory=_usable_cpus, description="Threads for embedding and OCR."
    )
    slack_bot_token: SecretStr = Field(
        default=SecretStr(""),
        description="Slack: the Bot User OAuth Token (xoxb-...); SLACK_BOT_TOKEN is read, too.",
    )
    slack_app_token: SecretStr = Field(
        default=SecretStr(""),
        description="Slack, Socket Mode: the App-Level Token (xapp-...); SLACK_APP_TOKEN is read, too.",
    )
    slack_signing_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Slack, HTTP: the Signing Secret; SLACK_SIGNING_SECRET is read, too.",
    )
    slack_client_id: str = Field(
        default="",
        description="Slack, several workspaces: the Client ID; SLACK_CLIENT_ID is read, too.",
    )
    slack_client_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Slack, several workspaces: the Client Secret; SLACK_CLIENT_SECRET is read, too.",
    )
    slack_token_key: SecretStr = Field(
        default=SecretStr(""),
        description="Slack, several workspaces: the key of stored tokens; empty makes a key file.",
    )
    slack_transport: Literal["auto", "socket", "http"] = Field(
        default="auto",
        description="How Slack reaches the bot; auto takes Socket Mode where there is an app token.",
    )
    slack_host: str = Field(default="127.0.0.1", description="Slack, HTTP: the address to listen on.")
    slack_port: Annotated[int, Field(ge=1, le=65_535)] = Field(
        default=3_000, description="Slack, HTTP: the port to listen on."
    )
    slack_share_port: bool = Field(
        default=False,
        description="Slack, HTTP: let several bots on one data folder listen on this port; the system gives "
        "each request to one of them.",
    )
    slack_api_url: str = Field(
        default="https://slack.com/api/", description="Slack's Web API; GovSlack has another address."
    )
    discord_token: SecretStr = Field(
        default=SecretStr(""),
        description="Discord: the bot's token; DISCORD_TOKEN is read, too.",
    )
    discord_message_content: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Discord: whether the bot hears what is said without a mention (follow-ups, forum "
        "posts); auto where the application's Message Content Intent is switched on.",
    )
    discord_shards: str = Field(
        default="",
        description="Discord: the shards that this process holds, as 0-3/8 for the first four of eight, "
        "where several bots on one data folder share the servers; empty for all that Discord recommends.",
    )
    discord_api_url: str = Field(
        default="https://discord.com/api/v10", description="Discord's HTTP API; a proxy has another address."
    )
    bot_admins: str = Field(
        default="",
        description="Chat bots: user ids of those who look after the bot, with commas between; empty "
        "takes the workspace's admins, or whoever may manage the Discord server.",
    )
    bot_adders: Literal["everyone", "admins"] = Field(
        default="everyone", description="Chat bots: who may add and remove documents."
    )
    bot_link_hosts: str = Field(
        default="",
        description="Chat bots: hosts and networks of your own whose links may be added besides those of the "
        "public web, with commas: wiki.corp.example, *.intra.example, 10.20.0.0/16.",
    )
    bot_ask_human: str = Field(
        default="",
        description="Chat bots: the id of the user group or person to ask where no answer is known, of a "
        "Discord role with & before it; empty for none.",
    )
    bot_questions_a_day: Annotated[int, Field(ge=0)] = Field(
        default=500, description="Chat bots: most questions of a person in 24 hours; 0 for no limit."
    )
    bot_ratings_an_hour: Annotated[int, Field(ge=0)] = Field(
        default=120, description="Chat bots: most ratings of a person in an hour; 0 for no limit."
    )
    bot_corrections_a_day: Annotated[int, Field(ge=0)] = Field(
        default=30, description="Chat bots: most corrections of a person in 24 hours; 0 for no limit."
    )
    bot_approvals: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2,
        description="Chat bots: how many people must approve a correction where no admin does; 0 for none.",
    )
    bot_answering: Annotated[int, Field(ge=1, le=4)] = Field(
        default=2, description="Chat bots: how many questions are worked on at once."
    )
    bot_answer_seconds: Annotated[float, Field(ge=1)] = Field(
        default=180, description="Chat bots: after so many seconds a question is apologised for."
    )
    bot_stalled_seconds: Annotated[float, Field(ge=10)] = Field(
        default=60,
        description="Chat bots: after so many seconds without a sign of life of a bot, another one on the "
        "same data folder takes its questions over; of one that has ended, at once.",
    )
    serve_host: Annotated[str, Field(min_length=1)] = Field(
        default="127.0.0.1",
        description="mmrag serve: the address to listen on; beyond this machine needs an API key.",
    )
    serve_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=8_000, description="mmrag serve: the port to listen on; 0 takes a free one."
    )
    serve_answering: Annotated[int, Field(ge=1, le=512)] = Field(
        default=16, description="mmrag serve: how many questions are worked on at once; others wait."
    )
    serve_waiting: Annotated[int, Field(ge=0)] = Field(
        default=1_000, description="mmrag serve: most requests that wait; then a client is told to come back."
    )
    serve_adding: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="mmrag serve: how many uploads are read and stored at once; others wait."
    )
    serve_request_bytes: Annotated[int, Field(ge=10_000)] = Field(
        default=256 * MiB, description="mmrag serve: largest request, in bytes."
    )
    serve_client_at_once: Annotated[int, Field(ge=1)] = Field(
        default=256, description="mmrag serve: most requests of one client at a time."
    )
    serve_client_a_minute: Annotated[int, Field(ge=0)] = Field(
        default=3_000, description="mmrag serve: most requests of one client in a minute; 0 for no limit."
    )
    serve_shutdown_seconds: Annotated[int, Field(ge=1)] = Field(
        default=60, description="mmrag serve: longest time to finish what was begun when it is stopped."
    )
    engine_key: SecretStr = Field(
        default=SecretStr(""), description="Chat bots with --engine URL: the API key for that engine."
    )
    engine_patience_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        default=20,
        description="Chat bots with --engine URL: how long to try again while the engine is away.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^$|^https?://[^\s/?#@]+(/[^\s?#]*)?$",
        description="Address at which people reach `mmrag serve`, as https://answers.example.com; citations "
        "then link to the pages they quote. Empty for no links.",
    )
    link_days: Annotated[float, Field(gt=0, le=3_650)] = Field(
        default=30, description="Days that the link of a citation holds."
    )
    link_scope: Literal["document", "page"] = Field(
        default="document",
        description="What the link of a citation opens: the whole document that is cited, or the page alone.",
    )
    keep_originals: bool = Field(
        default=False,
        description="Whether files are kept as they were added, to be downloaded where they are cited; the "
        "store grows by their size, and is rewritten whole when it is compacted.",
    )
    insight_days: Annotated[float, Field(ge=0, le=3_650)] = Field(
        default=365,
        description="Days that it is known when something was asked and how that went, for /admin; the "
        "words of a question are kept with its answer, not here.",
    )
    admin_sso_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        description="/admin: the header in which a proxy names the person who signed in; empty for none.",
    )
    admin_sso_proxies: str = Field(
        default="",
        description="/admin: addresses or networks of the proxies whose header is believed, with commas.",
    )
    admin_sso_users: str = Field(
        default="",
        description="/admin: who may enter by single sign-on, with commas; ana=team+sales sees these two "
        "collections only.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="What is logged to standard error; never message text."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then `mmrag.toml` in the current folder."""
        del dotenv_settings, file_secret_settings
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, init_kwargs=_platform_environment()),
            TomlConfigSettingsSource(settings_cls, toml_file=CONFIG_FILE),
        )


# The names that the platforms' own documentation uses.
PLATFORM_VARIABLES = tuple(
    "SLACK_BOT_TOKEN SLACK_APP_TOKEN SLACK_SIGNING_SECRET SLACK_CLIENT_ID SLACK_CLIENT_SECRET "
    "DISCORD_TOKEN".split()
)


def _platform_environment() -> dict[str, Any]:
    return {name.lower(): os.environ[name] for name in PLATFORM_VARIABLES if os.environ.get(name)}


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - the values are checked by pydantic
    """Read the settings. Raises InvalidSettings naming each faulty one and where it is set."""
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("MMRAG_") and name.removeprefix("MMRAG_").lower() not in Settings.model_fields
    )
    if unknown:
        raise InvalidSettings(
            f"There is no setting {', '.join(unknown)}: `mmrag doctor --settings` lists those there are."
        )
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise InvalidSettings(" ".join(_explain(fault) for fault in error.errors())) from None
    except (SettingsError, ValueError) as error:  # ValueError: mmrag.toml is not TOML
        raise InvalidSettings(f"The settings could not be read: {error}.") from None


def _explain(fault: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails lives in its core package
    name = str(fault["loc"][0])
    message = f"{fault['msg'][0].lower()}{fault['msg'][1:]}"
    if fault["type"] == "extra_forbidden":
        return f"{CONFIG_FILE} has a key {name!r} that is no setting: remove it or correct its spelling."
    place = f"MMRAG_{name.upper()}" if f"MMRAG_{name.upper()}" in os.environ else f"{name} in {CONFIG_FILE}"
    return f"{place} cannot be used: {message}."


def source_of(name: str) -> str:
    """Where the value of a setting comes from: the environment, the file, or its default."""
    if f"MMRAG_{name.upper()}" in os.environ or name in _platform_environment():
        return "environment"
    path = Path(CONFIG_FILE)
    if path.is_file() and name in tomllib.loads(path.read_text(encoding="utf-8")):
        return CONFIG_FILE
    return "default"
