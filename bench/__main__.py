"""`python -m bench [ROOM]`: run one bench, or say which there are.

What begins with "--" is the bench's own.
"""

import importlib
import sys

ROOMS = (
    "billing",
    "bills",
    "edge_agent",
    "edge_bus",
    "erasure",
    "intake",
    "ledger",
    "market",
    "privacy",
    "real_registers",
    "telegrams",
    "vee",
)


def main() -> int:
    """Run the bench named on the command line; 2 when there is none of that name."""
    wanted = [one for one in sys.argv[1:] if not one.startswith("--")] or ROOMS
    for room in wanted:
        if room not in ROOMS:
            sys.stderr.write(f"no bench {room!r}; there are: {', '.join(ROOMS)}\n")
            return 2
        importlib.import_module(f"bench.{room}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
