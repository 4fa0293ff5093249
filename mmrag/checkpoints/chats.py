"""Batches of conversations with pictures, as the processors of chat models take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmrag.errors import InvalidSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image


def pad_left(processor: Any) -> None:  # noqa: ANN401 - one of many classes of transformers
    """Set a processor up for batches: padding on the right changes what the shorter rows say."""
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def check_template(processor: Any, *, setting: str) -> None:  # noqa: ANN401 - as above
    """Raise InvalidSettings where the model that a `setting` names brings no chat template."""
    if not processor.chat_template:
        raise InvalidSettings(
            f"The model that {setting} names brings no chat template, and none is known for its kind: put "
            "the one of its model card into its folder as chat_template.jinja."
        )


def chat_inputs(processor: Any, rows: Sequence[tuple[str, Sequence[Image]]]) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A batch of (text, pictures), each one turn of a person, as the model takes it."""
    conversations = [
        [
            {
                "role": "user",
                "content": [
                    *({"type": "image", "image": picture} for picture in pictures),
                    {"type": "text", "text": text},
                ],
            }
        ]
        for text, pictures in rows
    ]
    batch = processor.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    return dict(batch)
