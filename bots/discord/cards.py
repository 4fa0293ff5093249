"""What is shown in Discord, as its JSON: answers, notices, requests for approval, modals. Pure functions.

Limits are Discord's: 2,000 characters of content, 4,096 of an embed's description and 6,000 of embeds in all,
5 rows of 5 buttons, 100 characters of a custom id, 10 MiB of files. Every message says that nobody is pinged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bots.discord.markup import MARKDOWN, escape, escape_line, link, size
from bots.markup import Paragraph, Quotation, Words, parse, split
from bots.render import fitting, lay_out, so_far, web_links
from bots.wording import (
    CALL_FOR_HELP,
    CORRECT_IT,
    MOST_QUESTION_CHARS,
    WHAT_IS_RIGHT,
    approval_need,
    says_it_is_right,
)
from mmrag.text.display import one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.conversation import Notice, Proposal
    from bots.figures import Figure
    from bots.markup import Block
    from bots.render import Layout, SourceLine
    from mmrag.types import Answer, Said

Json = dict[str, Any]

CONTENT_CHARS, DESCRIPTION_CHARS, FOOTER_CHARS = 2_000, 3_600, 200
WHISPERED_CHARS = 1_900  # of an answer's text beside its sources in one embed
LINK_CHARS = 500
FILE_BYTES = 10 << 20
MOODS = {"done": "✅", "hint": "ℹ️", "problem": "⚠️"}
COLOUR = 0x5865F2
NOBODY: Json = {"parse": []}
EPHEMERAL, SUPPRESS_EMBEDS = 1 << 6, 1 << 2
LATE = "-# I was away when you asked this."

# What buttons and modals are called; a value follows behind the colon.
UP, DOWN, CORRECT, ASK_HUMAN = "up", "down", "correct", "ask_human"
SHARE_ANSWER, KEEP_ANSWER, APPROVE, REJECT = "share_answer", "keep_answer", "approve", "reject"
DOWN_MODAL, ASK_MODAL = "what_is_right", "ask_about"

_ROW, _BUTTON, _SELECT, _TEXT, _LABEL = 1, 2, 3, 4, 18
_PRIMARY, _SECONDARY = 1, 2
_PARAGRAPH = 2
MODAL_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `mentions` are the only ones that may ping."""

    content: str = ""
    embeds: tuple[Json, ...] = ()
    rows: tuple[Json, ...] = ()
    file: Figure | None = None
    mentions: Json = field(default_factory=lambda: NOBODY)

    def body(self) -> Json:
        """As Discord takes it, for a new message or an edit: what is not there is taken away."""
        body: Json = {
            "content": self.content,
            "embeds": list(self.embeds),
            "components": list(self.rows),
            "allowed_mentions": self.mentions,
            "attachments": [],
            "flags": 0 if self.embeds else SUPPRESS_EMBEDS,  # the flag would hide ours as well
        }
        if self.file is not None:
            described = {"filename": self.file.name, "description": self.file.description}
            body["attachments"] = [{"id": 0, **described}]
        return body

    @property
    def plain(self) -> Message:
        """Without what Discord may not take: files and embeds."""
        words = "\n".join(str(embed.get("description", "")) for embed in self.embeds)
        return Message(cut(self.content or words) or "…", (), self.rows, None, self.mentions)


def answer_messages(
    answer: Answer,
    *,
    figure: Figure | None = None,
    human: bool = False,
    private: bool = False,
    asked: str | None = None,
    late: bool = False,
) -> list[Message]:
    """An answer as the messages that show it; the last one has the sources and the buttons.

    `human`: somebody can be asked where there is no answer. `private`: only the person sees it, in one
    message whatever its length, and may share it. `asked`: the question, where nobody else has seen it.
    `late`: it was asked while the bot was away.
    """
    layout = lay_out(answer)
    links = web_links(layout, most=LINK_CHARS)
    blocks: list[Block] = [*parse(answer.text, frozenset(links))]
    if asked:
        blocks.insert(0, Quotation((Paragraph((Words(shorten(one_line(asked), MOST_QUESTION_CHARS)),)),)))
    texts = _texts(blocks, links, room=len(LATE) + 1 if late else 0)
    if late:
        texts[0] = f"{LATE}\n{texts[0]}"
    sources = _sources(layout, links, figure)
    rows = _row(
        *(_private_buttons(answer.id) if private else _feedback(answer.id)),
        *([_button("Ask a human", ASK_HUMAN, answer.id)] if answer.abstained and human else []),
    )
    if private:
        return [_in_one(texts, sources, rows, figure)]
    messages = [Message(text) for text in texts]
    return [*messages[:-1], replace(messages[-1], embeds=(sources,), rows=(rows,), file=figure)]


def _in_one(texts: Sequence[str], sources: Json, rows: Json, figure: Figure | None) -> Message:
    """What one person sees is edited into one message: nobody can look whether a second has arrived."""
    embeds = [sources]
    if len(texts) > 1:
        more = texts[1] if len(texts) == 2 else f"{texts[1]}\n…"  # noqa: PLR2004 - the first and one more
        embeds.insert(0, {"color": COLOUR, "description": more})
        sources["description"] = cut(sources.get("description", ""), WHISPERED_CHARS)
    return Message(texts[0], tuple(embeds), (rows,), figure)


def notice_message(notice: Notice) -> Message:
    """A few words of ours; all of it escaped."""
    text = f"{MOODS[notice.mood]} {escape(notice.text)}"
    lines = fitting([f"- {escape_line(line)}" for line in notice.lines], 1_200, length=size)
    return Message("\n".join([cut(text, 700), *([lines] if lines else [])]))


def approval_message(proposal: Proposal) -> Message:
    """A correction that waits, with the buttons that decide it."""
    heading = says_it_is_right(f"**{escape_line(shorten(proposal.name, 80))}**")
    quoted = "\n".join(
        f"> {line}" for line in cut(escape(proposal.correction), DESCRIPTION_CHARS).split("\n")
    )
    embed = {
        "color": COLOUR,
        "description": cut(quoted, DESCRIPTION_CHARS),
        "footer": {"text": approval_need(proposal)},
    }
    rows = _row(
        _button("Approve", APPROVE, proposal.id, style=_PRIMARY), _button("Reject", REJECT, proposal.id)
    )
    return Message(heading, (embed,), (rows,))


def correction_message(answer_id: str) -> Message:
    """What would be right? By a button, since only a click can open a modal."""
    return Message(WHAT_IS_RIGHT, (), (_row(_button(CORRECT_IT, CORRECT, answer_id)),))


def human_message(group: str, asked: str | None = None) -> Message:
    """A configured role ("&1") or person ("1") is called: the one mention we ever make."""
    number = group.lstrip("&")
    mentions = {"parse": [], "roles" if group.startswith("&") else "users": [number]}
    text = f"<@{group}> {CALL_FOR_HELP}"
    quoted = f"\n> {escape_line(shorten(one_line(asked), MOST_QUESTION_CHARS))}" if asked else ""
    return Message(cut(text + quoted), mentions=mentions)


def draft_message(status: str, said: Sequence[Said] = ()) -> Message:
    """What stands there until the answer does: what is being done, and what is certain already."""
    line = draft_content(status)
    if not said:
        return Message(line)
    answer = so_far(said)
    links = web_links(lay_out(answer), most=LINK_CHARS)
    return Message(f"{line}\n{_texts(parse(answer.text, frozenset(links)), links, room=size(line) + 1)[0]}")


def draft_content(status: str) -> str:
    """One small line."""
    return f"{DRAFT_SIGN} {cut(escape_line(status), 300)} …"


DRAFT_SIGN = "-# ⏳"


# ---------------------------------------------------------------------------- modals


def down_modal(answer_id: str, reasons: Mapping[str, str]) -> Json:
    """What is wrong with an answer, and what would be right. `reasons`: value to label."""
    options = [{"label": label, "value": value} for value, label in reasons.items()]
    select = {
        "type": _SELECT,
        "custom_id": "reasons",
        "options": options,
        "min_values": 0,
        "max_values": len(options),
        "required": False,
    }
    text = _text_input("correction", required=False)
    return _modal(
        f"{DOWN_MODAL}:{answer_id}",
        "What is wrong?",
        _label("What is wrong with it?", select),
        _label("What would be right?", text, "It becomes a source once it is approved."),
    )


def ask_modal(target: str) -> Json:
    """A question about a message."""
    return _modal(
        f"{ASK_MODAL}:{target}", "Ask about this", _label("Your question", _text_input("text", required=True))
    )


def _modal(custom_id: str, title: str, *labels: Json) -> Json:
    return {"custom_id": custom_id, "title": title, "components": list(labels)}


def _label(label: str, component: Json, description: str | None = None) -> Json:
    given = {"type": _LABEL, "label": label, "component": component}
    return given | ({"description": description} if description else {})


def _text_input(name: str, *, required: bool) -> Json:
    return {
        "type": _TEXT,
        "custom_id": name,
        "style": _PARAGRAPH,
        "required": required,
        "max_length": MODAL_CHARS,
    }


# ------------------------------------------------------------------ parts of answers


def _texts(blocks: Sequence[Block], links: Mapping[int, str | None], *, room: int) -> list[str]:
    """The text in parts that a message holds, cut between blocks, sentences, rows; at least one."""

    def length(some: Sequence[Block]) -> int:
        return size(MARKDOWN.write(some, links))

    parts = split(blocks, most=CONTENT_CHARS - room, length=length)
    texts = [MARKDOWN.write(part, links).strip() for part in parts]
    return [text if size(text) <= CONTENT_CHARS - room else cut(text) for text in texts if text] or ["…"]


def _sources(layout: Layout, links: Mapping[int, str | None], figure: Figure | None) -> Json:
    lines = [f"⚠️ {escape_line(note)}" for note in layout.notes]
    if layout.sources:
        lines += [f"**{layout.sources_heading}**", *(_source(each, links) for each in layout.sources)]
    embed: Json = {"color": COLOUR, "footer": {"text": cut(one_line(layout.footer), FOOTER_CHARS) or "mmrag"}}
    if lines:
        embed["description"] = fitting(lines, DESCRIPTION_CHARS, length=size)
    if figure is not None:
        embed["image"] = {"url": f"attachment://{figure.name}"}
    return embed


def _source(source: SourceLine, links: Mapping[int, str | None]) -> str:
    title = shorten(source.title, 150) or "untitled"
    address = links[source.marker]
    name = link(address, title) if address else escape_line(title)
    place = f", {escape_line(source.place)}" if source.place else ""
    snippet = f"\n> {escape_line(source.snippet)}" if source.snippet else ""
    return f"\\[{source.marker}\\] {name}{place}{snippet}"


def _feedback(answer_id: str) -> tuple[Json, ...]:
    return (
        _button("", UP, answer_id) | {"emoji": {"name": "👍"}},
        _button("", DOWN, answer_id) | {"emoji": {"name": "👎"}},
    )


def _private_buttons(answer_id: str) -> tuple[Json, ...]:
    return (
        _button("Share with the channel", SHARE_ANSWER, answer_id, style=_PRIMARY),
        _button("Keep", KEEP_ANSWER, answer_id),
    )


def _row(*buttons: Json) -> Json:
    return {"type": _ROW, "components": list(buttons)}


def _button(label: str, action: str, value: str, *, style: int = _SECONDARY) -> Json:
    button: Json = {"type": _BUTTON, "style": style, "custom_id": f"{action}:{value}"}
    return button | ({"label": label} if label else {})


def cut(text: str, most: int = CONTENT_CHARS) -> str:
    """At most so much of a text that is escaped: no half escape, and no fence that stays open."""
    if size(text) <= most:
        return text
    kept = text[: most - 8]
    while size(kept) > most - 8:
        kept = kept[: len(kept) - max(1, size(kept) - (most - 8))]
    kept = kept.rstrip("\\")
    link_begun = kept.rfind("[")
    if link_begun >= 0 and ">)" not in kept[link_begun:] and "](" in text[link_begun : link_begun + 400]:
        kept = kept[:link_begun].rstrip("\\")
    return kept + ("\n```…" if kept.count("```") % 2 else "…")
