"""What would act in something that is sent to Discord: an oracle that shares no code with what writes it.

Discord reads its Markdown in content and in an embed's description; there it makes links of addresses with a
scheme, and its servers look for mentions in the raw text, whatever stands around them. Found are those that
nobody allowed, characters that hide, fences that stay open, and what is longer than Discord takes
(https://discord.com/developers/docs/resources/message#create-message).
"""

from __future__ import annotations

import re

MENTION = re.compile(
    r"<(?:@[!&]?|#|id:|/[^<>]*?:|t:|a?:\w+:|sound:\d+:)\d*[^<>\s]*>|@everyone|@here", re.IGNORECASE
)
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|(?:mailto|javascript):|<[\w.+-]+@[\w-]+\.[\w.-]+>", re.IGNORECASE)
MASKED = re.compile(r"(?<!\\)\[(?:[^\[\]\n]|\\[\[\]])*\]\(<?([^\s<>()]*)>?\)")
ACTING = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")
FENCE = "```"
CODE = re.compile(r"(\\[^\w\s])|```[^`].*?```|(?<!`)(`+)(?!`).*?(?<!`)\2(?!`)", re.DOTALL)
LONGEST = {
    "content": 2_000,
    "description": 4_096,
    "title": 256,
    "label": 80,
    "custom_id": 100,
    "text": 2_048,
    "name": 100,
    "value": 4_000,
}


def faults(sent, *, links, limits):
    """What acts in this JSON beyond these links, and what is too long of it."""
    found = [fault for kind, text in _texts(sent) for fault in _in(kind, text, links)]
    return found + list(_limits(sent, limits))


def _texts(value, kind=""):
    """(field, text) of every text that Discord draws."""
    match value:
        case dict():
            for key, inner in value.items():
                if isinstance(inner, str):
                    if key not in ("custom_id", "value", "url", "filename"):
                        yield key, inner
                else:
                    yield from _texts(inner, key)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner, kind)
        case _:
            return


def _in(kind, text, links):
    if ACTING.search(text):
        yield f"{kind}: a character that hides: {text[:80]!r}"
    if kind not in ("content", "description"):  # drawn as it is
        return
    for mention in MENTION.findall(text):
        yield f"{kind}: {mention!r} in {text[:200]!r}"
    drawn = CODE.sub(lambda match: match[1] or "", text)  # in code no address is masked
    for target in MASKED.findall(drawn):
        if target not in links:
            yield f"{kind}: a link to {target[:80]!r}"
    without = MASKED.sub(lambda match: "" if match[1] in links else match[0], text)
    if ADDRESS.search(without):
        yield f"{kind}: an address in {without[:200]!r}"
    if text.count(FENCE) % 2:
        yield f"{kind}: a fence that stays open: {text[-200:]!r}"


def _limits(sent, limits):
    if limits == "message":
        if not (sent["content"] or sent["embeds"]):
            yield "an empty message"
        if sent["allowed_mentions"] != {"parse": []}:
            yield f"mentions are allowed: {sent['allowed_mentions']}"
        if sum(_units(text) for kind, text in _texts(sent["embeds"])) > 6_000:
            yield "embeds of more than 6,000 characters"
        if len(sent["embeds"]) > 10 or len(sent["components"]) > 5:
            yield "more embeds or rows than Discord takes"
    for key, text in _fields(sent):
        if _units(text) > LONGEST.get(key, 10**9):
            yield f"{key} of {_units(text):,} characters"
    if limits == "choices" and len(sent) > 25:
        yield "more than 25 choices"


def _fields(value):
    match value:
        case dict():
            for key, inner in value.items():
                if isinstance(inner, str):
                    yield key, inner
                else:
                    yield from _fields(inner)
        case list() | tuple():
            for inner in value:
                yield from _fields(inner)
        case _:
            return


def _units(text):
    """In UTF-16, as JavaScript counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
