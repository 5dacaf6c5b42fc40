"""Spans of time and what is missing between them: the arithmetic of a gap map.

A span is half open, [begin, end), in UTC Unix seconds. A set of spans is a tuple in
order, of spans that neither touch nor overlap: one set has one spelling. Pure; this
module must never know what a span holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The time from `begin` (inclusive) to `end` (exclusive); never empty: ValueError."""

    begin: int
    end: int

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ValueError(
                f"a span ends after it begins, not {self.begin}-{self.end}"
            )


Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """Return the set of every second that is in one of `spans`, in any order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def gaps(whole: Span, covered: Iterable[Span]) -> Spans:
    """Return the seconds of `whole` that no span of `covered` holds."""
    found: list[Span] = []
    at = whole.begin
    for span in union(covered):
        if span.begin >= whole.end:
            break
        if span.begin > at:
            found.append(Span(at, span.begin))
        at = max(at, span.end)
    if at < whole.end:
        found.append(Span(at, whole.end))
    return tuple(found)


def common(one: Iterable[Span], other: Iterable[Span]) -> Spans:
    """Return the seconds that both sets hold."""
    right = union(other)
    return union(
        Span(max(a.begin, b.begin), min(a.end, b.end))
        for a in union(one)
        for b in right
        if max(a.begin, b.begin) < min(a.end, b.end)
    )


def minus(one: Iterable[Span], other: Iterable[Span]) -> Spans:
    """Return the seconds of the first set that the other does not hold."""
    taken = union(other)
    return tuple(gap for span in union(one) for gap in gaps(span, taken))


def seconds(spans: Iterable[Span]) -> int:
    """Return how long the spans are in all, each second counted once."""
    return sum(span.end - span.begin for span in union(spans))
