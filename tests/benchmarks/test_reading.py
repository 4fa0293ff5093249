"""What measures reading, small: its speed, how much of files' words is found, how well pages are found."""

from __future__ import annotations

import json

import pytest
from docx import Document

from benchmarks import loaders, reading, reading_quality


def test_words_count_as_often_as_they_stand_there():
    _, words = reading.text_pdf(1, seed=1, lines=2)
    assert reading.recall(words, " ".join(words.elements())) == 1
    assert reading.recall(words, " ".join(words)) == len(words) / words.total()


def test_text_is_read_whole(capsys):
    assert reading.main(["--pages=2", "--parts", "text", "--json"]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["text PDFs, words recalled, worst file"]["holds"]
    assert rows["text PDFs, pages a second"]["value"] > 0


def test_words_of_files_are_counted_by_kind_and_a_refused_file_has_its_sentence(tmp_path):
    document = Document()
    document.add_paragraph("The pump of hall seven is oiled every second week.")
    document.save(tmp_path / "pump.docx")
    (tmp_path / "hall.txt").write_bytes("第七ホールの弁は赤い。".encode("cp932"))
    (tmp_path / "page.html").write_text(
        "<head><title>x</title></head><nav>Menu</nav><p>The <b>val</b>ve is red.</p>"
    )
    (tmp_path / "tool.bin").write_bytes(b"\x7fELF\0\0\0")
    rows = {row.name: row for row in loaders.measure(tmp_path)}
    assert (rows["pump.docx"].words, rows["pump.docx"].recall) == (10, 1)
    assert (rows["hall.txt"].words, rows["hall.txt"].recall) == (10, 1)
    assert rows["page.html"].words == 5  # the menu is one of them, and does not count
    assert "not read" in rows["tool.bin"].refused
    assert loaders.counted([*rows.values()]) == (20, 20)


@pytest.mark.usefixtures("shared_models")
def test_the_page_with_the_answer_is_found_and_a_second_run_says_the_same(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "data" / "mmlongbench_dev" / "data"
    (folder / "documents").mkdir(parents=True)
    data, words = reading.text_pdf(8, seed=5, lines=6)
    (folder / "documents" / "long.pdf").write_bytes(data)
    bare = dict(reading_quality._text_layer(folder / "documents" / "long.pdf"))  # noqa: SLF001 - its questions
    rare = {number: [word for word in text.split() if words[word] == 1][:6] for number, text in bare.items()}
    rows = [
        {"doc_id": "long.pdf", "evidence_pages": f"[{number}]", "question": f"What of {' '.join(found)}?"}
        for number, found in rare.items()
    ]
    (folder / "samples.dev.json").write_text(json.dumps(rows))
    arguments = [
        "--data",
        str(tmp_path / "data"),
        "--only=pages",
        "--cache",
        str(tmp_path / "kept"),
        "--json",
    ]
    assert reading_quality.main(arguments) == 0
    first = capsys.readouterr().out
    line = json.loads(first)
    assert (line["questions"], line["pages"]) == (8, 8)
    assert line["hit_at_5"]["hybrid"] == line["hit_at_5"]["plain"] == 1
    monkeypatch.setattr("mmrag.reading.contained.ContainedReader.read", None)  # all of it was kept
    assert reading_quality.main(arguments) == 0
    assert capsys.readouterr().out == first
