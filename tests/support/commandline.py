"""A command of the aggregator's own, run in this process as a person would."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from meterseal_aggregator.cli import main


@contextmanager
def own_logs() -> Iterator[None]:
    """Give back where this process logs to: a command says so anew, other tests read on."""
    before = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = before
    structlog.reset_defaults()


def migrated(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return the configuration of an aggregator in `folder` whose database is there."""
    path = folder / "aggregator.toml"
    path.write_text(f'data_dir = "{folder / "data"}"\n')
    assert main(["migrate", "--config", str(path)]) == 0
    capsys.readouterr()
    return path
