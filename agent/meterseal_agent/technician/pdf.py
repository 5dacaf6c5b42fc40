"""A commissioning report on paper, through fpdf2, for whoever wants a signature on it.

The paper is a view: what counts is the signed JSON beside it, whose hash is printed. It
must never say more than that does.
"""

import hashlib
import unicodedata
from typing import TYPE_CHECKING, Final

from meterseal_agent.commissioning.report import Body, canonical, well
from meterseal_agent.meters.registers import is_volume
from meterseal_agent.technician.clocktext import when
from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.units import parse_obis

if TYPE_CHECKING:
    from fpdf import FPDF

MARGIN_MM: Final = 18
LINE_MM: Final = 5
SIZE, SMALL, LARGE = 10, 8, 16
_COLOURS: Final = {"ok": (20, 110, 40), "note": (120, 90, 0), "FAIL": (170, 20, 20)}


def pdf(report: Body) -> bytes:
    """Return the report as a PDF; Complaint when fpdf2 is not installed."""
    try:
        from fpdf import FPDF
    except ImportError as error:
        raise Complaint(
            "the PDF needs fpdf2: pip install 'meterseal[technician]', or say --no-pdf"
        ) from error
    page = FPDF(format="A4")
    page.set_margin(MARGIN_MM)
    page.set_auto_page_break(auto=True, margin=MARGIN_MM)
    page.set_title("Meterseal commissioning report")
    page.add_page()
    body = report["body"]
    _head(page, body)
    for meter in body["meters"]:
        _meter(page, meter)
    _enrolled(page, body["enrolled"])
    _resident(page, body.get("page", {}))
    _foot(page, report)
    return bytes(page.output())


def _head(page: "FPDF", body: Body) -> None:
    _write(page, "Commissioning report", size=LARGE, bold=True)
    verdict = "nothing has to be mended" if well(body) else "there are faults to mend"
    rows = (
        (
            "when",
            when(body["at"]) + ("" if body["clock_kept"] else " (clock not kept)"),
        ),
        ("where", body["place"] or "-"),
        ("technician", body["technician"] or "-"),
        (
            "agent",
            f"{body['agent'] or 'not enrolled'} in network {body['network'] or '-'}",
        ),
        ("software", f"meterseal {body['version']}"),
        ("verdict", verdict),
    )
    for name, text in rows:
        _write(page, f"{name}: {text}")


def _meter(page: "FPDF", meter: Body) -> None:
    page.ln(LINE_MM)
    _write(page, f"Meter {meter['serial']} ({meter['model']})", bold=True)
    registers = [parse_obis(code) for code in meter["registers"]]
    unit = "l/h" if any(map(is_volume, registers)) else "W"
    _write(page, f"at {meter['line']}, capacity {meter['capacity_w']} {unit}")
    for register, value in meter["registers"].items():
        _write(page, f"register {register}: {value} at {when(meter['at'])}")
    quality = meter["quality"]
    if quality:
        _write(
            page,
            f"line: {quality['answered']} of {quality['reads']} reads answered, half"
            f" within {quality['half_within_ms']} ms, the longest"
            f" {quality['longest_ms']} ms",
        )
    for row in meter["findings"]:
        page.set_text_color(*_COLOURS[row["grade"]])
        _write(page, f"{row['grade']:4} {row['where']}: {row['text']}")
    page.set_text_color(0)


def _enrolled(page: "FPDF", rows: list[Body]) -> None:
    if not rows:
        return
    page.ln(LINE_MM)
    _write(page, "Registers at enrolment", bold=True)
    for row in rows:
        _write(
            page,
            f"{row['serial']} {row['register']}: {row['value']} at {when(row['at'])},"
            f" every {row['step']} s",
        )


def _resident(page: "FPDF", found: Body) -> None:
    """Say where the resident's page is; its PIN is on a sheet of its own."""
    if not found:
        return
    page.ln(LINE_MM)
    _write(page, "The resident's page", bold=True)
    _write(page, f"at {found['at']}; the PIN is on the sheet handed over at enrolment,")
    _write(page, "and a new one is made by: meterseal-agent resident-pin")
    if found["sha256"]:
        _write(page, f"SHA-256 of its certificate: {found['sha256']}", size=SMALL)


def _foot(page: "FPDF", report: Body) -> None:
    page.ln(2 * LINE_MM)
    _write(page, "Technician: ______________________   Owner: ______________________")
    page.ln(LINE_MM)
    sha = hashlib.sha256(canonical(report["body"])).hexdigest()
    _write(page, f"SHA-256 of the signed body: {sha}", size=SMALL)
    _write(page, f"device key: {report['key']['public']}", size=SMALL)
    _write(page, f"signature: {report['signature']}", size=SMALL)


def _write(page: "FPDF", text: str, size: int = SIZE, *, bold: bool = False) -> None:
    page.set_font("Helvetica", "B" if bold else "", size)
    page.multi_cell(0, LINE_MM, _latin(text), new_x="LMARGIN", new_y="NEXT")


def _latin(text: str) -> str:
    """Return `text` in what the built-in fonts have: accents they lack are left out."""
    plain = "".join(
        letter
        if letter.encode("latin-1", "ignore")
        else unicodedata.normalize("NFKD", letter)
        .encode("latin-1", "replace")
        .decode("latin-1")[:1]
        for letter in text
    )
    return "".join(letter if letter.isprintable() else " " for letter in plain)
