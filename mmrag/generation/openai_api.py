"""Models behind an OpenAI-compatible server: OpenAI's own, vLLM, Ollama, `transformers serve` and others.

Chat completions with pictures as data URLs, streamed. What leaves this machine: the question, the
thread, the passages that were found and the attached pictures, to the one address that is set.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

from mmrag.errors import GenerationFailed
from mmrag.generation.drafts import claims_of, draft_of
from mmrag.generation.inert import Inert
from mmrag.generation.prompting import CHAT, PROMPT_VERSION, written
from mmrag.ports import unheard
from mmrag.text.words import is_han
from mmrag.wire import picture_type

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from openai.types.chat import ChatCompletionChunk

    from mmrag.generation.spending import Spending
    from mmrag.ports import ClaimListener
    from mmrag.types import Claim, Draft, Picture, Prompt

_RETRIES = 2  # of a connection that fails, a 429 or a 5xx; the client waits between them
_MOST_PICTURES = 4
_PICTURE_TOKENS = 1_500  # about what the dearest models charge for a picture
_CHARACTERS_A_TOKEN = (
    3  # of other than Chinese text: fewer than the average, so that the estimate is not too low
)
_OPTIONAL = {"temperature", "seed", "max_tokens", "max_completion_tokens", "stream_options"}


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """Where the model is and what it may take: tokens read and written, seconds for an answer."""

    model: str
    base_url: str
    read_tokens: int
    most_tokens: int
    seconds: float


class OpenAIGenerator:
    """Asks a server. Implements `ports.Generator`; safe to use from many threads."""

    name = "openai"

    def __init__(self, options: OpenAIOptions, *, key: str, spending: Spending | None) -> None:
        self.model = options.model
        self.version = f"{PROMPT_VERSION} {options.base_url} {options.read_tokens} {options.most_tokens}"
        self._options = options
        self._spending = spending
        self._inert = Inert()
        self._refused: frozenset[str] = frozenset()  # parameters that this server does not know
        self._client = openai.OpenAI(
            api_key=key or "none",  # local servers want none, the client wants one
            base_url=options.base_url or None,
            timeout=options.seconds / (1 + _RETRIES),
            max_retries=_RETRIES,
        )

    def generate(self, prompt: Prompt, *, drafted: ClaimListener = unheard) -> Draft:
        return draft_of(self.claims(prompt), drafted)

    def claims(self, prompt: Prompt) -> Generator[Claim, None, None]:
        """The draft's claims, each as soon as it is whole."""
        ending: list[str] = []
        return claims_of(self.texts(prompt, ending), cut_off=lambda: "length" in ending)

    def texts(self, prompt: Prompt, ending: list[str]) -> Iterator[str]:
        """The answer's text as it comes; how it ended is appended to `ending`. Raises GenerationFailed."""
        text = written(
            prompt, CHAT, count=estimated_tokens, budget=self._options.read_tokens, inert=self._inert
        )
        pictures = prompt.pictures[:_MOST_PICTURES]
        read = estimated_tokens(text) + _PICTURE_TOKENS * len(pictures)
        reserved = self._spending.reserve(read, self._options.most_tokens) if self._spending else 0
        deadline = time.monotonic() + self._options.seconds
        try:
            with self._asked(text, pictures) as chunks:
                for chunk in chunks:
                    if time.monotonic() > deadline:
                        raise GenerationFailed("it did not answer in time")
                    if chunk.usage and self._spending:
                        self._spending.settle(
                            reserved, chunk.usage.prompt_tokens, chunk.usage.completion_tokens
                        )
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content
                        if choice.finish_reason:
                            ending.append(choice.finish_reason)
        except openai.OpenAIError as error:
            raise GenerationFailed(explained(error)) from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _asked(self, text: str, pictures: tuple[Picture, ...]) -> openai.Stream[ChatCompletionChunk]:
        content: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(picture)}} for picture in pictures
        ]
        content.append({"type": "text", "text": text})
        # OpenAI's newer models know the longer name alone, most other servers the shorter one.
        limit = "max_tokens" if self._options.base_url else "max_completion_tokens"
        parameters: dict[str, Any] = {
            "model": self._options.model,
            "messages": [{"role": "user", "content": content}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "seed": 0,
            limit: self._options.most_tokens,
        }
        while True:
            known = {name: value for name, value in parameters.items() if name not in self._refused}
            try:
                return self._client.chat.completions.create(**known)  # type: ignore[no-any-return] # overloads want literals
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                unknown = _refused_parameters(error) & known.keys()
                if not unknown:
                    raise
                self._refused |= unknown


def _refused_parameters(error: openai.APIStatusError) -> frozenset[str]:
    """Which optional parameter a server complains about: servers differ in what they know."""
    named = str(error.param or "")
    complaint = f"{named} {error.message}"
    return frozenset(
        name for name in _OPTIONAL if name == named or f"'{name}'" in complaint or f'"{name}"' in complaint
    )


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many: a Chinese character counts as one."""
    chinese = sum(map(is_han, text))
    return chinese + -(-(len(text) - chinese) // _CHARACTERS_A_TOKEN)


def data_url(picture: Picture) -> str:
    """The picture's bytes as a URL that holds them."""
    return f"data:{picture_type(picture.data)};base64,{base64.b64encode(picture.data).decode()}"


_EXPLANATIONS: tuple[tuple[type[openai.OpenAIError], str], ...] = (
    (openai.APITimeoutError, "it did not answer in time"),
    (openai.APIConnectionError, "its server cannot be reached"),
    (openai.AuthenticationError, "its server refused the key"),
    (openai.PermissionDeniedError, "its server refused the key"),
    (openai.NotFoundError, "its server does not know this model"),
    (openai.RateLimitError, "its server is overloaded, or the quota is used up"),
)


def explained(error: openai.OpenAIError) -> str:
    """What to tell of an error: never the server's own words, which may hold the question or the key."""
    for kind, explanation in _EXPLANATIONS:
        if isinstance(error, kind):
            return explanation
    if isinstance(error, openai.APIStatusError):
        return f"its server answered with status {error.status_code}"
    return f"its server's answer could not be read ({type(error).__name__})"
