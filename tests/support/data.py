"""Where the data live that nobody in the project wrote: real homes, real telegrams.

They are not in the repository. A test that wants them says so here: without them
it is skipped with the reason, and in CI it fails, so that green means tried.
"""

import os
from pathlib import Path

import pytest

VARIABLE = "METERSEAL_TEST_DATA"


def shared_data(*parts: str) -> Path:
    """Return a file or folder of the test data; skips (in CI: fails) without it.

    The data lie where METERSEAL_TEST_DATA says, else in `../shared/data` beside
    the repository.
    """
    beside = Path(__file__).parents[2].parent / "shared" / "data"
    found = Path(os.environ.get(VARIABLE) or beside).joinpath(*parts)
    if not found.exists():
        absent(f"test data {'/'.join(parts)} are absent: set {VARIABLE}")
    return found


def absent(reason: str) -> None:
    """Skip the test because something it needs is absent; fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
