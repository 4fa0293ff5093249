"""Any model behind `AutoModelForImageTextToText`: Idefics 1 to 3, LLaVA and others, by transformers' own `generate`.

Questions of about one length and with equally many pictures are answered together; each has its
stream, its deadline and can be withdrawn. Greedy, like the decode loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrag.checkpoints.loading import stop_ids
from mmrag.errors import GenerationFailed
from mmrag.generation.decoding.streams import Cancelled, DeadlinePassed, DecodingFailed, Stream
from mmrag.generation.families import InstructBlip, family_of
from mmrag.generation.inert import Inert
from mmrag.generation.local import Tokens, opened, special_tokens
from mmrag.generation.prompting import CHAT, PLAIN, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from mmrag.checkpoints.finding import Checkpoint
    from mmrag.checkpoints.loading import Loaded
    from mmrag.generation.local import LocalOptions
    from mmrag.types import Picture, Prompt

_log = logging.getLogger(__name__)
_BUCKET = 256  # tokens: prompts of one bucket are padded to one length
_LONGEST_PROMPT = 4_096  # tokens, where a model has more room than that
_SHORTEST_CONTEXT = 1_024  # where it does not say how much it has
_PICTURE_TOKENS = 1_000  # room kept for a picture at most, never more than half of all


@dataclass(eq=False, slots=True)
class _Request:
    """A question that waits or is being answered."""

    text: str
    tokens: int
    pictures: tuple[Picture, ...]
    stream: Stream
    published: int = 0

    @property
    def bucket(self) -> tuple[int, int]:
        """Those that are alike in this are answered together."""
        return len(self.pictures), self.tokens // _BUCKET


class VisionLanguageModel:
    """Answers with a loaded model of any family. Implements `local.Served`."""

    def __init__(self, loaded: Loaded, checkpoint: Checkpoint, options: LocalOptions) -> None:
        self._loaded = loaded
        self._family = family_of(checkpoint.model_type)
        self._family.prepare(loaded.processor)
        self._layout = PLAIN if isinstance(self._family, InstructBlip) else CHAT
        self.tokenizer = loaded.processor.tokenizer
        self._tokens = Tokens(self.tokenizer)
        self._inert = Inert(special_tokens(self.tokenizer))
        self._options = options
        self._stops = stop_ids(loaded.model, getattr(loaded.model, "language_model", None))
        self._batch = options.batch
        self.batch_sizes: Counter[int] = Counter()  # batches, by how many questions each was for
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._closed = False
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="generating", daemon=True)
        self._thread.start()

    def submit(self, prompt: Prompt, *, seconds: float) -> Stream:
        since = self._busy_since
        if since is not None and time.monotonic() - since > 2 * self._options.seconds:
            raise GenerationFailed("it hangs")  # deadlines end a batch; one that goes on does not step at all
        pictures = prompt.pictures[: self._family.most_pictures]
        text = written(
            prompt,
            self._layout,
            count=self._tokens.count,
            budget=self._budget(len(pictures)),
            inert=self._inert,
        )
        stream = Stream(deadline=time.monotonic() + seconds)
        with self._changed:
            if self._closed:
                raise GenerationFailed("it was shut down")
            self._waiting.append(_Request(text, self._tokens.count(text), pictures, stream))
            self._changed.notify()
        return stream

    def decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=self._options.seconds)

    def _budget(self, pictures: int) -> int:
        config = self._loaded.model.config.get_text_config()
        room = min(getattr(config, "max_position_embeddings", None) or _SHORTEST_CONTEXT, _LONGEST_PROMPT)
        room -= self._options.most_tokens
        room -= min(pictures * _PICTURE_TOKENS, room // 2)
        return int(room * 0.95)  # the template's own tokens

    def _run(self) -> None:
        while batch := self._next_batch():
            self._busy_since = time.monotonic()
            try:
                self._answer(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is: whoever waits is told
                _log.exception("Generating failed")
                for request in batch:
                    request.stream.end(DecodingFailed(f"it failed ({type(error).__name__})"))
            finally:
                self._busy_since = None
        with self._changed:
            for request in self._waiting:
                request.stream.end(DecodingFailed("it was shut down"))
            self._waiting.clear()

    def _next_batch(self) -> list[_Request]:
        """The oldest that waits and those like it; empty when closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return []
                for request in [each for each in self._waiting if each.stream.withdrawn]:
                    self._waiting.remove(request)
                    request.stream.end(DeadlinePassed())
                if self._waiting:
                    break
            first = self._waiting[0]
            batch = [each for each in self._waiting if each.bucket == first.bucket][: self._batch]
            for request in batch:
                self._waiting.remove(request)
            return batch

    def _answer(self, batch: Sequence[_Request]) -> None:
        """Answer a batch; in halves where memory does not suffice, and in such from then on."""
        import torch  # noqa: PLC0415 - heavy: seconds

        try:
            self._generate(batch)
        except torch.OutOfMemoryError:
            half = len(batch) // 2
            _log.warning("Out of memory with %d questions together", len(batch))
            if not half:
                batch[0].stream.end(DecodingFailed("the device has too little memory for it"))
                return
            self._batch = half
            self._answer(batch[:half])
            self._answer(batch[half:])

    def _generate(self, batch: Sequence[_Request]) -> None:
        from transformers import StoppingCriteriaList  # noqa: PLC0415 - heavy: seconds

        self.batch_sizes[len(batch)] += 1
        rows = [(request.text, [opened(picture) for picture in request.pictures]) for request in batch]
        inputs = {
            name: self._on_device(value)
            for name, value in self._family.inputs(self._loaded.processor, rows).items()
        }
        streams = _Streams(batch, self._stops, most=self._options.most_tokens)
        self._family.generate(
            self._loaded.model,
            inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=self._options.most_tokens,
            streamer=streams,
            stopping_criteria=StoppingCriteriaList([streams.withdrawn]),
        )

    def _on_device(self, value: Any) -> Any:  # noqa: ANN401 - a tensor, or what a family hands its model besides
        import torch  # noqa: PLC0415 - heavy: seconds

        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._loaded.device, self._loaded.dtype if value.is_floating_point() else None)


class _Streams:
    """Hands each row's tokens to its stream: a streamer and a stopping criterion of transformers' `generate`."""

    def __init__(self, batch: Sequence[_Request], stops: frozenset[int], *, most: int) -> None:
        self._batch = batch
        self._stops = stops
        self._most = most
        self._said = [0] * len(batch)
        self._ended = [False] * len(batch)
        self._prompt_is_next = True  # `generate` hands the prompt on first

    def put(self, value: Tensor) -> None:
        """The prompt (B, n), then one token for each row (B,) in every step."""
        if self._prompt_is_next:
            self._prompt_is_next = False
            return
        for number, token in enumerate(value.reshape(-1).tolist()):
            self._say(number, token)

    def end(self) -> None:
        """Every row has ended, or none goes on."""
        for number, request in enumerate(self._batch):
            if not self._ended[number]:
                request.stream.end(Cancelled() if request.stream.withdrawn else None)

    def withdrawn(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:  # noqa: ANN401 - transformers' interface
        """Which rows (B,) nobody waits for any more: they end."""
        import torch  # noqa: PLC0415 - heavy: seconds

        del scores
        gone = [request.stream.withdrawn for request in self._batch]
        return torch.tensor(gone, dtype=torch.bool, device=input_ids.device)

    def _say(self, number: int, token: int) -> None:
        if self._ended[number]:
            return
        request = self._batch[number]
        if token in self._stops:
            self._ended[number] = True
            request.stream.end()
            return
        self._said[number] += 1
        if self._said[number] > request.published:  # what was said before a batch was halved is known
            request.published += 1
            request.stream.put([token])
        if self._said[number] >= self._most:
            self._ended[number] = True
            request.stream.end(cut_off=True)
