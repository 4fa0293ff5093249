from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrag.text.words import content_words, is_chinese, is_han, normalise, words

laws = settings(deadline=None, max_examples=200)
TEXT = st.one_of(st.text(max_size=60), st.text("aB1_-./:,'’ 中文的。+#%\u00ad\u200b", max_size=40))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Restarting the gateways", ["restart", "the", "gateway"]),
        ("退款政策", ["退款", "款政", "政策"]),
        ("猫", ["猫"]),
        ("2023年Q3营收", ["2023", "年", "q3", "营收"]),
        ("ERR-4042", ["err", "4042", "err4042"]),
        ("snake_case", ["snake", "case", "snakecas"]),
        ("HTTPServer", ["http", "server", "httpserver"]),
        ("v2.13.0", ["v2", "13", "0", "v2.13.0", "2.13.0"]),
        ("1,234,567.5", ["1234567.5"]),
        ("3.5 %", ["3.5"]),
        ("5kg", ["5", "kg", "5kg"]),
        ("2019–2020", ["2019", "2020"]),
        ("10-20", ["10", "20", "10-20"]),
        ("C++ and C#", ["c", "c++", "and", "c", "c#"]),
        ("the company's CEO doesn’t", ["the", "compani", "ceo", "doesnt"]),
        ("ＥＲＲ－４０４２", ["err", "4042", "err4042"]),
        ("informa\u00adtion", ["inform"]),
        ("", []),
        ("— … !", []),
    ],
)
def test_text_becomes_search_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ERR-4042", "err_4042"),
        ("ERR-4042", "ERR4042"),
        ("getUserName", "get_user_name"),
        ("getUserName", "user name"),
        ("v2.13.0", "2.13.0"),
        ("e-mail", "email"),
        ("4,200,000", "4200000"),
        ("5kg", "5 kg"),
        ("３．５％", "3.5%"),
        ("restarts", "Restarting"),
        ("resumé", "RESUMÉ"),
    ],
)
def test_two_spellings_of_one_thing_share_a_word_that_says_it(one, other):
    shared = set(words(one)) & set(words(other))
    assert any(len(word) > 1 for word in shared)


@pytest.mark.parametrize(
    ("one", "other"), [("2.13.0", "2130"), ("10-20", "1020"), ("1.5", "15"), ("3:11", "311")]
)
def test_numbers_are_never_run_together(one, other):
    assert not set(words(one)) & set(words(other))


@laws
@given(TEXT)
def test_no_word_is_empty_or_holds_white_space(text):
    for word in words(text):
        assert word.split() == [word]


@laws
@given(TEXT, TEXT)
def test_lines_do_not_touch_each_other(above, below):
    assert words(f"{above}\n{below}") == words(above) + words(below)


@laws
@given(TEXT)
def test_content_words_are_some_of_the_words_and_never_none_of_them(text):
    kept = content_words(text)
    rest = iter(words(text))
    assert all(word in rest for word in kept)
    assert bool(kept) == bool(words(text))


@laws
@given(TEXT)
def test_full_width_text_has_the_same_words(text):
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    assert words(wide) == words(text)


def test_normalised_text_is_folded_and_visible():
    assert normalise("ＡＢＣ\u200b de\u00adf № ①") == "abc def no 1"


def test_function_words_carry_no_topic():
    assert content_words("What is the refund policy?") == ["refund", "polici"]
    assert content_words("这个什么的退款") == ["的退", "退款"]
    assert content_words("What is it?") == ["what", "is", "it"]


def test_a_long_line_of_base64_is_no_long_word():
    assert all(len(word) <= 64 for word in words("x" * 5000 + " " + "aB3-" * 2000))


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("退款政策是什么？", True),
        ("ERR-4042 怎么解决", True),
        ("The word 中 means middle, as in the centre of something.", False),
        ("refund policy", False),
        ("12.5 %", False),
        ("", False),
    ],
)
def test_chinese_is_told_by_its_share_of_the_letters(text, chinese):
    assert is_chinese(text) is chinese


def test_han_characters_are_told_from_others():
    assert all(map(is_han, "中文𠀀"))
    assert not any(map(is_han, "aé1。あ "))
