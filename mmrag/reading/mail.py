"""E-mail (EML): its head, its body, what it quotes, and its attachments as further pages.

The plain body is read, or the HTML one where it alone holds tables. Addresses on the web are not
followed; how deep messages may lie in each other is the caller's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

from mmrag.errors import NotReadable
from mmrag.reading import html, plaintext
from mmrag.reading.containers import Collected
from mmrag.reading.media import MAIL
from mmrag.reading.page_builder import PageBuilder, followed_by, one_line
from mmrag.types import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mmrag.reading.containers import ReadMember
    from mmrag.types import Page

_HEADERS = ("From", "To", "Cc", "Date")
_MAX_PARTS = 200
_MAX_HEADER = 1_000  # characters
_QUOTED = re.compile(r"^[ \t]*>[> \t]*")
_SIGNATURE = re.compile(r"^-- ?$")
_INTRODUCES = re.compile(
    r".{0,300}(?:wrote|schrieb|写道|來信|来信)\s*[:：]\s*$"
    r"|-{2,}\s*(?:Original Message|Forwarded message|原始邮件|转发邮件).*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Part:
    """An attachment: its name and bytes."""

    name: str
    data: bytes


def read_mail(data: bytes, *, max_pages: int, read_member: ReadMember) -> Reading:
    """A message as a page, then its attachments' pages. Raises NotReadable where nothing can be read."""
    message = message_from_bytes(data, policy=policy.default)
    if not message.keys():
        raise NotReadable("This e-mail is damaged: save it again as EML and send that.")
    subject = _header(message, "Subject")
    page = PageBuilder()
    page.heading(subject, level=1)
    page.lines([f"{name}: {text}" for name in _HEADERS if (text := _header(message, name))])
    head = page.build(1)
    collected = Collected(max_pages=max_pages, first=[_with_body(head, message)])
    for part in _attachments(message):
        try:
            reading = read_member(part.data, part.name)
        except NotReadable as error:
            collected.fail(part.name, error)
        else:
            collected.add(part.name, reading)
    return Reading(MAIL, subject or None, tuple(collected.pages), collected.warnings)


def _header(message: EmailMessage, name: str) -> str:
    """A header's text; damaged ones are left out."""
    try:
        return one_line(str(message.get(name, "")))[:_MAX_HEADER]
    except Exception:  # noqa: BLE001 - the header parsers raise anything for bad bytes
        return ""


def _with_body(head: Page, message: EmailMessage) -> Page:
    """The page with its body after its head."""
    plain, markup = _body(message, "plain"), _body(message, "html")
    builder = PageBuilder()
    for heading in head.headings:
        builder.heading(heading.title, level=heading.level)
        builder.paragraph(head.text[len(heading.title) :])
    if not head.headings:
        builder.paragraph(head.text)
    read = html.read_html(markup).pages[0] if markup.strip() else None
    if read is not None and (read.tables or not plain.strip()):
        return followed_by(builder.build(1), read)
    _write_plain(plain, builder)
    return builder.build(1)


def _body(message: EmailMessage, kind: str) -> str:
    found = message.get_body(preferencelist=(kind,))
    return _text(found) if isinstance(found, EmailMessage) else ""


def _text(part: EmailMessage) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes) or not raw:
        return ""
    try:
        return plaintext.decode(raw, declared=part.get_content_charset())
    except NotReadable:
        return raw.decode("utf-8", errors="replace")


def _write_plain(text: str, page: PageBuilder) -> None:
    """Own words as they stand; what is quoted without its marks, under the line that introduces it."""
    own: list[str] = []
    quoted: list[str] = []

    def flush() -> None:
        page.paragraph("\n".join(own))
        own.clear()
        page.paragraph("\n".join(quoted))
        quoted.clear()

    for line in text.split("\n"):
        if _QUOTED.match(line):
            if own:
                _introduce(own, page)
            quoted.append(_QUOTED.sub("", line))
        elif _SIGNATURE.match(line):
            flush()
        else:
            if quoted:
                flush()
            own.append(line.rstrip())
    flush()


def _introduce(own: list[str], page: PageBuilder) -> None:
    """Write what stands before a quotation; its last line heads it where it says who wrote."""
    while own and not own[-1].strip():
        own.pop()
    head = own.pop() if own and _INTRODUCES.fullmatch(own[-1].strip()) else ""
    page.paragraph("\n".join(own))
    own.clear()
    page.heading(head, level=2)


def _attachments(message: EmailMessage) -> Iterator[_Part]:
    """Attached and embedded files and messages, in order."""
    bodies = {id(message.get_body(preferencelist=(kind,))) for kind in ("plain", "html")}
    waiting: list[EmailMessage] = [message]
    count = 0
    while waiting and count < _MAX_PARTS:
        part = waiting.pop()
        count += 1
        if id(part) in bodies:
            continue
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            if isinstance(inner, list) and inner and isinstance(inner[0], EmailMessage):
                yield _Part(f"{_header(inner[0], 'Subject') or 'message'}.eml", inner[0].as_bytes())
        elif part.is_multipart():
            waiting.extend(
                reversed([child for child in part.iter_parts() if isinstance(child, EmailMessage)])
            )
        else:
            raw = part.get_payload(decode=True)
            name = one_line(part.get_filename() or "")
            is_alternative = part.get_content_maintype() == "text" and not name
            if isinstance(raw, bytes) and raw and not is_alternative:
                yield _Part(name or "attachment", raw)
