"""Every captured M-Bus frame against the values that another decoder, libmbus, found."""

import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from meterseal_agent.meters.telegrams import mbus
from meterseal_agent.meters.telegrams.model import BadTelegram, Value
from tests.support.data import shared_data

CAPTURES = """
ACW_Itron-BM-plus-m EDC EFE_Engelmann-WaterStar ELV-Elvaco-CMa10 Elster-F2 GWF-MTKcoder
REL-Relay-Padpuls2 SEN_Pollustat SEN_Sensus-PolluTherm THI_cma10 abb_delta allmess_cf50
berg_dz_plus electricity-meter-1 els_falcon elv_temp_humid engelmann_sensostar2c
example_data_01 filler frame2 itron_bm_+m itron_cf_55
itron_cyble_m-bus_v1.4_cold_water itron_cyble_m-bus_v1.4_water kamstrup_382_005
landis+gyr_ultraheat_t230 manual_frame2 metrona_pollutherm minol_minocal_c2 nzr_dhz_5_63
oms_frame2 ram_modularis rel_padpuls3 sen_pollusonic_2 siemens_rvd235 siemens_wfh21
svm_f22_telegram1 tch_telegramm1 wmbus-converted
"""
NAMES = CAPTURES.split()

NO_DAY = "libmbus makes a day of zeros, which the meter sends for no date"
DURATION = "libmbus takes how long a limit was exceeded for the flow itself"
END_OF = "libmbus takes the date a maximum ended for the maximum itself"
PER_PULSE = "libmbus drops that the volume is that of one pulse"
MARKED = "libmbus makes a day of a time that the meter marks as invalid"
HISTORIC = "libmbus does not read unit code 3E: as counter 1, of the set date"
DIFFER = {
    ("ACW_Itron-BM-plus-m", 2): NO_DAY,
    ("itron_bm_+m", 2): NO_DAY,
    ("siemens_wfh21", 3): NO_DAY,
    ("REL-Relay-Padpuls2", 1): MARKED,
    ("SEN_Pollustat", 12): DURATION,
    ("SEN_Pollustat", 13): DURATION,
    **{("landis+gyr_ultraheat_t230", i): END_OF for i in (19, 20, 21, 22)},
    ("EFE_Engelmann-WaterStar", 11): PER_PULSE,
    ("engelmann_sensostar2c", 13): PER_PULSE,
    ("manual_frame2", 1): HISTORIC,
}
"""Where libmbus is wrong, each with what it does."""

UNITS: dict[str, tuple[str, Decimal]] = {
    "m^3": ("m3", Decimal(1)),
    "m^3/h": ("m3/h", Decimal(1)),
    "\N{DEGREE SIGN}C": ("degC", Decimal(1)),
    "Units for H.C.A.": ("", Decimal(1)),
    "Reserved": ("", Decimal(1)),
    "l": ("m3", Decimal("0.001")),
    "kWh": ("Wh", Decimal(1000)),
}
FUNCTIONS = {
    "Maximum value": "maximum",
    "Minimum value": "minimum",
    "Value during error state": "during error state",
}
OWN_DATA = {"Manufacturer specific", "More records follow"}
PLACES = {"StorageNumber": "storage", "Tariff": "tariff", "Device": "subunit"}


def told(record: ET.Element, name: str) -> str:
    return (record.findtext(name) or "").strip()


def compare(record: ET.Element, value: Value) -> None:
    function = told(record, "Function")
    if function in OWN_DATA:
        assert value.text == told(record, "Value")
        follow = ", more records follow" if function == "More records follow" else ""
        assert value.note == f"manufacturer specific data{follow}"
        return
    for word in FUNCTIONS.values():
        assert (word in value.note) is (FUNCTIONS.get(function) == word)
    for element, word in PLACES.items():
        count = told(record, element)
        found = re.search(rf"\b{word} (\d+)", value.note)
        assert int(found[1] if found else 0) == int(count or 0)
    compare_content(record, value)


def compare_content(record: ET.Element, value: Value) -> None:
    unit, content = told(record, "Unit"), told(record, "Value")
    if unit == "-":
        if value.number is None:
            assert value.text == re.sub(r":00Z$", "", content)
        else:
            assert value.unit == told(record, "Quantity")
            assert value.number == Decimal(content)
        return
    if value.number is None:
        assert value.text == content
        return
    ours, factor = UNITS.get(unit, (unit, Decimal(1)))
    assert value.unit == ours
    assert abs(value.number - Decimal(content) * factor) < Decimal("0.000001")


@pytest.mark.parametrize("name", NAMES)
def test_a_captured_frame_says_what_another_decoder_found(name: str) -> None:
    folder = shared_data("meters", "mbus")
    telegram = mbus.decode(bytes.fromhex((folder / f"{name}.hex").read_text()))
    # The files say ISO 8859-1 in their first line, and are UTF-8.
    text = (folder / f"{name}.norm.xml").read_text("utf-8").split("?>", 1)[1]
    known = ET.fromstring(text)  # noqa: S314 - test data
    ident = known.findtext("SlaveInformation/Id") or ""
    assert telegram.meter == ident.zfill(8)
    assert telegram.checked
    values = [v for v in telegram.values if v.note != "status of the meter"]
    records = known.findall("DataRecord")
    assert len(values) == len(records)
    for i, (record, value) in enumerate(zip(records, values, strict=True)):
        if (name, i) not in DIFFER:
            compare(record, value)
        else:
            with pytest.raises(AssertionError):
                compare(record, value)


def test_every_capture_is_named_here() -> None:
    found = shared_data("meters", "mbus").glob("*.norm.xml")
    assert {path.name.removesuffix(".norm.xml") for path in found} == set(NAMES)


REFUSED = {
    "mbus/invalid_length": "length 0 leaves no room for C, A and CI (at byte 1)",
    "mbus/manual_frame4": "C field 53 is a master's question, not a meter's answer",
    "mbus/manual_frame6": "C field 53 is a master's question, not a meter's answer",
    "mbus_errors/application_busy": "application error: application too busy",
    "mbus_errors/error": "application error: unspecified error (at byte 6)",
    "mbus_errors/premature_end_of_data2": "ends within a BCD number (at byte 34)",
    "mbus_errors/premature_end_of_dif2": "ends within a DIFE (at byte 31)",
    "mbus_errors/premature_end_of_var_vif1": "within a unit in plain text (at byte 50)",
    "mbus_errors/too_long_var_vif": "within a unit in plain text (at byte 50)",
    "mbus_errors/too_many_difes": "application error: more than 10 DIFEs (at byte 6)",
    "mbus_errors/too_many_records": "application error: too many records (at byte 6)",
    "mbus_errors/too_many_vifes": "application error: more than 10 VIFEs (at byte 6)",
    "mbus_errors/unimplemented_ci": "application error: unimplemented CI field",
}


def refused() -> set[str]:
    folders = [shared_data("meters", "mbus"), shared_data("meters", "mbus_errors")]
    found: list[Path] = [path for folder in folders for path in folder.glob("*.hex")]
    return {
        f"{path.parent.name}/{path.stem}"
        for path in found
        if not path.with_suffix(".norm.xml").exists()
    }


def test_every_broken_capture_is_refused_with_its_reason() -> None:
    assert refused() == set(REFUSED)
    for name, reason in REFUSED.items():
        folder, stem = name.split("/")
        raw = bytes.fromhex(shared_data("meters", folder, f"{stem}.hex").read_text())
        with pytest.raises(BadTelegram) as caught:
            mbus.decode(raw)
        assert reason in str(caught.value)
        assert 0 <= caught.value.offset <= len(raw)
