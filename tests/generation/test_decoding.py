"""The decode loop and its scheduler, by what they promise; the full count of prompts is in tests/trust."""

from __future__ import annotations

import itertools
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText

from mmrag.generation.decoding.cache import CacheShape, KeyValueCache
from mmrag.generation.decoding.language_model import Prefix
from mmrag.generation.decoding.linear import Int8Linear
from mmrag.generation.decoding.lookup import LookUp
from mmrag.generation.decoding.loop import DecodeLoop, Options
from mmrag.generation.decoding.opt import OptDecoder
from mmrag.generation.decoding.scheduler import Scheduler
from mmrag.generation.decoding.streams import DecodingFailed
from mmrag.generation.decoding.t5 import T5Decoder, distance_buckets
from tests.generation.checkpoints import make_checkpoint

SMALL = Options(rows=4, read=64, written=16, look_up=3, bucket=16)
DECODERS = {"blip2-opt": OptDecoder, "blip2-t5": T5Decoder}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        family: AutoModelForImageTextToText.from_pretrained(make_checkpoint(family, folder / family)).eval()
        for family in DECODERS
    }


@pytest.fixture
def prefixes(models):
    """Prompts of a model by their tokens."""

    def make(family, *prompts):
        embed = models[family].get_input_embeddings()
        with torch.inference_mode():
            return [Prefix(embed(torch.tensor(tokens)), tuple(tokens)) for tokens in prompts]

    return make


PROMPTS = [list(range(5 + at, 5 + at + length)) for at, length in enumerate((3, 20, 7, 33, 12, 50))]
LIMITS = [16, 2, 9, 16, 1, 12]


def outputs(loop, prefixes):
    return loop.run(prefixes, most=LIMITS, stops={2})


@given(tokens=st.lists(st.integers(0, 3), max_size=40), width=st.integers(1, 5))
def test_a_draft_is_what_followed_the_longest_ending_that_was_seen_before(tokens, width):
    draft = LookUp(tokens).draft(width)
    expected = []
    for length in range(min(3, len(tokens)), 0, -1):
        places = [at for at in range(length, len(tokens)) if tokens[at - length : at] == tokens[-length:]]
        if places:
            expected = tokens[places[-1] : places[-1] + width]
            break
    assert draft == expected


@pytest.mark.parametrize("family", DECODERS)
def test_a_batch_that_rows_leave_and_join_says_what_each_says_alone(family, models, prefixes):
    model = DECODERS[family](models[family].language_model)
    prompts = prefixes(family, *PROMPTS)
    alone = [
        DecodeLoop(model, Options(rows=1, read=64, written=16, look_up=0)).run(
            [prompt], most=[limit], stops={2}
        )[0]
        for prompt, limit in zip(prompts, LIMITS, strict=True)
    ]
    assert outputs(DecodeLoop(model, SMALL), prompts) == alone


def test_look_up_takes_fewer_steps_where_the_answer_repeats_itself(models, prefixes):
    prompts = prefixes("blip2-opt", [7, 8, 9] * 15)
    model = OptDecoder(models["blip2-opt"].language_model)
    loops = [DecodeLoop(model, Options(rows=1, read=64, written=64, look_up=width)) for width in (0, 4)]
    said = [loop.run(prompts, most=[64], stops=()) for loop in loops]
    assert said[0] == said[1]
    assert loops[1].steps < loops[0].steps


@pytest.mark.parametrize("family", DECODERS)
def test_a_cache_in_8_bits_decodes_rows_that_leave_and_join(family, models, prefixes):
    model = DECODERS[family](models[family].language_model, int8_cache=True)
    prompts = prefixes(family, *PROMPTS)
    alone = [
        DecodeLoop(model, Options(rows=1, read=64, written=16, look_up=0)).run(
            [prompt], most=[limit], stops={2}
        )[0]
        for prompt, limit in zip(prompts, LIMITS, strict=True)
    ]
    assert outputs(DecodeLoop(model, SMALL), prompts) == alone


@given(seed=st.integers(0, 99), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_cache_in_8_bits_is_off_by_half_a_step_at_most_and_takes_about_half_of_bf16(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    shape = CacheShape(layers=2, rows=3, heads=2, length=8, head_dim=64)
    exact, small = (
        KeyValueCache(shape, dtype=dtype, device=torch.device("cpu"), int8=int8)
        for dtype, int8 in ((torch.bfloat16, False), (torch.float32, True))
    )
    keys, values = (scale * torch.randn(2, 2, 3, 64, generator=generator) for _ in range(2))
    small.write(1, torch.tensor([0, 2]), torch.tensor([[0, 1, 2], [3, 4, 5]]), keys, values)
    for written, read in zip((keys, values), small.read(1, 3, 8), strict=True):
        step = written.abs().amax(-1, keepdim=True) / 127
        assert ((read[0, :, :3] - written[0]).abs() <= 0.501 * step[0]).all()
        assert ((read[2, :, 3:6] - written[1]).abs() <= 0.501 * step[1]).all()
    assert small.nbytes < 0.6 * exact.nbytes


@given(
    rows=st.integers(1, 6),
    width=st.integers(1, 9),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
)
def test_weights_in_8_bits_are_off_by_half_a_step_at_most(rows, width, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(rows, width, generator=generator)
    inputs = torch.eye(width)
    step = weight.abs().amax(1) / 127
    error = (Int8Linear(weight, None)(inputs).T - weight).abs()
    assert (error <= 0.501 * step[:, None]).all()


def test_distances_fall_into_the_buckets_of_transformers(models):
    attention = models["blip2-t5"].language_model.decoder.block[0].layer[0].SelfAttention
    with torch.inference_mode():
        expected = attention.compute_bias(600, 600)[0, :, -1].flip(-1).T  # (distance, heads)
        ours = attention.relative_attention_bias(distance_buckets(torch.arange(600), 32, 128))
    assert torch.equal(ours, expected)


def test_what_does_not_fit_is_refused(models, prefixes):
    loop = DecodeLoop(OptDecoder(models["blip2-opt"].language_model), SMALL)
    (prompt,) = prefixes("blip2-opt", list(range(65)))
    with pytest.raises(ValueError, match="65 tokens and 64 fit"):
        loop.join([prompt], most=[4], stops=())
    with pytest.raises(ValueError, match="17 tokens are to be written and 16 fit"):
        loop.join(prefixes("blip2-opt", [5, 6]), most=[17], stops=())


class SmallDevice(OptDecoder):
    """A device whose memory suffices for few rows at once."""

    fits = 4

    def step(self, tokens, lengths, *, span):
        if len(tokens) > self.fits:
            raise torch.OutOfMemoryError
        return super().step(tokens, lengths, span=span)


@pytest.fixture
def scheduler(models, prefixes):
    """A scheduler over token lists, on a device of this class."""
    made = []

    def start(kind=OptDecoder, **options):
        loop = DecodeLoop(
            kind(models["blip2-opt"].language_model), Options(read=64, written=16, bucket=16, **options)
        )
        made.append(Scheduler(loop, encode=lambda prompts: prefixes("blip2-opt", *prompts), stops={2}))
        return made[-1]

    yield start
    for each in made:
        each.close()


def submitted(scheduler, prompts, seconds=30.0):
    return [scheduler.submit(prompt, tokens=len(prompt), most=16, seconds=seconds) for prompt in prompts]


def collected(streams):
    return [list(itertools.chain.from_iterable(stream)) for stream in streams]


def test_too_little_memory_halves_the_batch_and_no_answer_changes(scheduler):
    expected = collected(submitted(scheduler(rows=1), PROMPTS * 3))
    small = scheduler(SmallDevice, rows=16)
    assert collected(submitted(small, PROMPTS * 3)) == expected
    assert small.capacity == SmallDevice.fits


def test_a_question_that_does_not_fit_at_all_fails_alone(scheduler):
    class NoMemory(SmallDevice):
        fits = 0

    tiny = scheduler(NoMemory, rows=2)
    for stream in submitted(tiny, PROMPTS[:3]):
        with pytest.raises(DecodingFailed, match="too little memory"):
            list(stream)
    NoMemory.fits = 1
    assert collected(submitted(tiny, PROMPTS[:1])) == collected(submitted(scheduler(rows=1), PROMPTS[:1]))


def test_a_question_that_is_withdrawn_leaves_and_the_others_go_on(scheduler):
    go_on = threading.Event()

    class Waits(OptDecoder):
        def step(self, tokens, lengths, *, span):
            go_on.wait(30)
            return super().step(tokens, lengths, span=span)

    expected = collected(submitted(scheduler(rows=1), PROMPTS))
    running = submitted(scheduler(Waits, rows=6), PROMPTS)
    running[1].cancel()
    go_on.set()
    assert collected(running[:1] + running[2:]) == expected[:1] + expected[2:]
    with pytest.raises(DecodingFailed):
        collected(running[1:2])


def test_a_device_that_hangs_holds_nobody_beyond_the_deadline(scheduler):
    released = threading.Event()

    class Hangs(OptDecoder):
        def step(self, tokens, lengths, *, span):
            released.wait(30)
            return super().step(tokens, lengths, span=span)

    (stream,) = submitted(scheduler(Hangs, rows=1), PROMPTS[:1], seconds=0.3)
    try:
        with pytest.raises(DecodingFailed, match="in time"):
            list(stream)
    finally:
        released.set()


def test_a_fault_fails_those_that_run_and_not_those_that_come(scheduler):
    class Faulty(OptDecoder):
        faults = 1

        def step(self, tokens, lengths, *, span):
            if Faulty.faults:
                Faulty.faults -= 1
                raise RuntimeError
            return super().step(tokens, lengths, span=span)

    faulty = scheduler(Faulty, rows=1)
    with pytest.raises(DecodingFailed, match="failed"):
        collected(submitted(faulty, PROMPTS[:1]))
    assert collected(submitted(faulty, PROMPTS[:1])) == collected(submitted(scheduler(rows=1), PROMPTS[:1]))


def test_what_waits_when_the_scheduler_is_closed_is_told(scheduler):
    closed = scheduler(rows=1)
    streams = submitted(closed, PROMPTS * 5)
    closed.close()
    with pytest.raises(DecodingFailed, match="shut down"):
        collected(streams)
    with pytest.raises(DecodingFailed, match="shut down"):
        submitted(closed, PROMPTS[:1])
