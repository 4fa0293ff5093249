"""Files that are fetched from a platform, within a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.errors import NotReadable

if TYPE_CHECKING:
    import aiohttp

_PIECE_BYTES = 1 << 16


def check_size(size: int, most: int) -> None:
    """Before it is fetched, by what the platform says. Raises NotReadable."""
    if size > most:
        raise NotReadable(f"It has {size:,} bytes and at most {most:,} are read: send it in parts.")


async def read_within(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, whatever was said of its size. Raises NotReadable, aiohttp.ClientError."""
    data = bytearray()
    async for piece in response.content.iter_chunked(_PIECE_BYTES):
        data += piece
        if len(data) > most:
            raise NotReadable(f"It has more than {most:,} bytes: send it in parts.")
    return bytes(data)
