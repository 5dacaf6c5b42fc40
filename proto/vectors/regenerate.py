"""Run every independent vector script and write, or with --check compare, its JSON.

A script `make_NAME.py` beside this file prints NAME.json to standard output. None of
them may import `meterseal_proto`: they are the second opinion it is held to.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Return 0 when every file is as its script makes it."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for script in sorted(HERE.glob("make_*.py")):
        target = HERE / (script.stem.removeprefix("make_") + ".json")
        made = subprocess.run(
            [sys.executable, script], check=True, capture_output=True, text=True
        )
        if check and (not target.exists() or target.read_text() != made.stdout):
            stale.append(target.name)
        elif not check:
            target.write_text(made.stdout)
    for name in stale:
        sys.stderr.write(
            f"{name} is not what its script makes: run `make vectors` and look why\n"
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
