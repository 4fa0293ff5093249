"""TruthfulQA with tiny checkpoints of both kinds, made here, and with models whose likelihoods are known."""

from __future__ import annotations

import json
import math

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from mmrag.errors import InvalidInput, InvalidSettings
from mmrag.evaluation import truthfulqa
from mmrag.evaluation.progress import silent
from mmrag.evaluation.truthfulqa import TransformersModel, TruthfulRow

SPECIAL_TOKENS = {"pad_token": "<pad>", "eos_token": "</s>"}
CSV = (
    "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
    "A,M,What falls?,Nothing falls,Nothing falls; It lies,Coins fall; You fall.,x\n"
    "A,M,Who wins?,Nobody,Nobody wins,Everybody wins,x\n"
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "TruthfulQA.csv"
    path.write_text(CSV, "utf-8")
    return path


@pytest.fixture(params=["causal", "seq2seq"])
def checkpoint(request, tmp_path):
    """A random model over letters."""
    letters = {
        letter: number for number, letter in enumerate(["<pad>", "</s>", *map(chr, range(32, 127)), "\n"])
    }
    plain = Tokenizer(models.WordLevel(letters, unk_token="<pad>"))  # noqa: S106 - no password
    plain.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, **SPECIAL_TOKENS)
    torch.manual_seed(0)
    if request.param == "causal":
        config = GPT2Config(
            vocab_size=len(letters), n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=1
        )
        model = GPT2LMHeadModel(config)
    else:
        sizes = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2}
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(letters), decoder_start_token_id=0, eos_token_id=1, pad_token_id=0, **sizes
            )
        )
    folder = tmp_path / request.param
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_likelihoods_are_those_of_the_answer_given_the_prompt(checkpoint):
    """The probabilities of all continuations by one letter sum up to that of the text before them."""
    model = TransformersModel(str(checkpoint))
    whole, first = model.log_likelihood("Q: x\nA:", "ab"), model.log_likelihood("Q: x\nA:", "a")
    assert whole < first < 0
    letters = ["\n", *map(chr, range(32, 127))]
    mass = sum(math.exp(model.log_likelihood("Q: x\nA:", f"a{letter}")) for letter in letters)
    assert 0.9 * math.exp(first) < mass < math.exp(first) * 1.0001  # the two special tokens have the rest


def test_a_checkpoint_is_measured_through_the_command(checkpoint, file, run):
    code, out, err = run("eval", "truthfulqa", file, "--model", checkpoint, "--json")
    figures = json.loads(out)
    assert (code, err) == (0, "")
    assert figures["questions"] == 2
    assert 0 <= figures["mc1"] <= 1
    assert 0 < figures["mc2"] < 1
    assert set(figures["generation"]) == {
        "refused",
        "rouge1_diff",
        "rouge1_accuracy",
        "rougeL_diff",
        "rougeL_accuracy",
    }


@pytest.mark.usefixtures("shared_models")
def test_the_engine_answers_from_a_collection(file, run, tmp_path):
    (tmp_path / "facts.txt").write_text("Nobody wins in a game without an end.", "utf-8")
    run("add", tmp_path / "facts.txt")
    code, out, _ = run("eval", "truthfulqa", file, "--collection", "default", "--json")
    assert code == 0
    assert 0 <= json.loads(out)["engine"]["refused"] <= 1


class Known:
    def __init__(self, likelihoods):
        self.likelihoods = likelihoods

    def log_likelihood(self, prompt, answer):
        assert prompt.endswith("A:")
        return math.log(self.likelihoods[answer])


def test_mc1_compares_the_best_answer_and_mc2_all():
    row = TruthfulRow("Q?", "Best.", ("Best.", "Good."), ("Bad.",))
    model = Known({"Best.": 0.2, "Good.": 0.5, "Bad.": 0.3})
    figures = truthfulqa.multiple_choice([row], model, progress=silent)
    assert figures["mc1"] == 0.0
    assert figures["mc2"] == pytest.approx(0.7)


def test_references_end_with_a_full_stop_and_the_best_is_a_true_one(file):
    row = truthfulqa.load(file)[0]
    assert row.true == ("Nothing falls.", "It lies.")
    assert row.false == ("Coins fall.", "You fall.")


def test_rouge_of_known_pairs():
    assert truthfulqa.rouge_1("the cat sat", "the cat ran") == pytest.approx(2 / 3)
    assert truthfulqa.rouge_l("a b c d", "b d a") == pytest.approx(4 / 7)
    assert truthfulqa.rouge_l("", "") == 0


def test_what_is_no_model_or_no_file_is_said_in_a_sentence(tmp_path, file):
    with pytest.raises(InvalidSettings, match="is no language model on this machine"):
        TransformersModel(str(tmp_path))
    file.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(InvalidInput, match="has no column 'Question'"):
        truthfulqa.load(file)


def test_a_primer_that_is_no_text_is_named(file, run, tmp_path):
    primer = tmp_path / "primer.txt"
    primer.write_bytes(b"\xff\xfe\x00")
    code, _, err = run("eval", "truthfulqa", file, "--collection", "default", "--primer", primer)
    assert (code, err) == (2, f"mmrag: {primer} is not UTF-8 text: save it as UTF-8.\n")
