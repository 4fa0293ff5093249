"""No sentence of an answer rests on what a model said about a picture; what it read of a chart says so."""

from __future__ import annotations

import pytest

from mmrag.generation.extractive import ExtractiveGenerator
from mmrag.grounding import EvidenceGrounder
from mmrag.types import Chunk, Claim, Draft, Hit, Prompt, Quote

PHOTO = "Caption by a model: three boats in the harbour of Oslo at sunset"
CHART = f"Umbrellas sold\nOslo: ※547\nPorto: ※120\nLeiden: 300\n※ = read by a model\n\n{PHOTO}"


def figure(text):
    chunk = Chunk(1, "d", 1, 0, len(text), text, "Album", "figure")
    return Hit(chunk, "Album", "test:1", 1, 1.0, ("bm25",))


@pytest.fixture
def ground(embedder):
    def run(text, *claims):
        return EvidenceGrounder(embedder).ground(Draft(claims), Prompt("What is there?", (figure(text),)))

    return run


@pytest.mark.parametrize(
    "claim",
    [
        Claim("Three boats are in the harbour of Oslo at sunset."),
        Claim(PHOTO),
        Claim("There are boats in the harbour.", (Quote(0, 0, len(PHOTO)),)),
        Claim("boats", (Quote(0, 27, 32),)),
    ],
)
def test_a_caption_supports_no_claim_not_even_its_own_words(ground, claim):
    assert ground(PHOTO, claim) == ()


@pytest.mark.parametrize("question", ["What is in the harbour of Oslo?", "How many boats are there?"])
@pytest.mark.parametrize("text", [PHOTO, CHART])
def test_an_answer_quotes_no_caption(embedder, question, text):
    draft = ExtractiveGenerator(embedder).generate(Prompt(question, (figure(text),)))
    assert not any("boats" in claim.text for claim in draft.claims)


def test_a_caption_does_not_explain_what_a_chart_is_about(embedder):
    text = "Shops\nOslo: 547\nPorto: 120\nLeiden: 300\n\nCaption by a model: a bar chart of profits"
    draft = ExtractiveGenerator(embedder).generate(Prompt("What are the profits in Oslo?", (figure(text),)))
    assert draft.claims == ()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Oslo sold 547 umbrellas.", "Oslo sold 547 umbrellas, read by a model."),
        ("Oslo sold 547 umbrellas, read by a model.", "Oslo sold 547 umbrellas, read by a model."),
        ("Leiden sold 300 umbrellas.", "Leiden sold 300 umbrellas."),
        ("Leiden sold 300 umbrellas, read by a model.", "Leiden sold 300 umbrellas."),
    ],
)
def test_a_phrased_claim_owns_up_to_values_that_a_model_read_and_to_no_others(ground, said, kept):
    assert [claim.text for claim in ground(CHART, Claim(said))] == [kept]


def test_a_sign_in_a_text_means_what_it_means_there(embedder):
    text = "※547 umbrellas were sold in Oslo."
    chunk = Chunk(1, "d", 1, 0, len(text), text)
    prompt = Prompt("How many?", (Hit(chunk, "Note", "test:1", 1, 1.0, ("bm25",)),))
    (claim,) = EvidenceGrounder(embedder).ground(Draft((Claim("547 umbrellas were sold in Oslo."),)), prompt)
    assert claim.text == "547 umbrellas were sold in Oslo."
