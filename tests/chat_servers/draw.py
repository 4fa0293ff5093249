"""A recorded conversation as a page and as a picture: what people saw, drawn from messages and blocks alone.

Markdown and mrkdwn are brought to the same runs of text first; what is drawn knows no markup. A message is a
list of `Piece`s, whoever draws them.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from markdown_it import MarkdownIt
from PIL import Image, ImageDraw, ImageFont

WIDTH, MARGIN, INDENT, FACE = 900, 24, 56, 36
PICTURE = 360  # the longest side of a picture, in pixels
COLOURS = ("#4a154b", "#1264a3", "#2b7a4b", "#b8562a", "#7a5195")
LINK, GREY, INK, LINE = "#1264a3", "#616061", "#1d1c1d", "#dddddd"


class Run(NamedTuple):
    """Words of one look; `look` holds b (bold), l (a link), c (code)."""

    text: str
    look: str = ""


@dataclass(frozen=True)
class Piece:
    """`kind`: text, small, header, buttons, picture, rule. `data` is a picture's bytes."""

    kind: str
    runs: tuple[Run, ...] = ()
    data: bytes = b""


# ------------------------------------------------------------------ what to draw

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_QUOTED = re.compile(r"^(?:>|&gt;) ?", re.MULTILINE)
_MRKDWN = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>|\*([^*\n]+)\*|`([^`\n]+)`")


def pieces_of(message, conversation):
    """What a message shows, from top to bottom."""
    pieces = []
    blocks = message.get("blocks") or []
    if not blocks and message["text"]:
        pieces.append(Piece("text", tuple(_mrkdwn(message["text"], conversation))))
    for block in blocks:
        pieces += _block(block, conversation)
    for file in message.get("files") or ():
        data = conversation["pictures"].get(file["id"])
        name = Run(file.get("name", "a file"), "b")
        pieces.append(Piece("small", (name,)))
        if data:
            pieces.append(Piece("picture", data=base64.b64decode(data)))
    for reaction in message.get("reactions") or ():
        pieces.append(Piece("buttons", (Run(f":{reaction['name']}: {reaction['count']}"),)))
    return pieces


def _block(block, conversation):
    return _BLOCKS.get(block["type"], _nothing)(block, conversation)


def _nothing(_block, _conversation):
    return []


def _markdown_block(block, conversation):
    return [Piece("text", tuple(runs)) for runs in _markdown(block["text"], conversation)]


def _section(block, conversation):
    texts = [block["text"]] if block.get("text") else block["fields"]
    return [Piece("text", tuple(_text(each, conversation))) for each in texts]


def _context(block, conversation):
    texts = [element for element in block["elements"] if element["type"] != "image"]
    return [Piece("small", tuple(run for each in texts for run in _text(each, conversation)))]


def _image(block, conversation):
    title = Run((block.get("title") or {}).get("text") or block["alt_text"], "b")
    data = conversation["pictures"].get((block.get("slack_file") or {}).get("id"))
    shown = [Piece("picture", data=base64.b64decode(data))] if data else []
    return [Piece("small", (title,)), *shown]


def _buttons(block, _conversation):
    return [Piece("buttons", tuple(Run(label) for label in _labels(block["elements"])))]


_BLOCKS = {
    "markdown": _markdown_block,
    "section": _section,
    "rich_text": lambda block, conversation: [Piece("text", tuple(_rich(block, conversation)))],
    "context": _context,
    "header": lambda block, _: [Piece("header", (Run(block["text"]["text"], "b"),))],
    "divider": lambda _block, _conversation: [Piece("rule")],
    "image": _image,
    "actions": _buttons,
    "context_actions": _buttons,
}


def _labels(elements):
    for element in elements:
        if element["type"] == "feedback_buttons":
            yield element["positive_button"]["text"]["text"]
            yield element["negative_button"]["text"]["text"]
        else:
            yield element["text"]["text"]


def _text(text, conversation):
    if text["type"] == "plain_text":
        return [Run(text["text"])]
    return _mrkdwn(text["text"], conversation)


def _named(user, conversation):
    return Run("@" + conversation["people"].get(user, user), "l")


def _rich(block, conversation):
    for section in block["elements"]:
        for element in section["elements"]:
            if element["type"] == "user":
                yield _named(element["user_id"], conversation)
            else:
                yield Run(element.get("text", ""))


def _mrkdwn(text, conversation):
    text = _QUOTED.sub("\u258f ", text)
    at = 0
    for found in _MRKDWN.finditer(text):
        if found.start() > at:
            yield Run(_unescaped(text[at : found.start()]))
        target, label, bold, code = found.groups()
        if target is None:
            yield Run(_unescaped(bold), "b") if bold else Run(_unescaped(code), "c")
        elif target.startswith("@"):
            yield _named(target[1:], conversation)
        else:
            yield Run(_unescaped(label or target), "l")
        at = found.end()
    if at < len(text):
        yield Run(_unescaped(text[at:]))


def _unescaped(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _markdown(text, conversation):
    """The runs of each paragraph, list item and row."""
    listed = 0
    row = []
    for token in _MARKDOWN.parse(_unescaped(text)):
        listed += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            yield row
        elif token.type == "inline" and token.level and token.map is None:
            row = [*row, *([Run("   ")] if row else []), *_inline(token, conversation)]
        elif token.type == "inline":
            yield [*([Run("•  ")] if listed else []), *_inline(token, conversation)]
        elif token.type in ("fence", "code_block"):
            yield [Run(token.content.rstrip(), "c")]


def _inline(token, conversation):
    look = ""
    for child in token.children or ():
        if child.type in ("strong_open", "link_open"):
            look += "b" if child.type == "strong_open" else "l"
        elif child.type in ("strong_close", "link_close"):
            look = look.replace("b" if child.type == "strong_close" else "l", "")
        elif child.type == "code_inline":
            yield Run(child.content, "c")
        elif child.type in ("softbreak", "hardbreak"):
            yield Run("\n", look)
        elif child.content:
            yield from (Run(run.text, look or run.look) for run in _mrkdwn(child.content, conversation))


# ------------------------------------------------------------------------- HTML

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 sans-serif; color: #1d1c1d; max-width: 52em; margin: 2em auto; padding: 0 1em }}
article {{ margin: .9em 0; padding-left: 3.4em; position: relative }}
article.reply {{ margin-left: 3em }}
article.whisper {{ background: #f8f8f8; border-radius: 6px }}
i {{ position: absolute; left: 0; width: 2.4em; height: 2.4em; border-radius: 6px; color: #fff;
  text-align: center; line-height: 2.4em; font-style: normal; font-weight: bold }}
h3 {{ margin: 0; font-size: 1em }}
h3 small, .small {{ color: #616061; font-weight: normal; font-size: .87em }}
p {{ margin: .25em 0; white-space: pre-wrap }}
img {{ max-width: 24em; border: 1px solid #ddd; border-radius: 6px }}
.button {{ display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: .1em .6em;
  margin: .2em .4em 0 0 }}
.l {{ color: #1264a3 }}
.c {{ font-family: monospace; background: #f4f4f4 }}
</style></head><body><h2># {title}</h2>
{messages}
</body></html>
"""


def page(conversation):
    """The whole as one HTML file that needs nothing else."""
    shown = "\n".join(_article(message, conversation) for message in conversation["messages"])
    return _PAGE.format(title=escape(conversation["channel"]), messages=shown)


def _article(message, conversation):
    kinds = [
        *(["reply"] if _is_reply(message) else []),
        *(["whisper"] if message.get("is_ephemeral") else []),
    ]
    name = conversation["people"][message["user"]]
    note = escape(_note(message, conversation))
    body = "".join(map(_html, pieces_of(message, conversation)))
    face = f'<i style="background:{_colour(name)}">{escape(name[0].upper())}</i>'
    head = f"<h3>{escape(name)} <small>{note}</small></h3>"
    return f'<article class="{" ".join(kinds)}">{face}{head}{body}</article>'


def _html(piece):
    if piece.kind == "picture":
        data = base64.b64encode(_small(piece.data)).decode()
        return f'<p><img alt="" src="data:image/png;base64,{data}"></p>'
    if piece.kind == "rule":
        return "<hr>"
    if piece.kind == "buttons":
        return (
            "<p>" + "".join(f'<span class="button">{escape(run.text)}</span>' for run in piece.runs) + "</p>"
        )
    inner = "".join(_html_run(run) for run in piece.runs)
    return f'<p class="{piece.kind}">{inner}</p>'


def _html_run(run):
    text = escape(run.text)
    if "b" in run.look:
        text = f"<b>{text}</b>"
    kinds = [each for each in "lc" if each in run.look]
    return f'<span class="{" ".join(kinds)}">{text}</span>' if kinds else text


def _is_reply(message):
    return message.get("thread_ts", message["ts"]) != message["ts"]


def _note(message, conversation):
    notes = ["app"] if message.get("bot_id") else []
    if message.get("is_ephemeral"):
        notes.append(f"only visible to {conversation['people'][message['ephemeral_to']]}")
    if message.get("edited"):
        notes.append("edited")
    return " · ".join(notes)


def _colour(name):
    return COLOURS[sum(name.encode()) % len(COLOURS)]


def _small(data):
    """A picture as PNG, no larger than it is shown."""
    with Image.open(io.BytesIO(data)) as picture:
        shown = picture.convert("RGB")
        shown.thumbnail((PICTURE, PICTURE))
        out = io.BytesIO()
        shown.save(out, "PNG", optimize=True)
        return out.getvalue()


# ---------------------------------------------------------------------- picture


class _Fonts:
    """matplotlib's own fonts: there wherever the tests are."""

    def __init__(self):
        folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
        self.plain = ImageFont.truetype(folder / "DejaVuSans.ttf", 15)
        self.bold = ImageFont.truetype(folder / "DejaVuSans-Bold.ttf", 15)
        self.code = ImageFont.truetype(folder / "DejaVuSansMono.ttf", 14)
        self.small = ImageFont.truetype(folder / "DejaVuSans.ttf", 12)

    def of(self, run, kind):
        if kind == "small":
            return self.small
        return self.bold if "b" in run.look else self.code if "c" in run.look else self.plain


def picture(conversation):
    """The whole as a PNG."""
    canvas = Image.new("RGB", (WIDTH, 20_000), "white")
    pen = _Pen(canvas)
    pen.draw.text((MARGIN, MARGIN), f"# {conversation['channel']}", font=pen.fonts.bold, fill=INK)
    pen.y = MARGIN + 34
    for message in conversation["messages"]:
        pen.message(message, conversation)
    out = io.BytesIO()
    shown = canvas.crop((0, 0, WIDTH, min(pen.y + MARGIN, canvas.height)))
    shown.quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


class _Pen:
    """Draws from top to bottom."""

    def __init__(self, canvas):
        self.canvas = canvas
        self.draw = ImageDraw.Draw(canvas)
        self.fonts = _Fonts()
        self.y = 0
        self.left = 0

    def message(self, message, conversation):
        name = conversation["people"][message["user"]]
        face = MARGIN + (INDENT if _is_reply(message) else 0)
        self.left = face + FACE + 14
        self.draw.rounded_rectangle((face, self.y, face + FACE, self.y + FACE), 6, fill=_colour(name))
        middle = (face + FACE / 2, self.y + FACE / 2)
        self.draw.text(middle, name[0].upper(), font=self.fonts.bold, fill="white", anchor="mm")
        self.draw.text((self.left, self.y), name, font=self.fonts.bold, fill=INK)
        after = self.left + self.draw.textlength(name, font=self.fonts.bold) + 8
        note = _note(message, conversation)
        self.draw.text((after, self.y + 3), note, font=self.fonts.small, fill=GREY)
        self.y += 23
        for piece in pieces_of(message, conversation):
            self.piece(piece)
        self.y = max(self.y, 0) + 16

    def piece(self, piece):
        match piece.kind:
            case "picture":
                with Image.open(io.BytesIO(_small(piece.data))) as shown:
                    self.canvas.paste(shown, (self.left, self.y))
                    self.y += shown.height + 6
            case "rule":
                self.draw.line((self.left, self.y + 4, WIDTH - MARGIN, self.y + 4), fill=LINE)
                self.y += 10
            case "buttons":
                self.buttons(piece.runs)
            case kind:
                self.words(piece.runs, kind)

    def buttons(self, runs):
        x = self.left
        for run in runs:
            width = self.draw.textlength(run.text, font=self.fonts.small) + 18
            self.draw.rounded_rectangle((x, self.y, x + width, self.y + 24), 5, outline="#bbbbbb")
            self.draw.text((x + 9, self.y + 5), run.text, font=self.fonts.small, fill=INK)
            x += width + 8
        self.y += 31

    def words(self, runs, kind):
        """Text, broken where the line is full."""
        x, height = self.left, 17 if kind == "small" else 21
        for run in runs:
            font = self.fonts.of(run, kind)
            fill = LINK if "l" in run.look else GREY if kind == "small" else INK
            for word in re.findall(r"\n|[^\S\n]+|\S+", run.text):
                width = self.draw.textlength(word, font=font) if word != "\n" else 0
                if word == "\n" or (x + width > WIDTH - MARGIN and x > self.left):
                    x, self.y = self.left, self.y + height
                if not (word.isspace() and x == self.left):
                    self.draw.text((x, self.y), word, font=font, fill=fill)
                    x += width
        self.y += height + 3
