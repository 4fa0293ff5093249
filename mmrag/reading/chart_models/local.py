"""A chart model over a checkpoint: loaded at the first chart, charts read in batches, failures told."""

from __future__ import annotations

import io
import logging
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmrag.checkpoints.loading import load, stop_ids
from mmrag.errors import GenerationFailed, UserFacingError
from mmrag.reading.chart_models.batches import Batches
from mmrag.reading.chart_models.families import family_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from PIL.Image import Image

    from mmrag.checkpoints.finding import Checkpoint
    from mmrag.checkpoints.loading import Loaded
    from mmrag.ports import TableOutcome
    from mmrag.types import ModelTable

ASKING_VERSION = "1"  # grows when the same picture would be shown, or its answer understood, otherwise
_HANGS = 3.0  # times what a batch may take, which ends when its next token is there
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChartModelOptions:
    """How it is run: tokens of a table, charts at a time, seconds for those of one batch."""

    most_tokens: int = 512
    batch: int = 4
    seconds: float = 120.0
    threads: int = 1
    most_pixels: int = 40_000_000


class LocalChartModel:
    """Reads charts with a checkpoint. Implements `ports.ChartModel`; safe to use from many threads.

    Raises InvalidSettings where the checkpoint reads no charts.
    """

    def __init__(self, checkpoint: Checkpoint, options: ChartModelOptions) -> None:
        self.version = f"{checkpoint.identity} {options.most_tokens} {ASKING_VERSION}"
        self.precision_reason = ""
        self._checkpoint = checkpoint
        self._options = options
        self._family = family_of(checkpoint)
        self._lock = threading.Lock()
        self._batches: Batches[bytes, TableOutcome] | None = None
        self._loaded: Loaded | None = None
        self._unusable: GenerationFailed | None = None
        self._busy_since: float | None = None
        self._most = options.batch  # charts that fit the memory together, as far as is known

    def tables(self, pictures: Sequence[bytes], *, seconds: float) -> Sequence[TableOutcome]:
        if not pictures:
            return []
        since = self._busy_since
        if since is not None and time.monotonic() - since > _HANGS * self._options.seconds:
            return [GenerationFailed("it hangs")] * len(pictures)  # its own limit ends a batch that goes on
        end = time.monotonic() + seconds
        futures = self._started().submit(pictures)
        return [_outcome(future, end) for future in futures]

    def close(self) -> None:
        with self._lock:
            self._unusable = GenerationFailed("it was shut down")
            if self._batches is not None:
                self._batches.close()
            self._loaded = None

    def _started(self) -> Batches[bytes, TableOutcome]:
        with self._lock:
            if self._batches is None:
                self._batches = Batches(self._read, most=self._options.batch)
                if self._unusable is not None:
                    self._batches.close()
            return self._batches

    # ------------------------------------------------------------- in the thread

    def _read(self, pictures: Sequence[bytes]) -> list[TableOutcome]:
        if self._unusable is not None:
            return [self._unusable] * len(pictures)
        try:
            loaded = self._ready()
        except UserFacingError as error:
            self._unusable = GenerationFailed(str(error).rstrip("."))
            return [self._unusable] * len(pictures)
        opened = [_opened(picture, self._options.most_pixels) for picture in pictures]
        tables = iter(
            self._in_parts(loaded, [each for each in opened if not isinstance(each, GenerationFailed)])
        )
        return [each if isinstance(each, GenerationFailed) else next(tables) for each in opened]

    def _ready(self) -> Loaded:
        """The model, loaded. Raises InvalidSettings."""
        if self._loaded is None:
            loaded = load(
                self._checkpoint,
                precision=self._family.precision,
                threads=self._options.threads,
                too_large="set chart_model to a smaller one",
            )
            self._family.prepare(loaded.processor)
            self.precision_reason = loaded.reason
            self._loaded = loaded
        return self._loaded

    def _in_parts(self, loaded: Loaded, pictures: Sequence[Image]) -> list[TableOutcome]:
        """As many together as memory suffices for; found out once, by halves."""
        import torch  # noqa: PLC0415 - heavy: seconds

        outcomes: list[TableOutcome] = []
        while len(outcomes) < len(pictures):
            part = pictures[len(outcomes) : len(outcomes) + self._most]
            self._busy_since = time.monotonic()
            try:
                outcomes += self._generated(loaded, part)
            except (torch.OutOfMemoryError, MemoryError):
                _log.warning("Out of memory with %d charts together", len(part))
                if len(part) == 1:
                    outcomes.append(GenerationFailed("the device has too little memory for it"))
                self._most = max(1, len(part) // 2)
            except Exception as error:  # noqa: BLE001 - of as many kinds as libraries: it costs these charts only
                _log.exception("Reading charts with a model failed")
                outcomes += [GenerationFailed(f"it failed ({type(error).__name__})")] * len(part)
            finally:
                self._busy_since = None
        return outcomes

    def _generated(self, loaded: Loaded, pictures: Sequence[Image]) -> list[TableOutcome]:
        import torch  # noqa: PLC0415 - heavy: seconds
        from transformers import MaxTimeCriteria, StoppingCriteriaList  # noqa: PLC0415 - as above

        inputs = {
            name: _on_device(value, loaded)
            for name, value in self._family.inputs(loaded.processor, pictures).items()
        }
        began = time.monotonic()
        with torch.inference_mode():
            written = loaded.model.generate(
                **inputs,
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._options.most_tokens,
                stopping_criteria=StoppingCriteriaList([MaxTimeCriteria(max_time=self._options.seconds)]),
            )
        is_late = time.monotonic() - began >= self._options.seconds
        asked = 0 if loaded.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [self._table(loaded, row[asked:].tolist(), is_late=is_late) for row in written]

    def _table(self, loaded: Loaded, tokens: Sequence[int], *, is_late: bool) -> TableOutcome:
        """What one row of tokens says: a table, or that it had no time to end."""
        tokenizer = loaded.processor.tokenizer
        stops = stop_ids(loaded.model) | {tokenizer.eos_token_id}
        begins = 1 if loaded.model.config.is_encoder_decoder else 0  # with the token that starts its decoder
        ends = [place for place, token in enumerate(tokens) if place >= begins and token in stops]
        if not ends and is_late:
            return GenerationFailed("it was not done in time")
        # Special tokens are kept: the tags of DocTags are such, and some tokenizers make line feeds such.
        text = tokenizer.decode(tokens[begins : ends[0] if ends else None], skip_special_tokens=False)
        table: ModelTable = self._family.parse(text, cut_off=not ends)
        return table


def _outcome(future: Future[TableOutcome], end: float) -> TableOutcome:
    try:
        return future.result(timeout=max(0.0, end - time.monotonic()))
    except CancelledError:
        return GenerationFailed("it was shut down")
    except TimeoutError:
        future.cancel()
        return GenerationFailed("there was no time left for it")
    except Exception as error:  # noqa: BLE001 - whatever a batch died of costs its charts only
        return GenerationFailed(f"it failed ({type(error).__name__})")


def _opened(data: bytes, most_pixels: int) -> Image | GenerationFailed:
    """A picture that the contained reader made; it is looked at with care, since that could be taken over."""
    from PIL import Image  # noqa: PLC0415 - heavy

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > most_pixels:
                return GenerationFailed("the picture is too large for it")
            return image.convert("RGB")
    except Exception as error:  # noqa: BLE001 - a damaged picture raises anything
        return GenerationFailed(f"the picture could not be opened ({type(error).__name__})")


def _on_device(value: Any, loaded: Loaded) -> Any:  # noqa: ANN401 - a tensor, or what a family hands its model besides
    import torch  # noqa: PLC0415 - heavy: seconds

    if not isinstance(value, torch.Tensor):
        return value
    return value.to(loaded.device, loaded.dtype if value.is_floating_point() else None)
