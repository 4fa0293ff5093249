"""Cross-encoders without training, made and saved by the real libraries: 20,000 random weights."""

from __future__ import annotations

import string

import torch
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LATIN = [
    *string.ascii_lowercase,
    *(f"##{letter}" for letter in string.ascii_lowercase),
    *string.digits,
    "?",
    ".",
]
# The characters of the basic block, as a multilingual vocabulary has them.
CHINESE = [chr(code) for code in range(0x4E00, 0x9FA6)]


def make_cross_encoder(folder, *, chinese=False, seed=1, labels=1):
    """Save one in `folder`, which is returned."""
    folder.mkdir(parents=True)
    vocabulary = [*SPECIAL, *LATIN, *(CHINESE if chinese else [])]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=128)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        initializer_range=0.5,  # scores that differ by more than their rounding
        num_labels=labels,
    )
    torch.manual_seed(seed)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CrossEncoder(str(folder), device="cpu").save(str(folder))
    return folder
