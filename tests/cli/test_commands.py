"""The commands as people and scripts use them: real files, real engine, exit codes and JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import pytest
from PIL import Image, PngImagePlugin

pytestmark = pytest.mark.usefixtures("shared_models")

POLICY = "Parcels weigh at most 31.5 kilograms. A parcel that is heavier goes by freight.\n"
WEIGHT = "How much may a parcel weigh at most?"


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.txt"
    path.write_text(POLICY, encoding="utf-8")
    return path


def test_the_whole_way_from_add_to_a_corrected_answer(run, policy):
    code, out, _ = run("add", policy, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["status"] == "added"
    assert set(report) >= {"path", "document_id", "pages", "chunks", "figures", "status", "reason"}

    code, out, _ = run("ask", WEIGHT, "--json")
    answer = json.loads(out)
    assert code == 0
    assert "31.5 kilograms" in answer["text"]
    assert set(answer) >= {
        "id", "text", "abstained", "citations", "unread", "cached", "generation", "timings_ms",
    }  # fmt: skip
    assert set(answer["citations"][0]) >= {
        "marker", "document_id", "title", "page", "uri", "quote", "chunk_id", "image",
    }  # fmt: skip
    assert set(answer["generation"]) >= {"generator", "model", "index_version"}

    code, out, _ = run(
        "rate", answer["id"], "down", "--correction", "A parcel may weigh 35 kilograms.", "--json"
    )
    assert code == 0
    assert json.loads(out)["correction_document_id"]

    code, out, _ = run("ask", WEIGHT)
    assert code == 0
    assert "35 kilograms" in out
    assert "Sources" in out

    code, out, _ = run("documents", "--json")
    assert {row["title"] for row in json.loads(out)} == {"policy.txt", "Correction by the owner"}

    code, out, _ = run("remove", report["document_id"], "--json")
    assert code == 0
    assert [row["document_id"] for row in json.loads(out)] == [report["document_id"]]


def test_search_prints_hits_with_their_place(run, policy):
    run("add", policy)
    code, out, _ = run("search", "heavy parcel", "-k", 3, "--json")
    result = json.loads(out)

    assert code == 0
    assert set(result) >= {"hits", "index_version", "timings_ms"}
    assert set(result["hits"][0]) >= {
        "rank", "score", "document_id", "title", "page", "chunk_id", "text", "retrievers", "image",
    }  # fmt: skip
    assert result["hits"][0]["rank"] == 1


def test_a_bad_file_is_named_and_the_others_go_in(run, policy, tmp_path):
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is no pdf")
    code, out, err = run(
        "add", tmp_path / "missing.txt", policy, tmp_path / "empty.md", tmp_path / "broken.pdf"
    )

    assert code == 1
    assert "added" in out
    assert "policy.txt" in out
    for name in ("missing.txt", "empty.md", "broken.pdf"):
        assert name in err
    assert "Traceback" not in err


def test_a_failed_file_is_a_line_of_json_too(run, tmp_path):
    code, out, _ = run("add", tmp_path / "missing.txt", "--json")

    assert code == 1
    line = json.loads(out)
    assert (line["status"], line["code"], line["warnings"]) == ("failed", "not-readable", [])
    assert "is not there" in line["reason"]


def test_members_of_an_archive_are_documents_of_their_own_in_a_folder_too(run, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "~$limits.docx").write_bytes(b"a lock")
    with zipfile.ZipFile(folder / "team.zip", "w") as archive:
        archive.writestr("travel/limits.csv", "City,Limit,Note\nPorto,120,a\nOslo,180,b\n")
        archive.writestr("tool.bin", b"\x7fELF\0\0\0")
        archive.writestr("__MACOSX/travel/limits.csv", "no")
    code, out, _ = run("add", folder, "--json")
    reports = [json.loads(line) for line in out.splitlines()]

    assert code == 1
    assert [(report["path"][-23:], report["status"]) for report in reports] == [
        ("/shared/team.zip/tool.bin"[-23:], "failed"),
        ("team.zip/travel/limits.csv"[-23:], "added"),
    ]
    assert "This type of file is not read" in reports[0]["reason"]
    [document] = json.loads(run("documents", "--json")[1])
    assert document["title"] == "limits.csv"
    assert document["uri"].endswith("/shared/team.zip#travel/limits.csv")
    assert json.loads(run("add", folder / "team.zip", "--json")[1].splitlines()[1])["status"] == "unchanged"


def test_a_folder_without_files_is_nothing_to_do(run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run("add", tmp_path / "empty")
    assert code == 1
    assert "no file to add" in err


def test_read_stores_nothing(run, policy):
    code, out, _ = run("read", policy, "--json")
    assert code == 0
    assert json.loads(out)["pages"][0]["text"].startswith("Parcels weigh")
    assert json.loads(run("documents", "--json")[1]) == []


def test_a_decompression_bomb_is_refused_before_it_opens(run, tmp_path):
    """169 megapixels in about 20 KB."""
    bomb = tmp_path / "bomb.png"
    Image.new("1", (13_000, 13_000)).save(bomb, "PNG", pnginfo=PngImagePlugin.PngInfo())
    assert bomb.stat().st_size < 100_000

    code, _, err = run("add", bomb)

    assert code == 1
    assert "bomb.png" in err
    assert "pixels" in err


def test_an_unreadable_picture_is_named_in_the_answer(run, policy, tmp_path):
    run("add", policy)
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    code, out, _ = run("ask", WEIGHT, "--image", tmp_path / "torn.png", "--json")

    assert code == 0
    (unread,) = json.loads(out)["unread"]
    assert unread["name"] == "torn.png"
    assert unread["reason"]


def test_a_thread_comes_from_a_file(run, tmp_path):
    document = tmp_path / "offices.txt"
    document.write_text("The Oslo office opens at 8:00. The Oslo office closes at 16:00.", encoding="utf-8")
    history = tmp_path / "thread.json"
    history.write_text(
        json.dumps([{"role": "user", "text": "When does the Oslo office open?"}]), encoding="utf-8"
    )
    run("add", document)

    code, out, _ = run("ask", "And when does it close?", "--history", history)

    assert code == 0
    assert "16:00" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ask", "x" * 100_000], "100,000 characters"),
        (["ask", "  "], "question is empty"),
        (["ask", "why?", "--image", "gone.png"], "gone.png is not there"),
        (["ask", "why?", "--collection", "a/b"], "no collection name"),
        (["search", "why?", "-k", "0"], "at least one hit"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(run, arguments, sentence):
    code, out, err = run(*arguments)

    assert code == 2
    assert out == ""
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_a_history_that_is_no_thread_says_what_one_looks_like(run, tmp_path):
    history = tmp_path / "thread.json"
    history.write_text('{"role": "user"}', encoding="utf-8")
    code, _, err = run("ask", "why?", "--history", history)

    assert code == 2
    assert '"role": "user"' in err


def test_unknown_ids_are_exit_code_1(run):
    code, _, err = run("remove", "nope")
    assert code == 1
    assert "nope" in err
    code, _, err = run("rate", "nope", "up")
    assert code == 1
    assert "nope" in err


def test_a_bad_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("MMRAG_CHUNK_TOKENS", "many")
    code, _, err = run("documents")
    assert code == 2
    assert "MMRAG_CHUNK_TOKENS" in err


def test_a_misspelt_setting_is_named(run, monkeypatch):
    monkeypatch.setenv("MMRAG_CHUNK_TOKEN", "100")
    code, _, err = run("documents")
    assert code == 2
    assert "MMRAG_CHUNK_TOKEN" in err
    assert "doctor --settings" in err


def test_a_data_folder_that_cannot_be_written_says_what_to_do(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("MMRAG_HOME", str(tmp_path / "file" / "home"))
    code, _, err = run("documents")

    assert code in {1, 2}
    assert str(tmp_path / "file") in err
    assert "MMRAG_HOME" in err
    assert len(err.strip().splitlines()) == 1


def test_the_doctor_finds_everything_in_order(run):
    code, out, _ = run("doctor", "--json")
    findings = json.loads(out)

    assert code == 0
    assert {finding["part"] for finding in findings} >= {"embedder", "pictures", "search", "generator"}
    assert not [finding for finding in findings if finding["state"] == "fault"]


def test_the_doctor_lists_every_setting(run, monkeypatch):
    monkeypatch.setenv("MMRAG_CHUNK_TOKENS", "99")
    code, out, _ = run("doctor", "--settings", "--json")
    rows = {row["key"]: row for row in json.loads(out)}

    assert code == 0
    assert rows["chunk_tokens"]["value"] == "99"
    assert rows["chunk_tokens"]["source"] == "environment"
    assert all(row["description"] for row in rows.values())


def test_escape_sequences_of_a_document_never_reach_the_terminal(run, tmp_path):
    path = tmp_path / "evil.txt"
    path.write_text("The door code is 4711.\x1b]0;owned\x07 \x1b[31mThe door code is red.", encoding="utf-8")
    run("add", path)
    _, out, _ = run("ask", "What is the door code?")

    assert "4711" in out
    assert "\x1b" not in out


def test_two_processes_add_to_one_data_folder_at_once(tmp_path):
    """Both wait their turn; nothing is lost."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for number in range(5):
            (tmp_path / name / f"{number}.txt").write_text(
                f"Room {name} {number} seats {number + 10} people."
            )
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "mmrag", "add", str(tmp_path / name)],
            env=os.environ | {"MMRAG_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    for process in processes:
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err

    listed = subprocess.run(
        [sys.executable, "-m", "mmrag", "documents", "--json"],
        env=os.environ | {"MMRAG_HOME": str(tmp_path / "home")},
        capture_output=True,
        check=True,
    )
    assert len(json.loads(listed.stdout)) == 10


def test_a_removed_document_leaves_no_byte_behind(run, policy, tmp_path):
    run("add", policy)
    document_id = json.loads(run("documents", "--json")[1])[0]["document_id"]
    assert bytes_in(tmp_path / "home", "heavier")
    code, out, _ = run("remove", document_id)
    assert (code, out.split()[:2]) == (0, ["removed", document_id])
    assert not bytes_in(tmp_path / "home", "heavier")


def test_bytes_may_be_left_to_a_later_compaction(run, policy, tmp_path):
    run("add", policy)
    document_id = json.loads(run("documents", "--json")[1])[0]["document_id"]
    run("remove", document_id, "--later")
    code, out, _ = run("compact", "--json")
    assert code == 0
    assert json.loads(out)["bytes_after"] > 0
    assert not bytes_in(tmp_path / "home", "heavier")
    assert run("compact")[1].startswith("compacted: ")


def test_a_collection_is_forgotten_whole(run, policy, tmp_path):
    run("add", policy, "--collection", "depot")
    run("ask", WEIGHT, "--collection", "depot")
    code, out, _ = run("forget", "depot", "--json")
    assert (code, json.loads(out)) == (0, {"collection": "depot", "documents": 1})
    assert json.loads(run("documents", "--json")[1]) == []
    assert not bytes_in(tmp_path / "home", "parcel")
    code, _, err = run("forget", "depot")
    assert code == 1
    assert "no collection 'depot'" in err


def bytes_in(folder, mark):
    return any(mark.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
