"""Opens the desk of meter documents; with a key configured, a model may propose figures.

This module must never log a key, nor read one that is open to others.
"""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from meterseal_aggregator.config import ConfigError, Documents
from meterseal_aggregator.market.documents.desk import Desk
from meterseal_aggregator.market.documents.proposer import Endpoint, Proposer

MAX_KEY: Final = 1_000
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def documents_desk(documents: Documents) -> AsyncIterator[Desk]:
    """Open the desk for as long as the house serves; ConfigError for a key of no use."""
    desk = open_desk(documents)
    try:
        yield desk
    finally:
        await desk.close()


def open_desk(documents: Documents) -> Desk:
    """Return the desk, to be closed at the end; ConfigError for a key of no use.

    Without a key nothing of a document leaves the house.
    """
    if documents.key_file is not None:
        key = read_key(documents.key_file)
    elif documents.key is not None:
        key = documents.key.get_secret_value()
    else:
        return Desk()
    _log.info("document_model_configured", base_url=documents.base_url)
    return Desk(proposer=Proposer(Endpoint(documents.base_url, documents.model, key)))


def read_key(path: Path) -> str:
    """Read an API's key from its file; ConfigError where it is none, or open to others."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            if os.fstat(handle).st_mode & _OTHERS:
                raise ConfigError(f"{path} is open to others: chmod 600 it")
            text = file.read(MAX_KEY + 1).decode("utf-8", "replace").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    plain = text.isascii() and text.isprintable() and " " not in text
    if not text or len(text) > MAX_KEY or not plain:
        raise ConfigError(f"{path} holds no key: one word of ASCII letters")
    return text
