"""The key under which an answer is cached: everything that could change it, and nothing else.

It knows no cache. Correctness rests on the two versions in the key, not on time: what a
change of the documents or of the generator made stale is never asked for again.
"""

from __future__ import annotations

import json
import unicodedata
from hashlib import blake2b
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.types import Attachment, Turn


def cache_key(
    *,
    text: str,
    collections: Sequence[str],
    history: Sequence[Turn],
    attachments: Sequence[Attachment],
    pixels: Sequence[str | None] = (),
    index_version: str,
    generator_version: str,
) -> str:
    """A hex digest of the question and of what answers it; the order of `collections` is no part of it.

    `pixels` are digests of what the attachments show, None for those that are told by their bytes: a
    picture that was saved anew, as a PNG after a BMP, asks nothing new. White space says nothing.
    """
    shown = [*pixels, *[None] * len(attachments)]
    parts = [
        " ".join(unicodedata.normalize("NFC", text).split()),
        sorted(set(collections)),
        [[turn.role, turn.text] for turn in history],
        [
            [PurePath(file.name).stem, digest, "pixels", file.failure]
            if digest is not None
            else [file.name, blake2b(file.data).hexdigest(), "bytes", file.failure]
            for file, digest in zip(attachments, shown, strict=False)
        ],
        index_version,
        generator_version,
    ]
    # JSON keeps the parts apart, whatever they hold. Its \u escapes would not: they spell the two
    # halves of a broken emoji like the whole one.
    canonical = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
