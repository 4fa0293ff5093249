"""A download that breaks off."""

from __future__ import annotations

from aiohttp import web


async def half_sent(request, data, *, content_type, sent):
    """So many of these bytes, then the connection ends."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[:sent])
    request.transport.abort()
    return response
