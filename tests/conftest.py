"""What every test shares: laws without a stopwatch, sweeps that say how much they saw, and
who runs what when `make test` uses several processes.
"""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.support.seed import Swept

SWEPT = "swept"

# An example's time is that of whatever else the machine does: `--durations` tells of slow
# ones. All else is what Hypothesis chooses here or, with CI set, there.
settings.register_profile("house", settings(), deadline=None)
settings.load_profile("house")

DEMOS = "tests/e2e/test_demo"
"""Whole streets of processes on the clock of a day in a minute: one at a time."""
LONGEST = (
    DEMOS,
    "tests/contracts/",
    "tests/sweeps/",
    "tests/simulation/",
    "tests/e2e/",
)
"""What is begun first, so that no process is left with a long test when all else is done."""


class ByFile(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """A file's tests stay in one process, for the sake of what they share; demos all in one.

    The longest are begun first, then the files in their order.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return DEMOS if nodeid.startswith(DEMOS) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadFileScheduling | None:
    """Let `--dist loadfile` mean the above."""
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Bring the longest to the front where several processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid))


def _place(nodeid: str) -> int:
    found = [at for at, path in enumerate(LONGEST) if nodeid.startswith(path)]
    return found[0] if found else len(LONGEST)


@pytest.fixture
def swept(record_property: Callable[[str, object], None]) -> Swept:
    """Return what notes a sweep's share; each is summed up at the end of the run."""

    def note(what: str, tried: int, whole: int) -> None:
        record_property(SWEPT, (what, tried, whole))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the share of each sweep that this run tried."""
    tried: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == SWEPT:
                what, some, everything = value
                tried[what] += some
                whole[what] += everything
    if tried:
        terminalreporter.section("swept here; the whole of each in make nightly")
    for what, count in sorted(tried.items()):
        share = 100 * count / whole[what]
        terminalreporter.line(f"{what}: {count:,} of {whole[what]:,} ({share:.0f} %)")
