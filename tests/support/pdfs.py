"""PDFs as installers make them, and as nobody should: nested, looping, unpacking for ever.

`bill` is made by fpdf2; `raw` writes objects as they are given (ISO 32000-1 7.5).
"""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime

from fpdf import FPDF
from fpdf.enums import EncryptionMethod

LINE = 8
"""Millimetres."""


def bill(*pages: str, owner: str | None = None, user: str | None = None) -> bytes:
    """Return a PDF of these texts, a page each; locked by an owner's and a user's word."""
    made = FPDF()
    made.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))
    made.set_font("helvetica", size=11)
    if owner is not None:
        method = EncryptionMethod.AES_256
        made.set_encryption(owner, user, encryption_method=method)
    for text in pages:
        made.add_page()
        for line in text.splitlines():
            made.cell(text=line, h=LINE, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def scan() -> bytes:
    """Return a PDF whose page shows a line and holds no letter."""
    made = FPDF()
    made.add_page()
    made.line(10, 10, 100, 100)
    return bytes(made.output())


def raw(objects: Sequence[bytes], *, root: int = 1) -> bytes:
    """Return a PDF of numbered objects, the first is 1."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<</Size %d/Root %d 0 R>>\n" % (len(objects) + 1, root)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """Return a stream object's body."""
    head = b"<</Length %d%s>>\nstream\n" % (len(data), entries)
    return head + data + b"\nendstream"


def packed(data: bytes, times: int = 1, entries: bytes = b"") -> bytes:
    """Return a stream object's body, deflated as many times over."""
    for _ in range(times):
        data = zlib.compress(data, 9)
    filters = b"/Filter[" + b"/FlateDecode" * times + b"]"
    return stream(data, filters + entries)


def one_page(contents: bytes, resources: bytes = b"", *more: bytes) -> bytes:
    """Return a PDF of one page: object 4 are its contents, 5 its font, 6 and on are `more`."""
    font = b"/Font<</F1 5 0 R>>"
    return raw([
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<<" + font + resources + b">>>>",
        contents,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *more,
    ])  # fmt: skip


SHOW = b"BT /F1 12 Tf 72 700 Td (Monthly production: 500 kWh) Tj ET\n"
"""Contents of a page."""


def _cycle(kids: bytes) -> bytes:
    return raw([
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count 1/Parent 3 0 R>>",
        b"<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>",
    ])  # fmt: skip


def _calls_itself() -> bytes:
    form = stream(
        SHOW + b"/X Do",
        b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]"
        b"/Resources<</Font<</F1 5 0 R>>/XObject<</X 6 0 R>>>>",
    )
    return one_page(stream(b"/X Do"), b"/XObject<</X 6 0 R>>", form)


def _page_of_objects(count: int) -> bytes:
    """An object stream that says it holds many more objects than it does."""
    objects = packed(b"1 0 2 5 <<>> ", 1, b"/Type/ObjStm/N %d/First 8" % count)
    return raw([objects, b"<</Type/Catalog/Pages 3 0 R>>"], root=2)


def tedious() -> bytes:
    """Return a file that is in order, and takes minutes to read."""
    return one_page(packed(b"BT /F1 12 Tf " + b"(a) Tj " * 5_000_000 + b"ET"))


def hostile() -> dict[str, bytes]:
    """Return files that must cost next to nothing, by what they try."""
    deep = b"[" * 100_000 + b"]" * 100_000
    wide = b"<</A " * 50_000 + b">>" * 50_000
    return {
        "a page tree that is its own child": _cycle(b"2 0 R"),
        "a page tree in a circle": _cycle(b"3 0 R"),
        "arrays in arrays": one_page(stream(deep), b"/X " + deep),
        "dictionaries in dictionaries": one_page(stream(SHOW), b"/X " + wide),
        "a form that draws itself": _calls_itself(),
        "80 MB of nothing in 80 kB": one_page(packed(bytes(80 << 20))),
        "deflated over and over": one_page(packed(bytes(16 << 20), 3)),
        "a billion objects": _page_of_objects(10**9),
        "a length of a terabyte": raw([
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Length 1099511627776>>\nstream\nx\nendstream",
        ]),
        "no cross reference": b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n",
        "cross references in a circle": b"%PDF-1.7\nxref\n0 1\n0000000000 65535 f \n"
        b"trailer\n<</Size 1/Root 1 0 R/Prev 9>>\nstartxref\n9\n%%EOF\n",
        "a mark and noise": b"%PDF-1.7\n" + bytes(range(256)) * 400,
    }  # fmt: skip
