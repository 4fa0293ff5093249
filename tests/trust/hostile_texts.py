"""Hostile texts for what a platform shows: payloads in order, then mixtures of all pieces; and answers."""

from __future__ import annotations

from dataclasses import replace

from mmrag.types import Answer, Citation, Generation, Unread

CITED = ("https://wiki.example/handbook", "https://files.example/a_b(c)?d=1&e=[2]*~`", None)

# Whole payloads, as somebody who knows Slack and Markdown would write them: no platform may act on them.
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


def hostile_texts(rng, trial, payloads=(), pieces=()):
    """Six texts; `payloads` and `pieces` are those that only one platform acts on."""
    return [_hostile(rng, trial, (*PAYLOADS, *payloads), (*PIECES, *pieces)) for _ in range(6)]


def _hostile(rng, trial, payloads, pieces):
    if trial < 10 * len(payloads):
        payload = payloads[trial % len(payloads)]
        return (
            rng.choice(("", "Leave is 28 days. ", "a", "\n\n", "*"))
            + payload
            + rng.choice(("", " [1]", "\n", "b", ">"))
        )
    return "".join(rng.choices(pieces + payloads, k=rng.randint(1, 14)))


def hostile_answer(texts, rng):
    """An answer of these texts. Its sources' own addresses may be links: none of them is hostile."""
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
    allowed = set(filter(None, CITED))
    return replace(
        answer, citations=tuple(replace(c, uri=c.uri if c.uri in allowed else None) for c in answer.citations)
    )


def spellings():
    """The cited sources' own addresses, as they may be written."""
    percent = str.maketrans({sign: f"%{ord(sign):02X}" for sign in '<>|() "\\`*_~[]'})
    cited = [link for link in CITED if link]
    return (
        frozenset(cited)
        | {link.translate(percent) for link in cited}
        | {link.replace("`", "%60") for link in cited}
    )
