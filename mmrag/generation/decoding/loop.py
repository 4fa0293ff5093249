"""The loop: rows join, advance together and leave. Token for token what greedy search says.

It knows no text and no thread. A step feeds each row its last token and, where look-up found
one, a draft of what follows; the part of the draft that the model would have said itself is kept
and the rest is rolled back by not counting it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from mmrag.generation.decoding.graphs import Stepper
from mmrag.generation.decoding.lookup import LookUp

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mmrag.generation.decoding.language_model import LanguageModel, Prefix


@dataclass(frozen=True, slots=True)
class Options:
    """How the loop works.

    `rows` decode together at most; `read` and `written` tokens fit one row; `look_up` tokens are
    drafted in a step (0: none) while at most `look_up_rows` decode: beyond, the device has better
    things to do. Prompts are padded, and attention looks, to multiples of `bucket` tokens.
    """

    rows: int = 8
    read: int = 1_024
    written: int = 128
    look_up: int = 4
    look_up_rows: int = 8
    bucket: int = 64
    compiled: bool = False


@dataclass(eq=False, slots=True)
class Row:
    """A question that is being answered: `output` is what was said so far, without the stop token."""

    most: int
    stops: frozenset[int]
    length: int
    pending: int
    read: int
    known: LookUp
    output: list[int]
    finished: bool = False

    def say(self, tokens: Sequence[int]) -> None:
        """Take in what the model says next, up to a stop token or the limit."""
        for token in tokens:
            if token in self.stops:
                self.finished = True
                return
            self.output.append(token)
            if len(self.output) >= self.most:
                self.finished = True
                return


class DecodeLoop:
    """Decodes rows together. Not safe to share between threads."""

    def __init__(self, model: LanguageModel, options: Options) -> None:
        self._model = model
        self.options = options
        self.rows: list[Row] = []  # row i of the caches
        self._capacity = 0
        self._stepper = Stepper(model.step, device=model.device, compiled=options.compiled)
        self.steps = 0
        self.reset(options.rows)

    @property
    def capacity(self) -> int:
        """How many rows there is memory for."""
        return self._capacity

    @property
    def free(self) -> int:
        """How many rows may still join."""
        return self._capacity - len(self.rows)

    @torch.inference_mode()
    def reset(self, rows: int) -> None:
        """Drop every row and start anew with room for so many."""
        self.rows = []
        self._capacity = rows
        self._stepper.forget()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()  # what graphs and failed steps held
        self._model.allocate(
            rows=rows, read=self.options.read, written=self.options.written, spare=self.options.look_up
        )

    def width(self, tokens: int) -> int:
        """The padded length of a prompt: those of one width are read together."""
        bucket = self.options.bucket
        return min(-(-tokens // bucket) * bucket, self.options.read)

    @torch.inference_mode()
    def join(self, prefixes: Sequence[Prefix], *, most: Sequence[int], stops: Collection[int]) -> list[Row]:
        """Read prompts of one width into free rows; each says at most its `most` tokens.

        Raises ValueError where a prompt or what is to be written does not fit.
        """
        for prefix, limit in zip(prefixes, most, strict=True):
            self._check(len(prefix.tokens), limit)
        first = len(self.rows)
        width = self.width(max(len(prefix.tokens) for prefix in prefixes))
        begun = self._model.begin(range(first, first + len(prefixes)), prefixes, width=width)
        joined = []
        for prefix, start, limit in zip(prefixes, begun, most, strict=True):
            row = Row(
                most=limit,
                stops=frozenset(stops),
                length=start.length,
                pending=start.token,
                read=len(prefix.tokens),
                known=LookUp(prefix.tokens),
                output=[],
            )
            row.known.extend([start.token])
            if start.said:
                row.say([start.token])
            joined.append(row)
        self.rows += joined
        return joined

    @torch.inference_mode()
    def step(self) -> None:
        """Every row says at least one more token."""
        drafts = self._drafts()
        width = 1 + (self.options.look_up if any(drafts) else 0)
        rows = 1 << (len(self.rows) - 1).bit_length()  # few shapes: each is a graph of its own
        rows = min(rows, self._capacity)
        tokens = [
            ([row.pending, *draft] + [0] * width)[:width]
            for row, draft in zip(self.rows, drafts, strict=True)
        ]
        tokens += [[0] * width] * (rows - len(self.rows))
        lengths = [row.length for row in self.rows] + [0] * (rows - len(self.rows))
        said = self._stepper(tokens, lengths, span=self._span(width))
        for row, draft, follows in zip(self.rows, drafts, said, strict=False):
            accepted = _accepted(draft, follows)
            row.length += len(accepted)
            row.pending = accepted[-1]
            row.known.extend(accepted)
            row.say(accepted)
        self.steps += 1

    def leave(self, row: Row) -> None:
        """Take a row out; the last one moves into its place."""
        place, last = self.rows.index(row), len(self.rows) - 1
        if place != last:
            with torch.inference_mode():
                self._model.move(last, place)
            self.rows[place] = self.rows[last]
        self.rows.pop()

    def run(
        self, prefixes: Sequence[Prefix], *, most: Sequence[int], stops: Collection[int]
    ) -> list[list[int]]:
        """The outputs of these prompts, decoded together as far as there is room."""
        waiting = list(range(len(prefixes)))
        rows: dict[int, Row] = {}
        while waiting or self.rows:
            while waiting and self.free:
                number = waiting.pop(0)
                (rows[number],) = self.join([prefixes[number]], most=[most[number]], stops=stops)
                self._retire()
            if self.rows:
                self.step()
                self._retire()
        return [rows[number].output for number in range(len(prefixes))]

    def _retire(self) -> None:
        for row in [row for row in self.rows if row.finished]:
            self.leave(row)

    def _drafts(self) -> list[list[int]]:
        if not self.options.look_up or len(self.rows) > self.options.look_up_rows:
            return [[] for _ in self.rows]
        return [row.known.draft(self.options.look_up) for row in self.rows]

    def _span(self, width: int) -> int:
        """How far attention looks in a step of this width; few lengths, each is a graph of its own."""
        if self._model.reads_apart:
            return self.width(max(row.read for row in self.rows))
        bucket = 4 * self.options.bucket
        longest = self.options.read + self.options.written + self.options.look_up
        return min(-(-(max(row.length for row in self.rows) + width) // bucket) * bucket, longest)

    def _check(self, read: int, written: int) -> None:
        if not 0 < read <= self.options.read:
            raise ValueError(f"a prompt has {read} tokens and {self.options.read} fit")
        if not 0 < written <= self.options.written:
            raise ValueError(f"{written} tokens are to be written and {self.options.written} fit")


def _accepted(draft: Sequence[int], follows: Sequence[int]) -> list[int]:
    """What the model says: as much of the draft as it agrees with, and one token more."""
    agreed = 0
    while agreed < len(draft) and draft[agreed] == follows[agreed]:
        agreed += 1
    return list(follows[: agreed + 1])
