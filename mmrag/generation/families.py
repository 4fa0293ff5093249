"""What differs between the models behind `AutoModelForImageTextToText`: template, padding, text-only path, slicing.

An adapter for each family that needs one; any other model that brings a chat template works as
the common case does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmrag.checkpoints.chats import chat_inputs, check_template, pad_left

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

_MOST_PICTURES = 4  # of one question: each takes hundreds of tokens


class Family:
    """The common case: a chat template, left padding, several pictures, text alone like text with pictures."""

    most_pictures = _MOST_PICTURES
    needs_template = True

    def prepare(self, processor: Any) -> None:  # noqa: ANN401 - one of many classes of transformers
        """Set a processor up for generating in batches."""
        pad_left(processor)
        if self.needs_template:
            check_template(processor, setting="generator_model")

    def inputs(self, processor: Any, rows: Sequence[tuple[str, Sequence[Image]]]) -> dict[str, Any]:  # noqa: ANN401 - as above
        """A batch of (text, pictures), as many pictures in each row, as the model takes it."""
        return chat_inputs(processor, rows)

    def generate(self, model: Any, inputs: dict[str, Any], **options: Any) -> None:  # noqa: ANN401 - as above
        """Write; what is said arrives at the streamer among the options."""
        import torch  # noqa: PLC0415 - heavy: seconds

        with torch.inference_mode():
            model.generate(**inputs, **options)


class Idefics(Family):
    """Idefics 1, the open Flamingo: no template; text and pictures take turns in a list.

    Its processor fetches what is nothing but an address: here no text is, it begins with the role.
    """

    needs_template = False

    def inputs(self, processor: Any, rows: Sequence[tuple[str, Sequence[Image]]]) -> dict[str, Any]:  # noqa: ANN401 - as above
        tokens = processor.tokenizer.get_vocab()
        end = "<end_of_utterance>" if "<end_of_utterance>" in tokens else ""
        prompts = [["User:", *pictures, f" {text}{end}\nAssistant:"] for text, pictures in rows]
        return dict(processor(text=prompts, padding=True, return_tensors="pt"))


class SlicingIdefics(Family):
    """Idefics 2 and 3 and SmolVLM: they cut a picture into many, each with all its tokens.

    A chart's text is in the prompt already; slices would crowd the sources out.
    """

    def prepare(self, processor: Any) -> None:  # noqa: ANN401 - as above
        super().prepare(processor)
        processor.image_processor.do_image_splitting = False


class OnePicture(Family):
    """LLaVA 1.x: trained on one picture a question."""

    most_pictures = 1


class InstructBlip(OnePicture):
    """InstructBLIP and BLIP-2 over language models that the decode loop does not know (Vicuna)."""

    needs_template = False

    def inputs(self, processor: Any, rows: Sequence[tuple[str, Sequence[Image]]]) -> dict[str, Any]:  # noqa: ANN401 - as above
        texts = [text for text, _ in rows]
        images = [picture for _, pictures in rows for picture in pictures]
        if not images:
            return dict(processor.tokenizer(texts, padding=True, return_tensors="pt"))
        batch = dict(processor(images=images, text=texts, padding=True, return_tensors="pt"))
        if "qformer_input_ids" in batch:  # the last line but one is the question: the rest is too long for it
            questions = [text.splitlines()[-2] for text in texts]
            about = processor.qformer_tokenizer(questions, padding=True, truncation=True, return_tensors="pt")
            batch["qformer_input_ids"] = about["input_ids"]
            batch["qformer_attention_mask"] = about["attention_mask"]
        return batch

    def generate(self, model: Any, inputs: dict[str, Any], **options: Any) -> None:  # noqa: ANN401 - as above
        # Without a picture its own `generate` refuses; the language model alone does not.
        writer = model if "pixel_values" in inputs else model.language_model
        super().generate(writer, inputs, **options)


_FAMILIES: dict[str, type[Family]] = {
    "blip-2": InstructBlip,
    "instructblip": InstructBlip,
    "idefics": Idefics,
    "idefics2": SlicingIdefics,
    "idefics3": SlicingIdefics,
    "smolvlm": SlicingIdefics,
    "llava": OnePicture,
}


def family_of(model_type: str) -> Family:
    """The adapter for what transformers calls this kind of model."""
    return _FAMILIES.get(model_type, Family)()
