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
        ("iPhone15手机", ["i", "phone15", "iphon", "15", "iphone15", "手机"]),
        ("AB-12/34X", ["ab", "12", "34", "x", "ab12/34x"]),
        ("/usr/local/bin", ["usr", "local", "bin", "usrlocalbin"]),
        ("ana.li@example.com", ["ana", "li", "exampl", "com", "analiexamplecom"]),
        ("25℃ at 12.5%", ["25", "c", "at", "12.5"]),
        ("第１２３页", ["第", "123", "页"]),
        ("Über Straßen naïve façades", ["uber", "strassen", "naiv", "facad"]),
        ("한국어 ガイド", ["한국어", "ガイド"]),
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
        ("café", "cafe"),
        ("cafe\u0301", "café"),
        ("week8", "week 8"),
        ("Windows10", "windows 10"),
        ("iPhone15手机", "iphone 15"),
        ("ERR4042", "err 4042"),
        ("Node.js", "nodejs"),
        ("AB-12/34X", "ab 12/34x"),
        ("１，０００", "1000"),
        ("№ 7", "No 7"),
        ("1,000 kg", "1000kg"),
        ("U.S.", "US"),
        ("wi-fi", "WiFi"),
        ("max_question_chars", "maxQuestionChars"),
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
def test_normalised_text_stays_as_it_is(text):
    assert normalise(normalise(text)) == normalise(text)


@laws
@given(st.text("abcdeéèüñçôßÅ", min_size=1, max_size=12))
def test_accents_do_not_matter(word):
    bare = word.translate(str.maketrans("éèüñçôÅ", "eeuncoA"))
    assert words(word) == words(bare)


@laws
@given(st.lists(st.from_regex(r"[a-z]{2,8}|[0-9]{1,6}", fullmatch=True), min_size=2, max_size=4))
def test_an_identifier_is_found_by_its_parts_in_any_of_its_spellings(parts):
    for separator in "-_./":
        spelled = words(separator.join(["x1", *parts]))
        assert set(words(" ".join(part for part in parts if part.isalpha()))) <= set(spelled)


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


@given(st.text(max_size=200))
def test_words_are_those_of_the_parts_between_white_space(text):
    assert words(text) == [word for part in text.split() for word in words(part)]
    assert words(text + " " + text) == words(text) * 2
