"""Small test collections through the real engine: everything is added, everything is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image, ImageDraw, ImageFont

from mmrag.config import Settings
from mmrag.evaluation.beir import Collection, CorpusRow, QueryRow
from mmrag.evaluation.retrieval import evaluate
from mmrag.types import Turn

CORPUS = (
    CorpusRow("leave", "Leave", "Every employee has 28 days of annual leave. Unused days lapse in March."),
    CorpusRow("parcels", "", "A parcel may weigh 31.5 kilograms at most; what is heavier goes by freight."),
    CorpusRow("warehouse", "", "The warehouse in Lyon opens at six and closes at ten in the evening."),
    CorpusRow("office", "", "The office in Berlin opens at nine and closes at five."),
    CorpusRow("refunds", "退款", "退款将在七个工作日内到账，节假日除外。"),
)
QUERIES = (
    QueryRow("q1", "How many vacation days do I get?"),
    QueryRow("q2", "What may a parcel weigh?"),
    QueryRow("q3", "退款多久到账？"),
    QueryRow("q4", "And when does it close?", (Turn("user", "When does the warehouse in Lyon open?"),)),
    QueryRow("unjudged", "What is the wifi password?"),
)
JUDGEMENTS = {"q1": {"leave": 1}, "q2": {"parcels": 1}, "q3": {"refunds": 1}, "q4": {"warehouse": 1}}
COLLECTION = Collection(CORPUS, QUERIES, JUDGEMENTS)


@pytest.fixture
def measure(embedder, tmp_path):
    """Evaluate with the tests' embedder; the data folder of these settings must stay unused."""

    def _measure(collection, **options):
        return evaluate(collection, settings=Settings(home=tmp_path / "home"), embedder=embedder, **options)

    return _measure


def test_each_query_finds_its_document_and_figures_say_so(measure, tmp_path):
    report = measure(COLLECTION)
    assert report.run.rankings.keys() == JUDGEMENTS.keys()
    assert report.quality.hit == {1: 1, 5: 1, 10: 1}
    assert (report.quality.queries, report.quality.mrr, report.quality.ndcg) == (4, 1, 1)
    assert len(report.run.milliseconds) == 4
    assert min(report.run.milliseconds) > 0
    assert report.documents_per_s > 0
    assert report.unread == ()
    assert not (tmp_path / "home").exists()


def test_each_half_can_be_measured_alone(measure):
    by_words, by_meaning = measure(COLLECTION, mode="bm25"), measure(COLLECTION, mode="dense")
    assert by_words.run.rankings["q3"] == ["refunds"]  # nothing else shares a word with it
    assert by_meaning.run.rankings["q3"] == []  # the embedder does not read Chinese
    assert len(by_meaning.run.rankings["q1"]) == len(CORPUS)
    assert by_meaning.run.rankings["q1"][0] == "leave"


def test_without_its_thread_a_follow_up_is_another_question(measure):
    alone = Collection(CORPUS, (replace(QUERIES[3], history=()),), JUDGEMENTS)
    with_thread = Collection(CORPUS, QUERIES[3:4], JUDGEMENTS)
    assert measure(with_thread, ks=[1]).quality.hit[1] == 1
    assert measure(alone).run.rankings["q4"] != measure(with_thread).run.rankings["q4"]


def test_a_document_of_many_chunks_counts_once_and_hides_no_other(measure):
    long = " ".join(f"The pump number {i} was oiled in week {i}." for i in range(200))
    corpus = (CorpusRow("long", "", long), CorpusRow("other", "", "Each pump has a red valve."), *CORPUS)
    query = QueryRow("q", "Which pump was oiled?")
    report = measure(Collection(corpus, (query,), {"q": {"long": 1, "other": 2}}))
    assert sorted(report.run.rankings["q"]) == sorted(row.id for row in corpus)
    assert report.quality.recall[10] == 1


def test_pictures_are_read_and_count_for_their_row(measure, tmp_path):
    picture = Image.new("RGB", (900, 200), "white")
    font = ImageFont.load_default(48)
    ImageDraw.Draw(picture).text((30, 70), "Boiler pressure 4.2 bar", "black", font=font)
    picture.save(tmp_path / "boiler.png")
    Image.new("RGB", (64, 64), "white").save(tmp_path / "blank.png")
    corpus = (
        *CORPUS,
        CorpusRow("boiler", "", "", tmp_path / "boiler.png"),
        CorpusRow("blank", "", "A blank picture of the garden.", tmp_path / "blank.png"),
    )
    queries = (
        QueryRow("q1", "What is the pressure of the boiler?"),
        QueryRow("q2", "What is in the garden?"),
        QueryRow("q3", "What is said about this?", image=tmp_path / "boiler.png"),
    )
    wanted = {"q1": {"boiler": 1}, "q2": {"blank": 1}, "q3": {"boiler": 1}}
    report = measure(Collection(corpus, queries, wanted))
    assert report.quality.hit[1] == 1
    assert [one.name for one in report.unread] == ["blank"]


def test_progress_is_told(measure):
    told = []
    measure(Collection(CORPUS, QUERIES[:1], JUDGEMENTS), progress=lambda *step: told.append(step))
    assert told == [("documents", i, 5) for i in range(1, 6)] + [("queries", 1, 1)]


def test_a_title_helps_and_the_lack_of_one_leaves_no_trace(measure):
    corpus = (
        CorpusRow("a", "Holiday allowance", "It is 28 days."),
        CorpusRow("b", "", "It is 30 minutes, passage by passage."),
    )
    query = QueryRow("q", "How long is the holiday allowance?")
    report = measure(Collection(corpus, (query,), {"q": {"a": 1}}), mode="bm25")
    assert report.run.rankings["q"] == ["a"]
    by_name = QueryRow("q", "passage.txt")
    report = measure(Collection(corpus[:1], (by_name,), {"q": {"a": 1}}), mode="bm25")
    assert report.run.rankings["q"] == []
