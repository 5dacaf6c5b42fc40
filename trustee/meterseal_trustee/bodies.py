"""A request's body, with an end to its size and to the time it may take.

This module must never look into what it reads.
"""

import asyncio
from typing import Final

from fastapi import Request

from meterseal_trustee.rules import Refused, Trouble

BODY_WITHIN_S: Final = 30.0
"""How long a body may take to arrive."""


async def read_body(request: Request, at_most: int) -> bytes:
    """Return the whole body; Refused when it is above `at_most` bytes or does not arrive."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size > at_most:
                    raise Refused(Trouble.BAD_REQUEST, "the body is too large")
                parts.append(part)
    except TimeoutError:
        raise Refused(Trouble.BAD_REQUEST, "the body did not arrive in time") from None
    return b"".join(parts)
