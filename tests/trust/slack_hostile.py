"""Promise: what a model or a document writes can't act in Slack: no mention, no link but a cited source's.

Hostile texts are put into every place of an answer (text, titles, addresses, quotes, names of files,
reasons), into notices, corrections, names of people, modals and the Home tab. All that would be posted,
edited, whispered or streamed of them, piece by piece, is searched by an oracle of its own (`live`).
"""

from __future__ import annotations

import random

from bots.conversation import Notice, Proposal
from bots.slack.blocks import answer_messages, approval_message, correction_message, notice_message
from bots.slack.delivery import _slices
from bots.slack.views import home_view, settings_view
from mmrag.types import Answer, Citation, Document, Generation, Unread
from tests.trust.live import faults
from tests.trust.outcome import trial_run

TRIALS = 100_000
CITED = ("https://wiki.example/handbook", "https://files.example/a_b(c)?d=1&e=[2]*~`", None)

# Whole payloads, as somebody who knows Slack and Markdown would write them.
PAYLOADS = (
    *(
        "<!channel>",
        "<!here>",
        "<!everyone>",
        "<!subteam^S012ABC>",
        "<@U012ABC>",
        "<@W1|admin>",
        "<#C012|general>",
    ),
    *(
        "<https://evil.example|click>",
        "<http://evil.example>",
        "<mailto:a@evil.example|mail>",
        "<slack://open>",
    ),
    *(
        "[click](https://evil.example)",
        "[click](<https://evil.example>)",
        "[click][1]",
        "[1]: https://evil.example",
    ),
    *(
        "![x](https://evil.example/p.png)",
        "[![a](https://evil.example)](https://evil.example)",
        "<evil@evil.example>",
    ),
    *(
        "https://evil.example",
        "HTTPS://EVIL.EXAMPLE",
        "//evil.example",
        "www.evil.example",
        "http://[::1]/",
        "ftp://e.example",
    ),
    *(
        "&lt;!channel&gt;",
        "&#60;!channel&#62;",
        "&#x3c;!here>",
        "&amp;lt;!channel>",
        "\\<!channel\\>",
        "<\\!channel>",
    ),
    *(
        "<!chan\u200bnel>",
        "<\u2060!channel>",
        "\u202e<lennahc!>",
        "<!date^1^{date}^https://evil.example|x>",
        "\ufeff<@U1>",
    ),
    *(
        "```\n<!channel>\n```",
        "`<!channel>`",
        "~~~\n<@U1>",
        "    <!here>",
        "> <!here>",
        "# <!here>",
        "| <!here> | [a](http://e.x) |",
    ),
    *(
        "[1](https://evil.example)",
        "[[1]](https://evil.example)",
        "[1][1]",
        "[a]: <https://e.x> 't'",
        "[javascript](javascript:alert(1))",
    ),
    *(
        "<script>alert(1)</script>",
        "<a href='https://evil.example'>x</a>",
        "<img src=https://evil.example>",
        "<!-- <!channel> -->",
    ),
    *(
        "https:**//evil.example**",
        "https`:`//evil.example",
        "ht**tps://evil.example**",
        "https:\\//evil.example",
        "https&#58;//evil.example",
    ),
    *(
        "https:\n//evil.example",
        "https:[1]//evil.example",
        '[a](https://evil.example "<!channel>")',
        "a|https://evil.example>",
    ),
    *(
        "*<@U1>*",
        "_<!here>_",
        "~<!here>~",
        "**[x](http://e.x)**",
        "1. <!here>",
        "- [ ] <!here>",
        "---\n<!here>",
        "\\[x](http://e.x)",
    ),
)
PIECES = (
    *"<>!@#|[]()`*_~\\&;:/.-+=\"'^{}",
    *(
        "\n",
        "\n\n",
        " ",
        "  \n",
        "    ",
        "\t",
        "&lt;",
        "&gt;",
        "&amp;",
        "&#60;",
        "://",
        "//",
        "www.",
        "http",
        "https",
        "mailto:",
    ),
    *(
        "channel",
        "here",
        "U012ABC",
        "evil.example",
        "[1]",
        "[2]",
        "](",
        "![",
        "```",
        "~~~",
        "<!",
        "<@",
        "|--|\n",
        "> ",
        "- ",
        "1. ",
    ),
    *(
        "\u200b",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\x00",
        "\x1b[31m",
        "\r",
        "\u2028",
        "\ud800",
        "word",
        "退货",
        "é",
        "𝒽𝓉𝓉𝓅",
    ),
)


def run(trials, seed, folder):
    """Write so many hostile answers; each payload is met in order, then mixtures of all pieces."""
    del folder
    with trial_run(seed) as outcome:
        rng = random.Random(seed)
        for trial in range(trials):
            texts = [_hostile(rng, trial) for _ in range(6)]
            for path, sent in _all_that_is_sent(texts, rng):
                outcome.count("messages")
                for fault in faults(sent, links=_links(), mentions=frozenset()):
                    outcome.check(holds=False, failure=f"trial {trial}, {path}: {fault}")
            outcome.trials += 1
    return outcome


def _hostile(rng, trial):
    if trial < 10 * len(PAYLOADS):
        payload = PAYLOADS[trial % len(PAYLOADS)]
        return (
            rng.choice(("", "Leave is 28 days. ", "a", "\n\n", "*"))
            + payload
            + rng.choice(("", " [1]", "\n", "b", ">"))
        )
    return "".join(rng.choices(PIECES + PAYLOADS, k=rng.randint(1, 14)))


def _links():
    """The cited sources' own, as they may be written."""
    percent = str.maketrans({sign: f"%{ord(sign):02X}" for sign in '<>|() "\\`*_~[]'})
    cited = [link for link in CITED if link]
    return frozenset(cited) | {link.translate(percent) for link in cited} | {_quoted(link) for link in cited}


def _quoted(link):
    return link.replace("`", "%60")


def _all_that_is_sent(texts, rng):
    """(path, JSON) of each message with these texts in it."""
    text, title, quote, name, reason, uri = texts
    citations = tuple(
        Citation(marker, None, title, 1, link or uri, quote, None)
        for marker, link in enumerate(CITED, start=1)
    )
    answer = Answer(
        id="a1",
        text=text,
        abstained=rng.random() < 0.2,
        citations=citations[: rng.randint(1, 3)] if "://" in uri or uri.startswith("/") else citations[:2],
        unread=(Unread(name, reason),),
        cached=False,
        generation=Generation(reason, "none", "v"),
        timings_ms={"total": 1.0},
    )
    answer = _without_foreign_links(answer)
    for message in answer_messages(
        answer, human=True, private=rng.random() < 0.3, asked=rng.choice((None, name))
    ):
        yield "post", {"text": message.text, "blocks": message.blocks}
        pieces = _slices(message.markdown)
        for end in range(1, len(pieces) + 1):
            yield "stream", {"markdown_text": "".join(pieces[:end])}
    notice = notice_message(Notice(text, (title, quote), mood="problem"))
    yield "notice", {"text": notice.text, "blocks": notice.blocks}
    proposal = approval_message(Proposal("p", "a", text, "U1", name, 2))
    yield "approval", {"text": proposal.text, "blocks": proposal.blocks}
    question = correction_message("a1")
    yield "correction", {"text": question.text, "blocks": question.blocks}
    document = Document("d", "c", title, uri, "text/plain", 1, 1, 0, "2025-01-01T00:00:00+00:00")
    yield "home", home_view([document], asked=1, unanswered=[text], wrong={"wrong": 1}, admin=True)
    yield "settings", settings_view({"human": name})


def _without_foreign_links(answer):
    """A cited source's own address may be anything: it is a link that is allowed, so none is hostile here."""
    from dataclasses import replace  # noqa: PLC0415 - used here only

    allowed = set(filter(None, CITED))
    return replace(
        answer, citations=tuple(replace(c, uri=c.uri if c.uri in allowed else None) for c in answer.citations)
    )
