"""Tiny models of every family answer through the real path: settings, checkpoint, loading, batching."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmrag.checkpoints.finding import find_checkpoint
from mmrag.config import Settings
from mmrag.errors import GenerationFailed, InvalidSettings
from mmrag.generation.choice import choose_generator
from mmrag.generation.decoding.streams import DeadlinePassed
from mmrag.generation.families import Family
from mmrag.generation.local import LocalGenerator, LocalOptions, opened
from mmrag.generation.prompting import PLAIN, written
from mmrag.types import Chunk, Hit, Picture, Prompt
from tests.generation.checkpoints import FAMILIES, make_checkpoint
from tests.generation.pictures import noise

MOST = 10


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    return {family: make_checkpoint(family, folder / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def generators(checkpoints):
    """A generator of each family, as the settings choose it."""
    made = {}

    def make(family):
        if family not in made:
            settings = Settings(
                generator_model=str(checkpoints[family]), generator_tokens=MOST, generator_batch=4, threads=1
            )
            made[family], _ = choose_generator(settings, None)
        return made[family]

    yield make
    for generator in made.values():
        generator.close()


def question(number, *, pictures=0):
    texts = ("revenue rose to 42 million in Q3 2024", "a bar chart of sales " * (1 + number))
    hits = tuple(
        Hit(Chunk(at, "d", 1, 0, len(text), text), f"Title {at}", "test", at, 1.0, ("bm25",))
        for at, text in enumerate(texts, start=1)
    )
    shown = tuple(Picture(f"{at}.png", noise(10 * number + at)) for at in range(pictures))
    return Prompt(f"what is revenue {number}?", hits, (), shown)


def said(generator, prompt):
    return "".join(generator.texts(generator.stream(prompt)))


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_with_and_without_pictures_asked_together_are_answered_as_if_asked_alone(
    family, generators
):
    generator = generators(family)
    prompts = [question(number, pictures=number % 3) for number in range(7)]
    alone = [said(generator, prompt) for prompt in prompts]
    with ThreadPoolExecutor(len(prompts)) as pool:
        together = list(pool.map(lambda prompt: said(generator, prompt), prompts))
    assert together == alone
    assert len(set(alone)) > 1
    assert max(generator.batch_sizes) in range(2, 5)  # some were answered together, of at most four


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_changes_what_is_said(family, generators):
    generator = generators(family)
    plain = question(1)
    seen = {
        said(generator, Prompt(plain.question, plain.hits, (), (Picture("a", noise(seed)),)))
        for seed in (1, 2, 3)
    }
    assert len(seen | {said(generator, plain)}) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_arrives_in_pieces_and_can_be_withdrawn(family, generators):
    generator = generators(family)
    prompt = question(2, pictures=1)
    whole = said(generator, prompt)
    stream = generator.stream(prompt)
    pieces = generator.texts(stream)
    first = next(pieces, "")
    pieces.close()
    assert whole.startswith(first)
    assert stream.withdrawn
    assert said(generator, prompt) == whole  # the next question is not disturbed


@pytest.mark.parametrize("family", ["blip2-opt", "idefics3"])
def test_a_question_whose_time_is_over_fails_and_says_so(family, generators):
    served = generators(family).loaded()
    stream = served.submit(question(3), seconds=0.0)
    with pytest.raises(DeadlinePassed, match="in time"):
        list(stream)


def test_too_little_memory_halves_a_batch_and_no_answer_changes(checkpoints, generators, monkeypatch):
    prompts = [question(number) for number in range(7)]
    alone = [said(generators("idefics3"), prompt) for prompt in prompts]
    generate, refused = Family.generate, []
    first_has_begun, all_wait = threading.Event(), threading.Event()

    def on_a_small_device(family, model, inputs, **options):
        first_has_begun.set()
        assert all_wait.wait(30)
        if len(inputs["input_ids"]) > 1:
            refused.append(len(inputs["input_ids"]))
            raise torch.OutOfMemoryError
        generate(family, model, inputs, **options)

    monkeypatch.setattr(Family, "generate", on_a_small_device)
    options = LocalOptions(most_tokens=MOST, batch=4)
    small = LocalGenerator("vlm", find_checkpoint(str(checkpoints["idefics3"])), options)
    try:
        streams = [small.stream(prompts[0])]
        assert first_has_begun.wait(30)  # alone: those that come now are a batch of four and the rest
        streams += [small.stream(prompt) for prompt in prompts[1:]]
        all_wait.set()
        assert ["".join(small.texts(stream)) for stream in streams] == alone
    finally:
        small.close()
    assert refused == [4, 2, 2]  # then one at a time is known to be what fits


@pytest.mark.parametrize("family", ["blip2-opt", "blip2-t5", "instructblip"])
def test_blip2_says_what_transformers_says_to_the_same_prompt(family, checkpoints, generators):
    generator = generators(family)
    prompt = question(4, pictures=1)
    processor = AutoProcessor.from_pretrained(checkpoints[family])
    model = AutoModelForImageTextToText.from_pretrained(checkpoints[family]).eval()
    tokenizer = processor.tokenizer
    text = written(prompt, PLAIN, count=lambda part: len(tokenizer(part).input_ids), budget=400)
    inputs = processor(images=opened(prompt.pictures[0]), text=text, return_tensors="pt")
    if family == "instructblip":  # its Q-Former is to read the question alone
        about = processor.qformer_tokenizer(prompt.question, return_tensors="pt")
        inputs |= {f"qformer_{name}": about[name] for name in ("input_ids", "attention_mask")}
    output = model.generate(**inputs, max_new_tokens=MOST, do_sample=False)[0].tolist()
    expected = output[1:] if family == "blip2-t5" else output[inputs["input_ids"].shape[1] :]
    assert said(generator, prompt) == tokenizer.decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.parametrize("family", ["blip2-opt", "blip2-t5"])
def test_other_precisions_answer_too(family, precision, checkpoints):
    options = LocalOptions(precision=precision, most_tokens=MOST, int8_cache=precision == "int8")
    generator = LocalGenerator("blip2", find_checkpoint(str(checkpoints[family])), options)
    try:
        assert said(generator, question(1, pictures=1))
        assert precision in generator.precision_reason
    finally:
        generator.close()


def test_the_kind_of_generator_follows_from_the_checkpoint_and_is_told(checkpoints):
    def chosen(family, **settings):
        generator, reason = choose_generator(
            Settings(generator_model=str(checkpoints[family]), **settings), None
        )
        return generator.name, reason

    assert chosen("blip2-t5") == ("blip2", "`generator_model` names a checkpoint of blip-2 over t5")
    assert chosen("llava") == ("vlm", "`generator_model` names a checkpoint of llava over llama")
    assert chosen("blip2-opt", generator="vlm") == ("vlm", "chosen by the setting `generator`")
    with pytest.raises(InvalidSettings, match="set generator to vlm or auto"):
        chosen("idefics3", generator="blip2")
    with pytest.raises(InvalidSettings, match="set it to int8-torchao or int8-bitsandbytes"):
        chosen("idefics3", generator_precision="int8")


def test_blip2_is_also_served_by_transformers_own_generate(checkpoints, generators):
    settings = Settings(generator="vlm", generator_model=str(checkpoints["blip2-opt"]), generator_tokens=MOST)
    generator, _ = choose_generator(settings, None)
    try:
        for prompt in (question(1), question(1, pictures=1)):
            assert said(generator, prompt) == said(generators("blip2-opt"), prompt)
    finally:
        generator.close()


def test_a_checkpoint_that_cannot_be_loaded_safely_is_refused_with_a_reason(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(InvalidSettings, match=r"no config\.json"):
        find_checkpoint(str(folder))
    (folder / "config.json").write_text('{"model_type": "blip-2"}')
    with pytest.raises(InvalidSettings, match=r"no \*\.safetensors"):
        find_checkpoint(str(folder))
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "code.Model"}}')
    with pytest.raises(InvalidSettings, match="code of its own"):
        find_checkpoint(str(folder))


def test_a_model_that_is_nowhere_is_explained_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InvalidSettings, match="pin what you have checked: set generator_revision"):
        find_checkpoint("somebody/some-model", revision_setting="generator_revision")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InvalidSettings, match=r"could not be downloaded .*: go online once"):
        find_checkpoint("somebody/some-model", revision="0" * 40)


def test_damaged_weights_fail_the_question_with_a_reason_and_not_the_process(tmp_path):
    folder = make_checkpoint("blip2-opt", tmp_path / "damaged")
    (weights,) = folder.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:5_000])
    generator = LocalGenerator("blip2", find_checkpoint(str(folder)), LocalOptions())
    with pytest.raises(GenerationFailed, match="cannot be loaded"):
        generator.generate(question(1))


def test_quantisation_that_is_not_installed_is_asked_for_in_a_sentence(checkpoints, monkeypatch):
    settings = Settings(
        generator_model=str(checkpoints["blip2-opt"]), generator_precision="4bit-bitsandbytes"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InvalidSettings, match=r"pip install 'mmrag\[quantised\]'"):
        choose_generator(settings, None)


def test_a_closed_generator_says_so(checkpoints):
    generator = LocalGenerator("blip2", find_checkpoint(str(checkpoints["blip2-opt"])), LocalOptions())
    generator.close()
    with pytest.raises(GenerationFailed, match="shut down"):
        generator.generate(question(1))
