"""Neighbouring chunks of a page become one passage before somebody answers from them.

A chunk ends where it was full. What answers may begin in one and go on in the next: a list behind
its introduction, "It costs 40 euros" behind what costs it. It knows no index, and no question.

Laws: a passage's text is `page.text[start:end]`; its id is that of the best of its chunks that was
found, so it names a live chunk; every chunk that was found is in exactly one passage, and passages
do not overlap.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from mmrag.text.sentences import leans_on_the_one_before

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mmrag.ports import StoredPage
    from mmrag.types import Chunk, Hit

MOST_CHARS = 2_000  # of a passage of several chunks: a quote from all over a page points nowhere


def joined(hits: Sequence[Hit], page_of: Callable[[str, int], StoredPage | None]) -> tuple[Hit, ...]:
    """The hits with neighbours joined, each passage at the place of its best hit.

    Joined are running text under one heading that was found in neighbouring chunks, and the
    neighbour that a chunk cannot be understood without. Tables, figures, corrections and what came
    with the question stay as they are, and so does all where the page has changed meanwhile.
    """
    found: defaultdict[tuple[str, int], list[Hit]] = defaultdict(list)
    for hit in hits:
        if hit.origin == "collection" and hit.chunk.kind == "text":
            found[hit.chunk.document_id, hit.chunk.page].append(hit)
    passages: dict[int, Hit | None] = {}  # by the id of a chunk; None where a better one took it in
    for (document_id, number), of_page in found.items():
        if len(of_page) > 1 or _leans_back(of_page[0].chunk) or _leads_on(of_page[0].chunk):
            page = page_of(document_id, number)
            if page is not None:
                passages |= _passages(page, of_page)
    kept = (passages.get(hit.chunk.id, hit) if hit.origin == "collection" else hit for hit in hits)
    return tuple(hit for hit in kept if hit is not None)


def _passages(page: StoredPage, hits: Sequence[Hit]) -> dict[int, Hit | None]:
    """For the chunk of each of a page's hits, best first, its passage; None if a better one holds it."""
    place_of = {_identity(chunk): place for place, chunk in enumerate(page.chunks)}
    found = {place_of[_identity(hit.chunk)]: hit for hit in hits if _identity(hit.chunk) in place_of}
    passages: dict[int, Hit | None] = {}
    taken: set[int] = set()
    for place, hit in found.items():
        if place in taken:
            continue
        places = _grown(page, place, found.keys() - taken, taken)
        taken.update(places)
        members = [found[other] for other in places if other in found]
        passages |= dict.fromkeys((member.chunk.id for member in members), None)
        passages[hit.chunk.id] = _joined_hit(page, hit, places, members)
    return passages


def _identity(chunk: Chunk) -> tuple[int, int, str]:
    """What a chunk has in common with itself, unless its page was changed or it was joined already."""
    return chunk.id, chunk.start, chunk.text


def _joined_hit(page: StoredPage, best: Hit, places: range, members: Sequence[Hit]) -> Hit:
    start, end = page.chunks[places[0]].start, page.chunks[places[-1]].end
    names = dict.fromkeys(name for hit in [best, *members] for name in hit.retrievers)
    return replace(
        best,
        chunk=replace(best.chunk, start=start, end=end, text=page.text[start:end]),
        retrievers=tuple(names),
    )


def _grown(page: StoredPage, place: int, found: Collection[int], taken: Collection[int]) -> range:
    """The places of the chunks that make a passage with this one."""
    chunks = page.chunks
    first = last = place

    def fits(other: int) -> bool:
        return (
            0 <= other < len(chunks)
            and other not in taken
            and chunks[other].kind == "text"
            and chunks[other].context == chunks[place].context
            and chunks[max(last, other)].end - chunks[min(first, other)].start <= MOST_CHARS
        )

    while True:
        if fits(last + 1) and (last + 1 in found or _leads_on(chunks[last])):
            last += 1
        elif fits(first - 1) and (first - 1 in found or _leans_back(chunks[first])):
            first -= 1
        else:
            return range(first, last + 1)


def _leans_back(chunk: Chunk) -> bool:
    return leans_on_the_one_before(chunk.text)


def _leads_on(chunk: Chunk) -> bool:
    return chunk.text.endswith((":", "："))
