"""What a tariff's components may not say: tiers out of order, holes in a week, and so on.

Each refusal is one clear sentence in a ValueError. This module must never guess what was
meant.
"""

from collections.abc import Sequence

from meterseal_proto.rating.components import Calendar, Component


def check_components(
    components: Sequence[Component], calendars: Sequence[Calendar]
) -> None:
    """Raise ValueError for components that contradict themselves or one another."""
    if not components:
        raise ValueError("components: at least one")
