"""Names of tiles and entry bundles in the log's public address space (C2SP tlog-tiles).

`tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`, where N is written in groups of
three digits, all but the last with an x before it. Pure; one resource, one name: this
module must never accept a second spelling.
"""

import re
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.translog.tree import MAX_LEVEL, WIDTH
from meterseal_proto.logtiles import tile_path

_PATH: Final = re.compile(
    r"tile/(?P<level>entries|[0-9]{1,2})/(?P<n>(?:x[0-9]{3}/){0,4}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Resource:
    """A tile (`level` 0 to 7) or, with level None, a bundle of entries; `width` 1 to 256."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The resource's one name, without a leading slash."""
        return tile_path(self.level, self.index, self.width)


def parse_path(path: str) -> Resource | None:
    """Give the resource a path names, or None when it is no name of ours."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["n"].replace("x", "").replace("/", ""))
    resource = Resource(level, index, int(match["width"] or WIDTH))
    known = level is None or level <= MAX_LEVEL
    # Writing the name again refuses leading zeroes and a partial tile of full width.
    return resource if known and resource.path == path else None
