"""JSON from strangers, read without letting it nest.

Deep nesting crashes the interpreter's own JSON reader where a library has raised the
recursion limit, so opening brackets are counted before it starts. This module must
never say what a document means.
"""

import json
import re
from typing import Any, Final

MAX_UINT: Final = (1 << 63) - 1
"""Databases keep 64-bit signed integers; no number of ours is larger."""
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A text, or all from a quote that nothing ends: looked for again behind it, time would square."""
_STRUCTURE: Final = re.compile(r"[\[\]{}]")


def read_json(text: str | bytes, *, brackets: int) -> Any:  # Any: a JSON document
    """Return the document in `text`, which opens at most `brackets` lists and objects.

    Raises ValueError for everything else.
    """
    found = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if found.count(b"[") + found.count(b"{") > brackets:
        raise ValueError(f"more than {brackets} lists and objects")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects nest too deeply") from None


def read_deep_json(content: bytes, *, brackets: int, depth: int) -> Any:  # Any: JSON
    """Return the document of UTF-8 `content`, whose texts hold any brackets they like.

    Outside of texts it has at most `brackets` lists and objects, at most `depth` within
    each other. Raises ValueError for everything else.
    """
    # Read as text: in another encoding texts would end elsewhere than they are cut here.
    text = content.decode()
    bare = _TEXT.sub("", text)
    if sum(map(bare.count, "[]{}")) > 2 * brackets:
        raise ValueError(f"more than {brackets} lists and objects")
    level = 0
    for bracket in _STRUCTURE.findall(bare):
        level += 1 if bracket in "[{" else -1
        if level > depth:
            raise ValueError(f"lists and objects within more than {depth} others")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects nest too deeply") from None


def uint(value: object, name: str, most: int = MAX_UINT) -> int:
    """Return `value` when it is an integer of 0 to `most`, else raise ValueError."""
    # type(), not isinstance: true is an int to Python, and no number of ours.
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{name}: an integer of 0 to {most}")
    return value
