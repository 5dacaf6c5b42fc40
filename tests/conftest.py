"""What every test shares: laws without a stopwatch, and sweeps that say how much they saw."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.support.seed import Swept

SWEPT = "swept"

# An example's time is that of whatever else the machine does: `--durations` tells of slow
# ones. All else is what Hypothesis chooses here or, with CI set, there.
settings.register_profile("house", settings(), deadline=None)
settings.load_profile("house")


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
