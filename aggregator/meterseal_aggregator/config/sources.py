"""Reads the configuration: the file, our variables over it, the design's own names under it.

This module must never let a value through that nobody could have meant.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meterseal_aggregator.config.aliases import take_aliases
from meterseal_aggregator.config.model import PREFIX, Config
from meterseal_aggregator.config.tables import ConfigError


def load(path: Path | None) -> Config:
    """Return the configuration in the file `path` (None: defaults), and the environment.

    Raises ConfigError with one sentence for the first thing that is wrong. Names of the
    design we follow, as DATABASE_URL, are accepted where ours are not given.
    """
    content = _file(path) if path is not None else {}
    _refuse_unknown(os.environ)
    named = take_aliases(content, os.environ)
    try:
        return Config(**content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        parts = tuple(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        if parts in named:
            raise ConfigError(f"{named[parts]}: {message}") from None
        where = ".".join(parts) or "configuration"
        raise ConfigError(f"{path or 'environment'}: {where}: {message}") from None


def _file(path: Path) -> dict[str, Any]:  # as tomllib gives it
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    documents = content.get("documents")
    if isinstance(documents, dict) and "key" in documents:
        raise ConfigError(
            f"{path}: documents.key: a key is a secret: write it into a file of its own, 0600,"
            " and its name here as key_file"
        )
    return content


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse a variable with our prefix that overrides nothing: a spelling mistake."""
    for name in environment:
        top = name.removeprefix(PREFIX).split("__")[0].lower()
        if name.startswith(PREFIX) and top not in Config.model_fields:
            raise ConfigError(f"{name}: there is no key {top!r} to override")
