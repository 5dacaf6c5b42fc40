"""What an HTTP answer to a notice means: taken, try again, or never. Pure.

No redirect is followed: the client says Unavailable of it before anybody asks here.
"""

from typing import Final

from meterseal_aggregator.httpclient import Answer
from meterseal_aggregator.notices.model import Undeliverable
from meterseal_proto.errors import Unavailable

TAKEN: Final = range(200, 300)
PASSING: Final = frozenset({401, 403, 408, 421, 425, 429})
"""Of the 4xx, what passes: a token that is mended, too fast, too early (RFC 9110 15.5)."""
REFUSED: Final = range(400, 500)


def settle(answer: Answer) -> None:
    """Return for an answer that took it; raises Undeliverable or Unavailable."""
    if answer.status in TAKEN:
        return
    told = f"status {answer.status}"
    if answer.status in REFUSED and answer.status not in PASSING:
        raise Undeliverable(told)
    raise Unavailable(told)
