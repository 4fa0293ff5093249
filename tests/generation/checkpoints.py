"""Tiny checkpoints of every family, made on the spot: random weights, real files, real classes.

What they say is noise; that the real path loads them and says the same every time is not.
"""

from __future__ import annotations

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from mmrag.reading.chart_models.families import DocTags, Pix2Struct

_CORPUS = ["Question: what is revenue in Q3? Answer: 42", "Context: revenue rose to 42 million in Q3 2024."]
_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
_SMALL = {"num_hidden_layers": 2, "num_attention_heads": 4}
_VISION = {"hidden_size": 32, "intermediate_size": 64, "image_size": 32, "patch_size": 8, **_SMALL}
QUERIES = 4
LENGTH = 512


def make_checkpoint(family, folder):
    """Write a tiny checkpoint of this family."""
    torch.manual_seed(0)
    model, processor = (FAMILIES | CHART_MODELS)[family]()
    _spread(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _spread(model):
    """Weights so large that pictures and words matter and the best token is far ahead of the second."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
        elif name == "query_tokens":
            torch.nn.init.normal_(parameter, std=0.5)


def _tokenizer(*, begin="", end="", specials=(), left=False, corpus=()):
    """A byte-level BPE; `begin` and `end` stand around every text, as OPT and T5 have them."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*_CORPUS, *corpus], trainer)
    around = " ".join(part for part in (begin, "$A", end) if part)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=around, special_tokens=[(token, tokenizer.token_to_id(token)) for token in {begin, end} - {""}]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin or "<s>",
        eos_token="</s>",  # noqa: S106 - no password, a token of text; so are the next two
        pad_token="<pad>",  # noqa: S106 - as above
        unk_token="<unk>",  # noqa: S106 - as above
        padding_side="left" if left else "right",
        model_max_length=LENGTH,
    )
    fast.add_tokens(list(specials), special_tokens=True)
    return fast


def _vocabulary(tokenizer):
    return (len(tokenizer) + 7) // 8 * 8


def _opt(tokenizer):
    return transformers.OPTConfig(
        vocab_size=_vocabulary(tokenizer),
        hidden_size=32,
        word_embed_proj_dim=32,
        ffn_dim=64,
        max_position_embeddings=LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **_SMALL,
    )


def _t5(tokenizer):
    return transformers.T5Config(
        vocab_size=_vocabulary(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_decoder_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )


def _qformer(vocabulary):
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "encoder_hidden_size": 32,
        "max_position_embeddings": 64,
        **_SMALL,
    }


def _image_processor():
    return transformers.BlipImageProcessor(size={"height": 32, "width": 32})


def _querying(kind, text, tokenizer, *about):
    """A model with a Q-Former; with a tokenizer `about` it, that reads the question too."""
    processor = getattr(transformers, f"{kind}Processor")(
        _image_processor(), tokenizer, *about, num_query_tokens=QUERIES
    )
    config = getattr(transformers, f"{kind}Config")(
        vision_config=_VISION,
        qformer_config=_qformer(_vocabulary([*about, tokenizer][0])),
        text_config=text(tokenizer).to_dict(),
        num_query_tokens=QUERIES,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return getattr(transformers, f"{kind}ForConditionalGeneration")(config), processor


def _blip2_opt():
    return _querying("Blip2", _opt, _tokenizer(begin="</s>", specials=["<image>"], left=True))


def _blip2_t5():
    return _querying("Blip2", _t5, _tokenizer(end="</s>", specials=["<image>"]))


def _instructblip():
    tokenizer = _tokenizer(begin="</s>", specials=["<image>"], left=True)
    return _querying("InstructBlip", _opt, tokenizer, _tokenizer(end="</s>"))


def _llama(tokenizer, kind="llama"):
    return {
        "model_type": kind,
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4_096,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        **_SMALL,
    }


_IDEFICS = ("<fake_token_around_image>", "<image>", "<end_of_utterance>")


def _idefics():
    tokenizer = _tokenizer(specials=_IDEFICS[:2], left=True)
    config = transformers.IdeficsConfig(
        vocab_size=len(tokenizer),
        additional_vocab_size=0,
        hidden_size=32,
        intermediate_size=64,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        cross_layer_interval=1,
        use_resampler=True,
        vision_config={
            "embed_dim": 32,
            "image_size": 30,
            "patch_size": 6,
            "intermediate_size": 64,
            **_SMALL,
        },
        perceiver_config={
            "use_resampler": True,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
        },
        **_SMALL,
    )
    processor = transformers.IdeficsProcessor(
        transformers.IdeficsImageProcessor(image_size=30), tokenizer, image_size=30
    )
    return transformers.IdeficsForVisionText2Text(config), processor


def _idefics2():
    tokenizer = _tokenizer(specials=_IDEFICS, left=True)
    images = transformers.Idefics2ImageProcessor(size={"shortest_edge": 24, "longest_edge": 32})
    processor = transformers.Idefics2Processor(images, tokenizer, image_seq_len=4, chat_template=_TEMPLATE)
    config = transformers.Idefics2Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        text_config=_llama(tokenizer, "mistral"),
        vision_config=_VISION,
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "num_key_value_heads": 1,
            "resampler_head_dim": 8,
            "hidden_size": 32,
        },
    )
    return transformers.Idefics2ForConditionalGeneration(config), processor


def _idefics3(*, specials=(), corpus=()):
    slices = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    tokenizer = _tokenizer(specials=[*_IDEFICS, "<global-img>", *slices, *specials], left=True, corpus=corpus)
    images = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}
    )
    processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=_TEMPLATE)
    config = transformers.Idefics3Config(
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        text_config=_llama(tokenizer),
        vision_config=_VISION,
        pad_token_id=1,
    )
    return transformers.Idefics3ForConditionalGeneration(config), processor


def _llava():
    tokenizer = _tokenizer(specials=["<image>"], left=True)
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE,
    )
    config = transformers.LlavaConfig(
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        text_config=_llama(tokenizer),
        vision_config={"model_type": "clip_vision_model", **_VISION, "num_hidden_layers": 3},
    )
    return transformers.LlavaForConditionalGeneration(config), processor


FAMILIES = {
    "blip2-opt": _blip2_opt,
    "blip2-t5": _blip2_t5,
    "instructblip": _instructblip,
    "idefics": _idefics,
    "idefics2": _idefics2,
    "idefics3": _idefics3,
    "llava": _llava,
}


# What chart models write of three bars, in their own ways; others may be taught.
TAUGHT = {
    "deplot": "TITLE | Sold <0x0A> City | Sold <0x0A> Oslo | 40 <0x0A> Porto | 20 <0x0A> Leiden | 30",
    "docling": "<chart><bar_chart><ched>City<ched>Sold<nl><rhed>Oslo<fcel>40<nl><rhed>Porto<fcel>20<nl>"
    "<rhed>Leiden<fcel>30<nl></chart>",
}
_DOCTAGS = ("<chart>", "</chart>", "<bar_chart>", "<ched>", "<rhed>", "<fcel>", "<ecel>", "<lcel>", "<nl>")


def _docling():
    return _idefics3(specials=_DOCTAGS, corpus=TAUGHT.values())


def _deplot():
    tokenizer = _tokenizer(end="</s>", specials=["<0x0A>"], corpus=TAUGHT.values())
    text = {
        "vocab_size": _vocabulary(tokenizer),
        "hidden_size": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "dropout_rate": 0.0,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": 32,
        "patch_embed_hidden_size": 768,
        "d_ff": 64,
        "d_kv": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "seq_len": 64,
    }
    config = transformers.Pix2StructConfig(text_config=text, vision_config=vision, is_vqa=True)
    images = transformers.Pix2StructImageProcessor(max_patches=64, is_vqa=True)
    return (
        transformers.Pix2StructForConditionalGeneration(config),
        transformers.Pix2StructProcessor(images, tokenizer),
    )


CHART_MODELS = {"deplot": _deplot, "docling": _docling}


def teach(kind, folder, picture, answer):
    """Write a tiny chart model that gives this answer to a picture, and more or less to any."""
    torch.manual_seed(0)
    model, processor = CHART_MODELS[kind]()
    processor.save_pretrained(folder)
    family = {"deplot": Pix2Struct, "docling": DocTags}[kind]()
    family.prepare(processor)
    inputs = family.inputs(processor, [picture])
    tokens = processor.tokenizer(answer, add_special_tokens=False).input_ids
    labels = torch.tensor([[*tokens, processor.tokenizer.eos_token_id]])
    if "input_ids" in inputs:  # it goes on where the question ends
        unread = torch.full_like(inputs["input_ids"], -100)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], labels], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        labels = torch.cat([unread, labels], dim=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    loss = torch.inf
    while loss > 0.03:
        output = model(**inputs, labels=labels)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        loss = output.loss.item()
    model.save_pretrained(folder)
    return folder
