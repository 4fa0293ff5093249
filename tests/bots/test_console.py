"""The console's own part: what a line means, how a terminal and a pipe are served."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from bots.console import Screen, Session
from bots.console.editing import completions
from bots.conversation import Audience
from mmrag.types import Attachment, Rating, Source, Turn
from tests.bots.memory_engine import MemoryEngine

CONSOLE_ON_MEMORY = Path(__file__).with_name("memory_engine.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def engine():
    engine = MemoryEngine()
    source = Source("leave.md", b"Everybody has 28 days of leave.", uri="https://wiki.example/leave")
    engine.add(source, collection="company")
    return engine


@pytest.fixture
def out():
    return io.StringIO()


@pytest.fixture
def play(engine, out, tmp_path):
    """Play lines in `tmp_path`; whether all went well."""
    screen = Screen(Console(file=out, width=100, highlight=False, markup=False, emoji=False), person="ana")
    with Session(
        engine, screen, audience=Audience(("company", "ana")), author="ana", max_file_bytes=1000
    ) as session:
        yield lambda *lines: session.play(lines, folder=tmp_path)


# ------------------------------------------------------------- what a line means


def test_an_answer_is_shown_with_marker_source_page_and_time(play, out):
    assert play("How many days of leave?")
    assert out.getvalue() == (
        "ana   › How many days of leave?\n"
        "\n"
        "mmrag   Everybody has 28 days of leave. [1]\n"
        "        \n"
        "        Sources\n"
        "        [1] leave.md, page 1  https://wiki.example/leave\n"
        "            “Everybody has 28 days of leave.”\n"
        "        \n"
        "        memory · 1.2 s\n"
        "\n"
    )


def test_a_follow_up_carries_the_thread(play, engine):
    play("How many days of leave?", "And for trainees?")
    assert engine.questions[1].history == (
        Turn("user", "How many days of leave?"),
        Turn("assistant", "Everybody has 28 days of leave. [1]"),
    )


def test_a_new_thread_forgets_the_old_one(play, engine):
    play("How many days of leave?", "/new", "And for trainees?")
    assert engine.questions[1].history == ()


def test_ask_stands_outside_the_thread(play, engine):
    play("How many days of leave?", "/ask Who pays for coffee?", "And for trainees?")
    assert engine.questions[1].history == ()
    assert [turn.text for turn in engine.questions[2].history[::2]] == ["How many days of leave?"]


def test_the_same_question_comes_from_the_cache_and_says_so(play, out):
    assert play("/ask How many days of leave?", "/ask How many days of leave?")
    assert "from the cache in 3 ms" in out.getvalue()


def test_attachments_go_with_the_next_question_and_stay_in_the_thread(play, engine, tmp_path):
    (tmp_path / "my chart.png").write_bytes(b"png")
    (tmp_path / "b.png").write_bytes(b"b")
    assert play(
        '/attach "my chart.png" b.png', "How many tickets in May?", "And in June?", "/new", "And July?"
    )
    both = (Attachment("my chart.png", b"png"), Attachment("b.png", b"b"))
    assert [question.attachments for question in engine.questions] == [both, both, ()]


def test_a_file_that_vanished_after_it_was_attached_is_named_in_the_answer(play, out, tmp_path):
    (tmp_path / "chart.png").write_bytes(b"png")
    assert play("/attach chart.png")
    (tmp_path / "chart.png").unlink()
    assert play("How many days of leave?")
    assert "! chart.png was not used. There is no file" in out.getvalue()


def test_a_file_over_the_limit_is_named_in_the_answer(play, out, tmp_path):
    (tmp_path / "big.png").write_bytes(b"x" * 1001)
    assert play("/attach big.png", "How many days of leave?")
    assert "big.png was not used. It has 1,001 bytes and at most 1,000 are read" in out.getvalue()


def test_ratings_and_corrections_mean_the_last_answer(play, engine, out):
    assert play("How many days of leave?", "/up", "/down", "/correct 30 days.", "/down 31 days.")
    assert engine.ratings == [
        Rating("answer-1", "up", author="ana"),
        Rating("answer-1", "down", author="ana"),
        Rating("answer-1", "down", "30 days.", author="ana"),
        Rating("answer-1", "down", "31 days.", author="ana"),
    ]
    assert "What would be right? /correct TEXT" in out.getvalue()


def test_files_and_texts_go_into_the_narrowest_collection(play, engine, out, tmp_path):
    (tmp_path / "handbook.md").write_text("Coffee is free.")
    assert play("/kb add handbook.md", "/kb add The printer is on floor 3.", "/kb list")
    assert [d.title for d in engine.documents(collections=["ana"])] == [
        "Note by ana: The printer is on floor 3.",
        "handbook.md",
    ]
    assert (
        "✓ 1 document in the knowledge base.\n          handbook.md: added, 1 page, 1 passage\n"
        in out.getvalue()
    )


def test_a_local_file_is_the_same_source_as_on_the_command_line(play, engine, tmp_path):
    (tmp_path / "handbook.md").write_text("Coffee is free.")
    assert play("/kb add handbook.md")
    assert engine.documents()[0].uri == (tmp_path / "handbook.md").resolve().as_uri()


def test_what_was_attached_can_be_added_and_is_used_up_by_it(play, engine, tmp_path):
    (tmp_path / "handbook.md").write_text("Coffee is free.")
    assert play("/attach handbook.md", "/kb add", "How many days of leave?")
    assert engine.questions[0].attachments == ()
    assert len(engine.documents(collections=["ana"])) == 1


def test_captions_are_narrated_and_blank_lines_passed_over(play, engine, out):
    assert play("# What follows", "", "   ", "/help")
    assert out.getvalue().startswith("── What follows\n\nana   › /help\n        · What you can type:\n")
    assert engine.questions == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/attach missing.png", "There is no file"),
        ("/attach .", "is a folder: name its files"),
        ("/attach", "Which file?"),
        ("/attach locked/chart.png", "There is no file"),
        ("/attach \0.png", "There is no file"),
        (f"/attach {'x' * 300}.png", "can't be looked at"),
        ("/kb add mispelt.md", "There is no file"),
        ("/kb add", "What shall I add?"),
        ("/kb remove", "Which document?"),
        ("/up", "no answer to rate yet"),
        ("/down wrong", "no answer to rate yet"),
        ("/correct", "no answer to rate yet"),
        ("/dance", "There is no command /dance: /help shows those there are."),
        ("/up so good", "a correction goes with"),
        ("/ask", "What would you like to know?"),
    ],
)
def test_a_line_that_can_not_be_carried_out_says_why_and_ends_the_script(play, engine, out, line, says):
    assert not play(line, "How many days of leave?")
    assert says in " ".join(out.getvalue().split())
    assert engine.questions == []


def test_an_apology_ends_a_script(play, engine, out):
    def break_down(_):
        raise RuntimeError

    engine.during_ask = break_down
    assert not play("How many days of leave?", "/help")
    assert "Sorry, something went wrong on my side." in out.getvalue()
    assert "/help" not in out.getvalue()


def test_quit_leaves_a_script_early(play, engine):
    assert play("/quit", "How many days of leave?")
    assert engine.questions == []


def test_the_status_line_is_for_terminals_only(play, out):
    play("How many days of leave?")
    assert "searching" not in out.getvalue()


def test_commands_and_paths_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "may.png").touch()
    (tmp_path / ".hidden").touch()
    commands = ("/attach", "/ask", "/kb")
    assert completions("/a", commands) == ["/attach ", "/ask "]
    assert completions("/attach ", commands) == ["charts/"]
    assert completions("/attach charts/m", commands) == ["charts/may.png "]
    assert completions("/kb add nowhere/", commands) == []
    assert completions("what is in cha", commands) == []


# --------------------------------------------------------------- as a program


def run(*arguments, stdin="", module=True):
    program = ["-m", "bots"] if module else [str(CONSOLE_ON_MEMORY)]
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def script(tmp_path):
    def write(*lines):
        path = tmp_path / "talk.script"
        path.write_text("\n".join(lines))
        return path

    return write


def test_a_script_without_a_terminal_ends_with_0(script, tmp_path):
    (tmp_path / "rules.md").write_text("Coffee is free.")
    played = run(script("/kb add rules.md", "Is coffee free?"), module=False)
    assert (played.returncode, played.stderr) == (0, "")
    assert "mmrag   Coffee is free. [1]" in played.stdout
    assert "\x1b" not in played.stdout


def test_a_script_that_fails_ends_with_1_where_it_failed(script):
    played = run(script("/attach gone.png", "Is coffee free?"), module=False)
    assert played.returncode == 1
    assert "There is no file" in played.stdout
    assert "Is coffee free?" not in played.stdout


def test_lines_from_a_pipe_are_played():
    played = run(module=False, stdin="How many days of leave?\n")
    assert played.returncode == 0
    assert "Everybody has 28 days of leave. [1]" in played.stdout
    assert run(module=False, stdin="/dance\n").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["slack"], "SLACK_BOT_TOKEN is missing"),
        (["discord"], "The discord adapter is not there yet"),
        (["console", "--engine", "localhost:8000"], "is no engine's address"),
        (["console", "--script", "gone.script"], "There is no script gone.script"),
        (["console", "--script", "."], "could not be read"),
        (["telegraph"], "invalid choice"),
        ([], "required: PLATFORM"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments, says):
    refused = run(*arguments)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_bad_setting_is_one_sentence_and_exit_code_2(monkeypatch):
    monkeypatch.setenv("MMRAG_THREADS", "many")
    refused = run("console")
    assert refused.returncode == 2
    assert refused.stderr.startswith("bots: MMRAG_THREADS cannot be used")


@pytest.mark.parametrize("arguments", [["--help"], ["console", "--help"]])
def test_help_is_quick_and_loads_nothing_heavy(arguments):
    code = (
        "import sys\nfrom bots.__main__ import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    started = time.perf_counter()
    helped = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert time.perf_counter() - started < 2
    assert helped.stdout.startswith("usage: python -m bots")
    for heavy in ("torch", "transformers", "faiss", "numpy", "rich", "pydantic"):
        assert f"'{heavy}'" not in helped.stderr
