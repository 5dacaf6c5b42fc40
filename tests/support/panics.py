"""The mqtt5 codec's panics, kept out of the test's output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_panics() -> Iterator[None]:
    """A panic prints to the descriptor and reports its cause as unraisable."""
    kept, hook = os.dup(2), sys.unraisablehook
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    sys.unraisablehook = lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = hook
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
