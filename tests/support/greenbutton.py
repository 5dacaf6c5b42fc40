"""Green Button files written by hand: one series, with whatever a test wants in it."""

TYPE = {
    "accumulationBehaviour": "4",
    "commodity": "1",
    "flowDirection": "1",
    "powerOfTenMultiplier": "0",
    "uom": "72",
}


def entry(self: str, up: str, content: str, related: str = "") -> str:
    links = f'<link rel="self" href="{self}"/><link rel="up" href="{up}"/>'
    if related:
        links += f'<link rel="related" href="{related}"/>'
    return f"<entry>{links}<content>{content}</content></entry>"


def reading(start: int, value: int | str, length: int = 900, quality: str = "") -> str:
    told = f"<e:ReadingQuality><e:quality>{quality}</e:quality></e:ReadingQuality>"
    return (
        f"<e:IntervalReading>{told if quality else ''}<e:timePeriod>"
        f"<e:duration>{length}</e:duration><e:start>{start}</e:start></e:timePeriod>"
        f"<e:value>{value}</e:value></e:IntervalReading>"
    )


def document(readings: str, prologue: str = "", **changed: str) -> bytes:
    told = {**TYPE, **changed}
    kind = "".join(
        f"<e:{name}>{text}</e:{name}>" for name, text in told.items() if text
    )
    return (
        f'{prologue}<feed xmlns="http://www.w3.org/2005/Atom"'
        ' xmlns:e="http://naesb.org/espi"><title>A feed</title>'
        + entry("/M/1", "/M", "<e:MeterReading/>", "/T/1")
        + entry("/T/1", "/T", f"<e:ReadingType>{kind}</e:ReadingType>")
        + entry(
            "/M/1/IntervalBlock/1",
            "/M/1/IntervalBlock",
            f"<e:IntervalBlock>{readings}</e:IntervalBlock>",
        )
        + "</feed>"
    ).encode()
