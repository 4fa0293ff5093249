"""The story of a conversation, the same on every platform: mentions, commands, ratings, corrections.

An adapter translates its platform's events into `Mention`, `Command` and `Mark` and into calls of the
`handle_...` functions, and implements `Chat` for the way back. Whatever happens, a person sees exactly
one ending: an answer, an abstention, a notice that says what was done or why not, or an apology.

    story.py      what each kind of event leads to    events.py    the words for what comes in and goes out
    questions.py  from a mention to its answer        audience.py  who sees a place, and what they may read
    documents.py  the knowledge base                  rights.py    who may do what, and how often
    ratings.py    thumbs, corrections, approval       endings.py   one visible ending, whatever happens

It knows no platform, no model and no way to draw anything. The engine is synchronous and works in a
thread; what it tells on its way is brought back into the conversation's loop in `endings`.
"""

from bots.conversation.audience import Audience, Place, PlaceKind, audience_of, may_see
from bots.conversation.desk import OPEN, Desk, Records, Rules, Web
from bots.conversation.documents import links_in
from bots.conversation.endings import apology, count, log_fault
from bots.conversation.events import (
    Chat,
    Command,
    Ending,
    FileRef,
    Mark,
    Mention,
    Mood,
    Notice,
    Proposal,
    Thread,
)
from bots.conversation.questions import EARLIER_FILES, EARLIER_TURNS
from bots.conversation.ratings import handle_approval, handle_correction, handle_mark, handle_rating
from bots.conversation.settings import MEANING, PLACE_SETTINGS, settings_of
from bots.conversation.story import HELP, handle_command, handle_mention

__all__ = [
    "EARLIER_FILES",
    "EARLIER_TURNS",
    "HELP",
    "MEANING",
    "OPEN",
    "PLACE_SETTINGS",
    "Audience",
    "Chat",
    "Command",
    "Desk",
    "Ending",
    "FileRef",
    "Mark",
    "Mention",
    "Mood",
    "Notice",
    "Place",
    "PlaceKind",
    "Proposal",
    "Records",
    "Rules",
    "Thread",
    "Web",
    "apology",
    "audience_of",
    "count",
    "handle_approval",
    "handle_command",
    "handle_correction",
    "handle_mark",
    "handle_mention",
    "handle_rating",
    "links_in",
    "log_fault",
    "may_see",
    "settings_of",
]
