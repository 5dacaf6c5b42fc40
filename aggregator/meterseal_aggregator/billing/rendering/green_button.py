"""placeholder"""

from meterseal_aggregator.billing.rendering.request import RenderRequest


def green_button(request: RenderRequest) -> bytes:
    return b""
