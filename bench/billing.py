"""Bills a second: rated in memory, and issued through the database.

    python -m bench billing                    # or: make bench ROOM=billing
    python -m bench billing --many             # 100,000 households too: 2 GB of disk

Rating is beside bare sums of the same integers (`rating`), issuing beside bare inserts of the
same rows (`issuing`). Few and many households, to see that a bill costs the same among many.
"""

import json
import sys
from pathlib import Path
from typing import Final

from bench import issuing, rating

RESULTS: Final = Path(__file__).parent / "results" / "billing.json"
HOUSEHOLDS: Final = (1_000, 10_000)
MANY: Final = 100_000


def main() -> None:
    """Measure, print the table and write it to bench/results/billing.json."""
    counts = (*HOUSEHOLDS, MANY) if "--many" in sys.argv else HOUSEHOLDS
    rows = []
    for measured in (rating.rows_of, issuing.rows_of):
        for count in counts:
            for one in measured(count):
                sys.stdout.write(
                    f"{one['name']:48} {one['value']:>11,} {one['unit']:8}"
                    f" {one['ratio']:>7} of {one['against']}\n"
                )
                rows.append(one)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
