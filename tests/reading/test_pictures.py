"""Pictures: made upright and opaque, their text read, stored as figures."""

from __future__ import annotations

import io
from contextlib import closing

import cv2
import numpy as np
import pytest
from PIL import Image, features

from mmrag.assemble import build_reader
from mmrag.config import Settings
from mmrag.reading.picture import PictureFile
from mmrag.reading.pixels import pixel_digest

LINE = "Invoice total 4,217"
FORMATS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"] + (["AVIF"] if features.check("avif") else [])


@pytest.mark.parametrize("kind", FORMATS)
def test_text_is_read_in_every_format(read, draw_text, encode, kind):
    reading = read(encode(draw_text(LINE), kind))
    assert reading.media_type == f"image/{kind.lower()}"
    assert reading.pages[0].text == LINE


def test_chinese_is_read(read, draw_text, encode):
    page = read(encode(draw_text("门店退货期限为三十天", "请保留收据"))).pages[0]
    assert "门店退货期限为三十天" in page.text
    assert "请保留收据" in page.text


def test_a_dark_theme_is_read(read, draw_text, encode):
    dark = draw_text(LINE, ink=(230, 230, 230), paper=(24, 26, 32))
    assert read(encode(dark)).pages[0].text == LINE


def test_a_picture_on_its_side_is_turned_by_its_exif_orientation(read, draw_text, encode):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    sideways = draw_text(LINE).rotate(90, expand=True)
    page = read(encode(sideways, "JPEG", exif=exif)).pages[0]
    assert page.text == LINE
    stored = Image.open(io.BytesIO(page.figures[0].image))
    assert stored.width > stored.height


def test_transparent_text_is_read_on_white(read, draw_text, encode):
    ink = 255 - np.asarray(draw_text(LINE).convert("L"))
    transparent = np.dstack([np.zeros((*ink.shape, 3), np.uint8), ink])
    page = read(encode(Image.fromarray(transparent))).pages[0]
    assert page.text == LINE
    assert Image.open(io.BytesIO(page.figures[0].image)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_not_clipped(read, draw_text, encode):
    grey = np.asarray(draw_text(LINE, paper=(120, 120, 120)).convert("L"), dtype=np.uint16)
    assert read(encode(Image.fromarray(grey * 256))).pages[0].text == LINE


def test_cmyk_is_read(read, draw_text, encode):
    assert read(encode(draw_text(LINE).convert("CMYK"), "JPEG")).pages[0].text == LINE


def test_frames_that_differ_are_pages_and_those_that_do_not_are_one(read, draw_text, encode):
    first, second = draw_text("Step one: open"), draw_text("Step two: close")
    animation = encode(first, "GIF", save_all=True, append_images=[first, second, second], duration=100)
    assert [page.text for page in read(animation).pages] == ["Step one: open", "Step two: close"]


def test_a_long_animation_gives_a_handful_of_frames(encode):
    frames = [Image.new("L", (40, 40), shade) for shade in range(0, 250, 25)]
    animation = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True)
    assert len(list(picture_file(animation).frames(max_pages=9))) == 5


def test_a_long_screenshot_is_read_to_its_end(read, draw_text, encode):
    lines = [f"Entry number {index}" for index in range(1, 41)]
    page = read(encode(draw_text(*lines, width=420))).pages[0]
    assert all(line in page.text for line in lines)


def test_a_picture_without_text_has_an_empty_page_and_a_warning(read, encode):
    reading = read(encode(Image.linear_gradient("L").resize((300, 270))))
    assert reading.pages[0].text == ""
    assert reading.pages[0].figures[0].kind == "picture"
    assert reading.warnings == ("No text was found in this picture.",)


def test_two_columns_of_prose_are_read_one_after_the_other(read, draw_text, encode):
    left = draw_text("The first column tells", "how the year began and", "what was planned then.", width=420)
    right = draw_text(
        "The second one tells how", "it went on and what was", "done about it in the end.", width=440
    )
    sheet = Image.new("RGB", (960, 860), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (520, 0))
    text = " ".join(read(encode(sheet)).pages[0].text.split())
    assert text == (
        "The first column tells how the year began and what was planned then. "
        "The second one tells how it went on and what was done about it in the end."
    )


def test_a_table_printed_in_a_picture_keeps_its_rows(read, encode, draw_text):
    rows = [
        ("Service", "Uptime", "Errors"),
        ("gateway", "99.97 %", "0.04 %"),
        ("reports", "99.91 %", "0.41 %"),
    ]
    sheet = Image.new("RGB", (900, 800), "white")
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            sheet.paste(draw_text(cell, width=240), (20 + 290 * column, 60 * number))
    page = read(encode(sheet)).pages[0]
    assert page.tables[0].rows == tuple(rows)
    assert "reports | 99.91 % | 0.41 %" in page.text


def test_every_page_of_a_tiff_is_a_page_even_if_it_repeats(read, draw_text, encode):
    sheets = [draw_text(text, width=400) for text in ("Page of terms", "Page of terms", "Signed in May")]
    tiff = encode(sheets[0], "TIFF", save_all=True, append_images=sheets[1:])
    assert [page.text for page in read(tiff).pages] == ["Page of terms", "Page of terms", "Signed in May"]


def test_what_is_left_out_of_an_animation_is_said_and_its_last_frame_is_read(read, draw_text, encode):
    frames = [draw_text(f"Step {number}", width=200) for number in range(8)]
    animation = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    reading = read(animation)
    assert [reading.pages[0].text, reading.pages[-1].text] == ["Step 0", "Step 7"]
    assert "5 of this animation's 8 different frames" in reading.warnings[0]


def test_twelve_bits_in_sixteen_are_not_taken_for_darkness(read, draw_text, encode):
    grey = np.asarray(draw_text(LINE).convert("L"), dtype=np.uint16)
    assert read(encode(Image.fromarray(grey * 16))).pages[0].text == LINE


def test_a_palette_with_a_transparent_colour_is_read(read, draw_text, encode):
    palette = draw_text(LINE).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    white = palette.getpixel((0, 0))
    assert read(encode(palette, "PNG", transparency=white)).pages[0].text == LINE


def test_white_text_on_nothing_is_not_lost_on_white(read, draw_text, encode):
    ink = 255 - np.asarray(draw_text(LINE).convert("L"))
    white = np.dstack([np.full((*ink.shape, 3), 255, np.uint8), ink])
    assert read(encode(Image.fromarray(white))).pages[0].text == LINE


def test_the_key_is_that_of_the_pixels_whatever_holds_them(read, draw_text, encode):
    picture = draw_text("Orders 412", width=200)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    files = [
        encode(picture),
        encode(picture, "WEBP", lossless=True),
        encode(picture, "BMP"),
        encode(picture.rotate(90, expand=True), "PNG", exif=exif),
    ]
    digests = {digest_of(data) for data in files}
    edited = picture.copy()
    edited.putpixel((3, 3), (254, 255, 255))
    assert len(digests) == 1
    assert pixel_digest(edited) not in digests
    assert pixel_digest(Image.new("RGB", (2, 3))) != pixel_digest(Image.new("RGB", (3, 2)))
    assert {figure.key for figure in read(files[0]).pages[0].figures} == digests


def picture_file(data):
    return PictureFile(data, max_bytes=10**7, max_pixels=10**7)


def digest_of(data):
    return picture_file(data).pixel_digest()


def test_what_looks_alike_at_8_bits_on_white_keeps_keys_of_its_own(encode):
    clear = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
    deep = Image.fromarray(np.full((4, 4), 65_535, np.uint16))
    deeper = Image.fromarray(np.full((4, 4), 65_534, np.uint16))
    pictures = [clear, clear.convert("RGB"), deep, deeper]
    assert len({digest_of(encode(picture)) for picture in pictures}) == 4


def test_an_animation_has_no_key(encode):
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    assert digest_of(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])) is None


@pytest.mark.parametrize("turned", [90, 180])
def test_a_picture_on_its_side_or_its_head_is_turned_by_its_text(read, draw_text, encode, turned):
    lines = [f"Delivery note number {number} of May" for number in range(5)]
    page = read(encode(draw_text(*lines).rotate(turned, expand=True))).pages[0]
    assert page.text.splitlines() == lines
    stored = Image.open(io.BytesIO(page.figures[0].image))
    assert stored.width > stored.height


def test_small_text_in_a_wide_screenshot_is_read_once_over_the_seams(read, encode):
    width, height = 3_600, 480
    sheet = np.full((height, width, 3), 255, np.uint8)
    font = cv2.FontFace("uni")
    words = [f"w{number}k" for number in range(100, 220)]
    for row in range(3):
        for column in range(40):
            place = (30 + 88 * column, 60 + 140 * row)
            cv2.putText(sheet, words[40 * row + column], place, (0, 0, 0), font, 18)
    found = read(encode(Image.fromarray(sheet))).pages[0].text.split()
    missing = [word for word in words if word not in found]
    assert len(missing) <= len(words) // 50
    assert len(found) <= len(words) * 1.02


def test_a_picture_as_large_as_is_allowed_is_read_within_memory_and_stored_to_be_shown(encode):
    photo = np.full((5_100, 7_800, 3), 255, dtype=np.uint8)
    cv2.putText(
        photo, "Pump LF-410 holds 62 litres", (200, 2500), cv2.FONT_HERSHEY_SIMPLEX, 8, (20, 20, 20), 16
    )
    with closing(build_reader(Settings(threads=2))) as reader:
        reading = reader.read(encode(Image.fromarray(photo), "JPEG"), name="photo.jpg")
    [page] = reading.pages
    assert "holds 62 litres" in page.text
    assert Image.open(io.BytesIO(page.figures[0].image)).size == (2_000, 1_308)
