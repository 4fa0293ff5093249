"""Tiny random sentence-transformers models, made on the spot and saved as anyone would save theirs."""

from __future__ import annotations

import json
import string

import pytest

ENGLISH = "the a of how many days leave refund policy week paid within device returned weather number".split()
CHINESE = "我们的公司今年在上海和北京增加了新员工他们每月需要提交报告并说明产品质量问题退款政策是什么"
SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}


def make_tokenizer(words):
    """WordPiece over whole words, single characters and their continuations, as BERT has it."""
    from tokenizers import BertWordPieceTokenizer  # noqa: PLC0415 - heavy, and not for every test
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - as above

    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL.values(), *words, *letters, *(f"##{each}" for each in letters)]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    wordpiece = BertWordPieceTokenizer(vocabulary, lowercase=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=wordpiece._tokenizer,  # noqa: SLF001 - the only way from one to the other
        **SPECIAL,
    ), len(vocabulary)


def save_model(folder, *, words=ENGLISH, pooling="mean", normalize=True, dense=None, prompts=None, length=64):
    """A BERT of dimension 32 with random weights; its vectors of different texts differ well."""
    import torch  # noqa: PLC0415 - heavy, and not for every test
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - as above
    from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415 - as above
    from transformers import BertConfig, BertModel  # noqa: PLC0415 - as above

    torch.manual_seed(7)
    transformer = folder.with_name(f"{folder.name}-transformer")
    tokenizer, size = make_tokenizer(words)
    tokenizer.save_pretrained(transformer)
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    BertModel(config).save_pretrained(transformer)
    parts = [modules.Transformer(str(transformer), max_seq_length=length), modules.Pooling(32, pooling)]
    if dense:
        parts.append(modules.Dense(in_features=32, out_features=dense))
    if normalize:
        parts.append(modules.Normalize())
    SentenceTransformer(modules=parts, prompts=prompts, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Tiny models by name; each is made once."""
    folder = tmp_path_factory.mktemp("tiny")
    options = {
        "mean": {"prompts": {"query": "the number of ", "passage": "a policy: "}},
        "cls": {"pooling": "cls", "normalize": False},
        "dense": {"dense": 24, "normalize": False},
        "chinese": {"words": [*ENGLISH, *CHINESE]},
    }
    made = {}

    def model(name):
        if name not in made:
            made[name] = save_model(folder / name, **options[name])
        return made[name]

    return model


@pytest.fixture
def edit_json():
    """Change keys of a JSON file."""

    def edit(path, **changes):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit
