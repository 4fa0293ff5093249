"""What grounding keeps and drops, and the laws of citations."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.errors import InvalidSettings
from mmrag.grounding import EvidenceGrounder
from mmrag.grounding.citations import cite
from mmrag.grounding.entailment import CrossEncoderEntailment
from mmrag.types import Chunk, Claim, Draft, Hit, Prompt, Quote
from tests.retrieval.cross_encoders import make_cross_encoder


def make_hit(text, number=1, *, title="Report", origin="collection"):
    chunk = Chunk(number, f"document {number}", 1, 0, len(text), text)
    return Hit(chunk, title, f"test:{number}", number, 1.0, ("bm25",), origin)


@pytest.fixture
def ground(embedder):
    def run(claim, *texts, support=()):
        hits = tuple(make_hit(text, number) for number, text in enumerate(texts, start=1))
        draft = Draft((Claim(claim, support),))
        return EvidenceGrounder(embedder).ground(draft, Prompt("What?", hits))

    return run


REVENUE = "Revenue was 4.2 million euros in the third quarter. The office in Porto was closed in May."


def test_a_true_quotation_is_kept(ground):
    sentence = REVENUE.split(". ", maxsplit=1)[0] + "."
    claims = ground(sentence, REVENUE, support=(Quote(0, 0, len(sentence)),))
    assert [claim.text for claim in claims] == [sentence]


def test_a_phrased_claim_is_tied_to_the_sentence_that_supports_it(ground):
    (claim,) = ground("In the third quarter revenue was 4,200,000 euros.", "Nothing here.", REVENUE)
    (quote,) = claim.support
    assert quote.hit == 1
    assert REVENUE[quote.start : quote.end].startswith("Revenue was 4.2 million")


@pytest.mark.parametrize(
    "claim",
    [
        "Revenue was 4.3 million euros in the third quarter.",
        "Revenue was 4.2 % in the third quarter.",
        "Revenue was not 4.2 million euros in the third quarter.",
        "The office in Lisbon was closed in May.",
        "The board resigned over the weekend.",
    ],
)
def test_what_the_evidence_does_not_say_is_dropped(ground, claim):
    assert ground(claim, REVENUE) == ()


@pytest.mark.parametrize("quote", [Quote(7, 0, 5), Quote(0, 0, 10_000), Quote(0, 9, 9)])
def test_a_quote_that_does_not_exist_supports_nothing(ground, quote):
    assert ground("The board resigned over the weekend.", REVENUE, support=(quote,)) == ()


def test_a_computed_difference_must_come_out(ground):
    cells = "Jan: 342\nFeb: 318"
    spans = (Quote(0, 0, 3), Quote(0, 5, 8), Quote(0, 9, 12), Quote(0, 14, 17))
    right = "In “Report”, the difference between Jan and Feb is 342 − 318 = 24."
    wrong = right.replace("= 24", "= 34")

    assert ground(right, cells, support=spans)
    assert ground(wrong, cells, support=spans) == ()


def test_without_claims_the_nearest_sources_are_named():
    prompt = Prompt("Why?", (make_hit("One thing."), make_hit("Another thing.", 2)))
    text, citations = cite((), prompt)

    assert "could not find" in text
    assert "[1]" not in text
    assert [citation.document_id for citation in citations] == ["document 1", "document 2"]


def test_an_abstention_speaks_the_language_of_the_question():
    assert "没有找到" in cite((), Prompt("为什么退货？", ()))[0]


def test_attachments_and_threads_are_cited_without_ids():
    hits = (make_hit("The code is 17.", origin="attachment"), make_hit("The code is 17.", 2, origin="thread"))
    claims = (Claim("The code is 17.", (Quote(0, 0, 15), Quote(1, 0, 15))),)
    _, citations = cite(claims, Prompt("Code?", hits))

    assert [(one.document_id, one.chunk_id, one.uri) for one in citations] == [(None, None, None)] * 2


TEXT = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=60)


@st.composite
def grounded(draw):
    """Hits of any text and claims that quote them."""
    hits = tuple(
        make_hit(text, number) for number, text in enumerate(draw(st.lists(TEXT, min_size=1, max_size=5)))
    )
    claims = []
    for _ in range(draw(st.integers(1, 6))):
        support = []
        for _ in range(draw(st.integers(1, 3))):
            number = draw(st.integers(0, len(hits) - 1))
            start = draw(st.integers(0, len(hits[number].chunk.text) - 1))
            end = draw(st.integers(start + 1, len(hits[number].chunk.text)))
            support.append(Quote(number, start, end))
        claims.append(Claim(draw(TEXT | st.just("See [1] and ［2］ and 【3】.")), tuple(support)))
    return tuple(claims), Prompt("What?", hits)


@settings(max_examples=300, deadline=None)
@given(grounded())
def test_markers_and_citations_match_one_to_one_and_quotes_are_verbatim(case):
    claims, prompt = case
    text, citations = cite(claims, prompt)

    shown = [int(number) for number in re.findall(r"\[(\d+)\]", text)]
    assert list(dict.fromkeys(shown)) == list(range(1, len(citations) + 1))
    assert [citation.marker for citation in citations] == list(range(1, len(citations) + 1))
    texts = {hit.chunk.id: hit.chunk.text for hit in prompt.hits}
    assert all(citation.quote in texts[citation.chunk_id] for citation in citations)
    assert len(shown) >= len(claims)


@settings(max_examples=200, deadline=None)
@given(grounded())
def test_further_claims_only_add_to_what_was_said_and_keep_its_citations(case):
    claims, prompt = case
    text, citations = cite(claims, prompt)
    for number in range(1, len(claims)):
        so_far, cited = cite(claims[:number], prompt)
        assert text.startswith(f"{so_far} ")
        assert [each.chunk_id for each in cited] == [each.chunk_id for each in citations[: len(cited)]]
        assert all(each.quote in citations[each.marker - 1].quote for each in cited)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["1 box", "2 boxes", "The sky is green", "Stock is 1 box"]), max_size=6))
def test_each_claim_is_judged_by_itself(embedder, texts):
    prompt = Prompt("How many?", (make_hit("Stock is 1 box. Stock was 2 boxes last year."),))
    grounder = EvidenceGrounder(embedder)
    claims = tuple(Claim(f"{text}.") for text in texts)
    one_by_one = [kept for claim in claims for kept in grounder.ground(Draft((claim,)), prompt)]
    assert grounder.ground(Draft(claims), prompt) == tuple(one_by_one)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.integers(0, 20))
def test_a_number_passes_just_where_its_source_holds_it(embedder, there, claimed):
    text = "The stock of screws is " + ", ".join(map(str, there)) + " boxes."
    draft = Draft((Claim(f"The stock of screws is {claimed} boxes."),))
    kept = EvidenceGrounder(embedder).ground(draft, Prompt("How many?", (make_hit(text),)))
    assert bool(kept) == (claimed in there)


def test_what_stays_unanswered_is_said_without_a_marker():
    claims = (Claim("The code is 17.", (Quote(0, 0, 15),)),)
    text, citations = cite(
        claims, Prompt("Code?", (make_hit("The code is 17."),)), unanswered=("and why [2]?",)
    )

    assert text == "The code is 17. [1] I found no answer to “and why (2)?”."
    assert len(citations) == 1


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("Leave is 12 weeks a year.", "Leave is 12 days a year."),
        ("The licence costs $5 a month.", "The licence costs €5 a month."),
        ("年假为 12 个月。", "年假为 12 天。"),
    ],
)
def test_a_number_with_another_unit_is_dropped(ground, claim, source):
    assert ground(claim, source) == ()
    assert ground(source, source) != ()


def test_an_entailment_model_decides_on_words_and_the_guards_on_numbers(embedder, tmp_path):
    """A tiny one without training: whatever it says, no number passes that does not stand there."""
    folder = make_cross_encoder(tmp_path / "nli", labels=3)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    verdicts = set()
    for entails in range(3):
        labels = {str(n): "entailment" if n == entails else f"label {n}" for n in range(3)}
        (folder / "config.json").write_text(json.dumps(config | {"id2label": labels}), "utf-8")
        grounder = EvidenceGrounder(embedder, CrossEncoderEntailment(str(folder)))
        prompt = Prompt("What?", (make_hit(REVENUE),))
        for claim in (
            "Revenue was 4.2 million euros in the third quarter.",
            "Revenue was 4.3 million euros.",
        ):
            kept = grounder.ground(Draft((Claim(claim),)), prompt)
            verdicts.add((claim[:15], bool(kept)))
    assert ("Revenue was 4.2", True) in verdicts
    assert ("Revenue was 4.2", False) in verdicts
    assert ("Revenue was 4.3", True) not in verdicts


def test_a_model_that_knows_no_entailment_is_refused_in_a_sentence(tmp_path):
    folder = make_cross_encoder(tmp_path / "other", labels=3)
    with pytest.raises(InvalidSettings, match="none of its labels is entailment"):
        CrossEncoderEntailment(str(folder))
