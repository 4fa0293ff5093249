"""The grounder: of what a generator says, only what the evidence supports is kept.

A claim that names its support is checked against it; one that names none (a model phrased
it) is tied to the sentences that support it, or dropped. It knows no generator: templates
and copies pass the same checks as a model's words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmrag.grounding.citations import cite
from mmrag.grounding.guard import extremes_hold, numbers_stand
from mmrag.grounding.units import units_agree
from mmrag.text.chart_text import BY_MODEL, MEASURED
from mmrag.text.evidence import evidence
from mmrag.text.names import name_words, names
from mmrag.text.numbers import numbers
from mmrag.text.sentences import sentence_spans
from mmrag.text.words import content_words, is_chinese, is_han, letters, normalise, words
from mmrag.types import Claim, Quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mmrag.grounding.entailment import Entailment
    from mmrag.ports import Embedder
    from mmrag.types import Citation, Draft, Hit, Prompt

_MOST_SPANS = 3  # sentences that one phrased claim may rest on
# Share of a phrased claim's words that must stand in its support; less is enough where the
# embedder finds them alike. Names, numbers and negations have no such allowance.
_COVERED = 0.8
_COVERED_IF_ALIKE = 0.6
_ALIKE = 0.75
_ENTAILED = 0.5  # probability, of a model that is asked: likelier than not

# Words that join facts and state none; those that compare are checked by the guard.
_JOINING = frozenset(
    words(
        """highest lowest largest smallest most least biggest fewest difference between value according
        respectively source second third fourth fifth total average share from to rose fell
        changed by next these both charts have"""
    )
)
_CHINESE_JOINING = re.compile(
    "相差|合计|平均值?|占比|增加|减少|变化|排第[二三四五2-5]|从|到|有|"
    "最高|最低|最大|最小|最多|最少|根据|[在中为的与是和]"
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|cannot|without|nobody|nothing)\b|n['’]t\b|不|没|无|未|非|勿|别",
    re.IGNORECASE,
)
# How an answer says that a value was measured on a chart, or read by a model. The sources say it with the
# sign alone.
_APPROXIMATE = re.compile(
    r"\babout (?=[-−$€£¥₹]?\d)|, measured from the chart\b|约(?=\s?[-−$€£¥₹]?\d)|（按图量得）"
)
_BY_MODEL = re.compile(r",? (?:and )?(?:in part )?read by a model\b|（(?:按图量得，)?(?:部分)?由模型读出）")
_READ_BY_MODEL = re.compile(rf"{BY_MODEL}(?=\W?\W?\d)[^\n|]*")  # a value with its sign
_END = re.compile(r"[.!?。！？\s]*$")
_REVERSING = re.compile(r"\bby\b|被|由|受", re.IGNORECASE)  # a passive turns the order of names round


@dataclass(frozen=True, slots=True)
class _Support:
    """What a claim rests on: the quoted words, and with them what their sources are called."""

    spans: tuple[str, ...]
    sources: str
    titles: str

    @property
    def quoted(self) -> str:
        return "\n\n".join(self.spans)  # a cell and a header that begins with "Percent" make no per cent

    @property
    def shown(self) -> str:
        """What a person sees of it. Numbers stand there, not in a header that was left on another page."""
        return f"{self.titles}\n\n{self.quoted}"

    @property
    def known(self) -> str:
        return f"{self.sources}\n{self.quoted}"


class EvidenceGrounder:
    """Checks claims word by word and number by number. Implements `ports.Grounder`."""

    def __init__(self, embedder: Embedder, entailment: Entailment | None = None) -> None:
        self._embedder = embedder
        self._entailment = entailment

    def ground(self, draft: Draft, prompt: Prompt) -> tuple[Claim, ...]:
        hits = evidence(prompt.hits)
        checked = (self._checked(claim, hits) for claim in draft.claims)
        return tuple(claim for claim in checked if claim is not None)

    def cite(
        self, claims: Sequence[Claim], prompt: Prompt, *, unanswered: Sequence[str] = ()
    ) -> tuple[str, tuple[Citation, ...]]:
        return cite(claims, prompt, unanswered=unanswered)

    def _checked(self, claim: Claim, hits: Sequence[Hit]) -> Claim | None:
        if not claim.text.strip():
            return None
        if claim.support:
            quotes = tuple(quote for quote in claim.support if _exists(quote, hits))
            return replace(claim, support=quotes) if quotes and _follows(claim.text, quotes, hits) else None
        signed = any(map(_holds_model_values, hits))
        text = _BY_MODEL.sub("", claim.text) if signed else claim.text  # it is said again where it is so
        quotes = self._attributed(text, hits)
        return Claim(_owned_up(text, quotes, hits), quotes) if quotes else None

    def _attributed(self, text: str, hits: Sequence[Hit]) -> tuple[Quote, ...]:
        """The fewest sentences that support a phrased claim; empty where none do."""
        wanted = _claim_words(text)
        pool = [
            Quote(number, *span) for number, hit in enumerate(hits) for span in sentence_spans(hit.chunk.text)
        ]
        chosen: list[Quote] = []
        covered: frozenset[str] = frozenset()
        for _ in range(_MOST_SPANS):
            gains = {quote: len((_covered(wanted, _text(quote, hits))) - covered) for quote in pool}
            best = max(gains, key=gains.__getitem__, default=None)
            if best is None or not gains[best]:
                break
            chosen.append(best)
            covered |= _covered(wanted, _text(best, hits))
            if self._supports(text, chosen, hits):
                return tuple(chosen)
        return ()

    def _supports(self, text: str, quotes: Sequence[Quote], hits: Sequence[Hit]) -> bool:
        support = _support(quotes, hits)
        wanted = _claim_words(text)
        share = len(_covered(wanted, support.quoted)) / len(wanted) if wanted else 0.0
        if self._entailment is not None:
            if not self._entails(support.quoted, text):
                return False
        elif share < _COVERED and not (share >= _COVERED_IF_ALIKE and self._alike(text, support.quoted)):
            return False
        return (
            _without_numbers(name_words(text)) <= frozenset(words(support.known))
            and _agree(text, support)
            and numbers_stand(text, support.quoted)
            and units_agree(text, support.quoted)
            and extremes_hold(text, support.spans, support.quoted)
        )

    def _entails(self, quoted: str, text: str) -> bool:
        if self._entailment is None:
            return False
        ((entailed, contradicted),) = self._entailment.judge([quoted], text)
        return entailed >= _ENTAILED and entailed > contradicted

    def _alike(self, one: str, other: str) -> bool:
        if not (self._embedder.understands(one) and self._embedder.understands(other)):
            return False
        vectors = self._embedder.embed_documents([one, other])  # (2, dimension)
        return float(vectors[0] @ vectors[1]) >= _ALIKE


def _exists(quote: Quote, hits: Sequence[Hit]) -> bool:
    return 0 <= quote.hit < len(hits) and 0 <= quote.start < quote.end <= len(hits[quote.hit].chunk.text)


def _follows(text: str, quotes: Sequence[Quote], hits: Sequence[Hit]) -> bool:
    """Whether a claim says only what its own quotes say, in their words."""
    support = _support(quotes, hits)
    if letters(text) in letters(support.quoted):
        return True  # a copy
    if BY_MODEL in support.quoted:
        text = _BY_MODEL.sub("", text)
    if MEASURED in support.quoted:
        text = _APPROXIMATE.sub("", text)
    wanted = _claim_words(text)
    return (
        _covered(wanted, support.known) == wanted
        and _agree(text, support)
        and numbers_stand(text, support.shown)
        and units_agree(text, support.known)
        and extremes_hold(text, support.spans, support.quoted)
    )


def _holds_model_values(hit: Hit) -> bool:
    """Whether it is a chart with values that a model read; in a text the sign means something else."""
    return hit.chunk.kind == "figure" and _READ_BY_MODEL.search(hit.chunk.text) is not None


def _owned_up(text: str, quotes: Sequence[Quote], hits: Sequence[Hit]) -> str:
    """A claim with the words that a model read its numbers, where nothing else in its support has them."""
    charts = "\n".join(_text(quote, hits) for quote in quotes if _holds_model_values(hits[quote.hit]))
    read = {number for value in _READ_BY_MODEL.findall(charts) for number in numbers(value)}
    others = [_text(quote, hits) for quote in quotes if not _holds_model_values(hits[quote.hit])]
    known = set(numbers("\n".join([_READ_BY_MODEL.sub("", charts), *others])))
    if not (set(numbers(text)) & read) - known:
        return text
    end = _END.search(text)
    place = end.start() if end else len(text)
    said = "（由模型读出）" if is_chinese(text) else ", read by a model"
    return f"{text[:place]}{said}{text[place:]}"


def _support(quotes: Sequence[Quote], hits: Sequence[Hit]) -> _Support:
    cited = [hits[number] for number in dict.fromkeys(quote.hit for quote in quotes)]
    sources = "\n".join(
        f"{hit.title}\n{hit.chunk.context}" for hit in cited if hit.chunk.kind != "correction"
    )
    titles = "\n".join(hit.title for hit in cited)
    return _Support(tuple(_text(quote, hits) for quote in quotes), sources, titles)


def _text(quote: Quote, hits: Sequence[Hit]) -> str:
    return hits[quote.hit].chunk.text[quote.start : quote.end]


def _claim_words(text: str) -> frozenset[str]:
    """The words that support must hold; numbers are the guard's, which compares values."""
    return _without_numbers(content_words(_CHINESE_JOINING.sub(" ", text))) - _JOINING


def _without_numbers(found: Iterable[str]) -> frozenset[str]:
    return frozenset(word for word in found if not numbers(word))


def _covered(wanted: frozenset[str], evidence: str) -> frozenset[str]:
    """The wanted words that stand in the evidence; a lone Chinese character may stand inside a word."""
    present = frozenset(words(evidence))
    plain = normalise(evidence)
    return frozenset(
        word for word in wanted if word in present or (len(word) == 1 and is_han(word) and word in plain)
    )


def _agree(text: str, support: _Support) -> bool:
    """Whether claim and support deny alike and name alike who does what to whom."""
    denies = _NEGATION.search(text) is not None
    if denies != (_NEGATION.search(support.quoted) is not None):
        return False
    return len(support.spans) > 1 or _same_order(text, support.quoted)


def _same_order(text: str, quoted: str) -> bool:
    """Whether the names of a claim come in the order in which one quoted sentence has them."""
    if bool(_REVERSING.search(text)) != bool(_REVERSING.search(quoted)):
        return True  # active and passive: the order may well differ
    ours = [name for name in dict.fromkeys(names(text)) if name in quoted]
    return ours == sorted(ours, key=quoted.index)
