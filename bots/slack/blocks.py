"""What is shown in Slack, as blocks: answers, notices, requests for approval. Pure functions.

Limits are Slack's: 50 blocks a message, 3,000 characters a section, 12,000 a markdown block and about
13,200 in all, 10 elements a context.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bots.markup import Paragraph, Quotation, Words, parse, split
from bots.render import fitting, lay_out, so_far, web_links
from bots.slack.elements import SECTION_CHARS, actions, button, plain, section
from bots.slack.markup import escape, escape_line, mrkdwn_link, to_markdown, to_mrkdwn
from bots.wording import (
    CALL_FOR_HELP,
    CORRECT_IT,
    MOST_QUESTION_CHARS,
    WHAT_IS_RIGHT,
    approval_need,
    says_it_is_right,
)
from mmrag.text.display import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.conversation import Notice, Proposal
    from bots.figures import Figure
    from bots.render import Layout, SourceLine
    from mmrag.types import Answer, Said

Blocks = list[dict[str, Any]]

TEXT_CHARS = 9_000  # of the answer in one message: its sources have room beside it
SOURCES_CHARS = 2_900
NOTICE_LINES_CHARS = 2_900
NOTIFICATION_CHARS = 3_000
LINK_CHARS = 1_000  # far below a section's
NOT_CONFIRMED = "You find this here because Slack did not confirm that it was shown to you where you asked."
SHUT_OUT = "You find this here because Slack does not let me write where you asked."
LOOKED_ON = (
    "Guests or people from elsewhere read this place, so I looked only at what was added here. "
    "An admin can let me use everyone's documents: /kb set workspace-documents on"
)
MOODS = {"done": ":white_check_mark:", "hint": ":information_source:", "problem": ":warning:"}

# What buttons and modals are called: the adapter listens for these.
FEEDBACK, ASK_HUMAN, SHARE_ANSWER, KEEP_ANSWER = "feedback", "ask_human", "share_answer", "keep_answer"
CORRECT, APPROVE, REJECT = "correct", "approve_correction", "reject_correction"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: Markdown that may be streamed, blocks below it, and the text that notifications show."""

    markdown: str
    below: Blocks
    text: str

    @property
    def blocks(self) -> Blocks:
        """All of it as blocks, for what is posted or edited whole."""
        return [*([{"type": "markdown", "text": self.markdown}] if self.markdown else []), *self.below]


def answer_messages(
    answer: Answer,
    *,
    figure: Mapping[str, Any] | None = None,
    human: bool = False,
    private: bool = False,
    asked: str | None = None,
    narrow: bool = False,
) -> list[Message]:
    """An answer as the messages that show it; the last one has the sources and the buttons.

    `figure`: what `figure_block` or `no_figure_block` gives.
    `human`: somebody can be asked where there is no answer. `private`: only the person sees it, and may
    share it. `asked`: the question, where nobody else has seen it. `narrow`: where people from elsewhere
    look on, so that the workspace's documents were left out.
    """
    layout = lay_out(answer)
    links = web_links(layout, most=LINK_CHARS)
    blocks = (
        *([Quotation((Paragraph((Words(shorten(asked, MOST_QUESTION_CHARS)),)),))] if asked else []),
        *parse(answer.text, frozenset(links)),
    )
    parts = split(blocks, most=TEXT_CHARS, length=lambda some: len(to_markdown(some, links)))
    messages = [Message(to_markdown(part, links), [], _notification(to_mrkdwn(part))) for part in parts]
    below = [
        *_notes(layout),
        *([dict(figure)] if figure else []),
        *_sources(layout, links),
        *([_context(LOOKED_ON)] if answer.abstained and narrow else []),
        _context(layout.footer),
        *(_private_buttons(answer) if private else [_feedback(answer.id)]),
        *([actions(button("Ask a human", ASK_HUMAN, answer.id))] if answer.abstained and human else []),
    ]
    return [*messages[:-1], Message(messages[-1].markdown, below, messages[-1].text)]


def without_picture(message: Message, reason: str) -> Message:
    """A message with words in its picture's place; the same one where there is none."""
    if all(block["type"] != "image" for block in message.below):
        return message
    below = [no_figure_block(reason) if block["type"] == "image" else block for block in message.below]
    return replace(message, below=below)


def directly(message: Message, because: str) -> Message:
    """A message that was for somebody in a channel, as they see it in their own conversation."""
    return replace(message, below=[*message.below, _context(because)])


def said_markdown(said: Sequence[Said]) -> str:
    """What is certain already of an answer, as the beginning of its message."""
    answer = so_far(said)
    links = web_links(lay_out(answer), most=LINK_CHARS)
    return to_markdown(parse(answer.text, frozenset(links)), links)


def notice_message(notice: Notice) -> Message:
    """A few words of ours; all of it escaped."""
    text = f"{MOODS[notice.mood]} {escape(notice.text)}"
    lines = fitting([f"• {escape_line(line)}" for line in notice.lines], NOTICE_LINES_CHARS)
    sections = [section(text), *([section(lines)] if lines else [])]
    return Message("", sections, _notification("\n".join([text, *([lines] if lines else [])])))


def approval_message(proposal: Proposal) -> Message:
    """A correction that waits, with the buttons that decide it."""
    heading = says_it_is_right(f"*{escape_line(proposal.name)}*")
    below = [
        section(heading),
        section(escape(proposal.correction)),
        actions(
            button("Approve", APPROVE, proposal.id, style="primary"), button("Reject", REJECT, proposal.id)
        ),
        _context(approval_need(proposal)),
    ]
    return Message("", below, f"{heading} {_notification(escape(proposal.correction))}")


def correction_message(answer_id: str) -> Message:
    """What would be right? By a button, since only a click can open a modal."""
    shown = [section(WHAT_IS_RIGHT), actions(button(CORRECT_IT, CORRECT, answer_id))]
    return Message("", shown, WHAT_IS_RIGHT)


def human_message(group: str, asked: str | None = None) -> Message:
    """A configured group is called: the one mention we ever make, and nobody else's words make it."""
    mention = f"<!subteam^{group}>" if group.startswith("S") else f"<@{group}>"
    text = f"{mention} {CALL_FOR_HELP}"
    quoted = [section(f">{escape_line(shorten(asked, MOST_QUESTION_CHARS))}")] if asked else []
    return Message("", [section(text), *quoted], text)


# ------------------------------------------------------------------ parts of answers


def figure_block(file_id: str, figure: Figure) -> dict[str, Any]:
    """The figure that an answer rests on, once its file is with Slack."""
    shown = {"slack_file": {"id": file_id}, "title": plain(figure.title), "alt_text": figure.description}
    return {"type": "image", **shown}


def no_figure_block(reason: str) -> dict[str, Any]:
    """What stands in the figure's place where it cannot be shown."""
    return _context(f"The figure is not shown: {reason}")


def _notes(layout: Layout) -> Blocks:
    return (
        [section(fitting([f":warning: {escape_line(note)}" for note in layout.notes], SECTION_CHARS))]
        if layout.notes
        else []
    )


def _sources(layout: Layout, links: Mapping[int, str | None]) -> Blocks:
    if not layout.sources:
        return []
    lines = [f"*{layout.sources_heading}*", *(_source(each, links) for each in layout.sources)]
    return [section(fitting(lines, SOURCES_CHARS))]


def _source(source: SourceLine, links: Mapping[int, str | None]) -> str:
    title = shorten(source.title, 150) or "untitled"
    address = links[source.marker]
    name = mrkdwn_link(address, title) if address else escape_line(title)
    place = f", {escape_line(source.place)}" if source.place else ""
    snippet = f"\n>{escape_line(source.snippet)}" if source.snippet else ""
    return f"[{source.marker}] {name}{place}{snippet}"


def _feedback(answer_id: str) -> dict[str, Any]:
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": FEEDBACK,
                "positive_button": {"text": plain("Good answer"), "value": f"up {answer_id}"},
                "negative_button": {"text": plain("Bad answer"), "value": f"down {answer_id}"},
            }
        ],
    }


def _private_buttons(answer: Answer) -> Blocks:
    return [
        actions(
            button("Share with the channel", SHARE_ANSWER, answer.id, style="primary"),
            button("Keep", KEEP_ANSWER, answer.id),
        )
    ]


# ------------------------------------------------------------------------ Slack's JSON


def _notification(text: str) -> str:
    return shorten(text, NOTIFICATION_CHARS)


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": escape_line(text), "verbatim": True}]}
