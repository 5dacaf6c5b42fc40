"""The door of the resident's page: PIN, waits, sessions, certificate, and its sheet."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from meterseal_agent.commissioning.sheet import Handover
from meterseal_agent.config import Config, ConfigError, parse
from meterseal_agent.keystore import KeyEpoch, Keystore, KeystoreError, Paths
from meterseal_agent.resident import certificate, guard, paper
from meterseal_agent.resident.address import Address
from meterseal_agent.resident.door import MAX_SESSIONS, SESSION_S, Door
from meterseal_agent.resident.guard import Guard, Tries
from meterseal_agent.resident.pin import grouped, is_pin, keep_pin, make_pin

NOW = 1_790_000_000
HERE = Address("192.168.1.20", name="meter.home")
PIN = "04061998"
DAY_S = 86_400


class Stand:
    """A door, its files, and a clock that stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder)
        self.at = float(NOW)
        self.door = self.opened()

    def opened(self) -> Door:
        return Door(self.paths, lambda: self.at, lambda: self.at)


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    made = Stand(tmp_path)
    keep_pin(made.paths.resident_pin, PIN)
    return made


def test_pins_are_eight_digits_and_not_the_same_ones() -> None:
    found = {make_pin() for _ in range(50)}
    assert len(found) > 45
    assert all(len(pin) == 8 and pin.isdecimal() for pin in found)
    assert grouped(PIN) == "0406 1998"


def test_a_pins_file_is_ours_alone_and_does_not_say_it(stand: Stand) -> None:
    path = stand.paths.resident_pin
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PIN.encode() not in path.read_bytes()
    assert is_pin(path, "0406 1998")
    assert not is_pin(path, "04061999")


@pytest.mark.parametrize(
    "text", ["", "scrypt-1-1-1 00 00", "x", "scrypt-8192-8-10 zz 00"]
)
def test_a_damaged_pin_file_is_no_pin(tmp_path: Path, text: str) -> None:
    path = tmp_path / "resident.pin"
    path.write_text(text)
    with pytest.raises(KeystoreError, match="resident-pin"):
        is_pin(path, PIN)


def test_a_try_is_on_disk_before_the_pin_is_looked_at(stand: Stand) -> None:
    stand.paths.resident_pin.unlink()
    with pytest.raises(KeystoreError):
        stand.door.knock(PIN, "a")
    assert stand.opened().wrong_tries() == 1


def test_waits_outlive_a_restart_and_end(stand: Stand) -> None:
    stand.paths.resident_tries.write_bytes(
        Guard(Tries(5, NOW), {"a": Tries(5, NOW)}).to_json()
    )
    blocked = stand.opened().knock(PIN, "a")
    assert (blocked.token, blocked.wait, blocked.tried) == ("", 30, False)
    stand.at += 30
    assert stand.opened().knock(PIN, "a").token


def test_who_comes_in_is_forgiven_his_own_mistakes_only(stand: Stand) -> None:
    stand.paths.resident_tries.write_bytes(
        Guard(Tries(7, NOW), {"a": Tries(3, NOW), "b": Tries(4, NOW)}).to_json()
    )
    assert stand.door.knock(PIN, "a").token
    assert stand.door.wrong_tries() == 4
    kept = Guard.from_json(stand.paths.resident_tries.read_bytes(), NOW)
    assert set(kept.devices) == {"b"}


def test_sessions_expire_and_are_few(stand: Stand) -> None:
    token = stand.door.knock(PIN, "a").token
    stand.at += SESSION_S - 1
    assert stand.door.inside(token)
    stand.at += 1
    assert not stand.door.inside(token)
    mark = stand.door._session((1,))
    for _ in range(MAX_SESSIONS):
        stand.door._session((1,))
    assert len(stand.door._sessions) == MAX_SESSIONS
    assert not stand.door.inside(mark), "the oldest made room"


def test_a_token_is_kept_as_a_hash_only(stand: Stand) -> None:
    token = stand.door.knock(PIN, "a").token
    assert token not in repr(vars(stand.door))


def tries_of_a_day(devices: int) -> int:
    """Return how many tries somebody gets into a day who never waits too long."""
    found, now, count = Guard(), NOW, 0
    while now < NOW + DAY_S and count < 1_000:
        waits = {f"d{n}": found.at(now).wait(f"d{n}", now) for n in range(devices)}
        device = min(waits, key=lambda one: waits[one])
        if waits[device]:
            now += waits[device]
            continue
        found = found.at(now).tried(device, now)
        count += 1
    return count


def test_a_pin_stands_a_day_of_trying_from_one_device_and_from_many() -> None:
    assert tries_of_a_day(1) < 50
    assert 250 < tries_of_a_day(100) < 320
    assert 320 / 10**8 < 1 / 300_000


def test_a_device_that_is_forgotten_still_counts_for_everybody() -> None:
    found = Guard()
    for n in range(2 * guard.MAX_DEVICES):
        found = found.tried(f"d{n}", NOW)
    assert len(found.devices) == guard.MAX_DEVICES
    assert found.everybody.count == 2 * guard.MAX_DEVICES
    assert found.wait("new", NOW) == guard.EVERYBODY.cap_s


def test_a_clock_that_was_set_back_makes_no_wait_longer() -> None:
    found = Guard(Tries(6, NOW + 10**6), {"a": Tries(6, NOW + 10**6)}).at(NOW)
    assert found.wait("a", NOW) == 60
    assert found.wait("a", NOW + 60) == 0


def test_a_day_without_a_try_forgives_all() -> None:
    found = Guard(Tries(50, NOW), {"a": Tries(50, NOW)})
    assert found.at(NOW + DAY_S - 1).wait("a", NOW) == 3_600
    assert found.at(NOW + DAY_S) == Guard()


DAMAGED = [b"", b"{}", b"[]", b"[" * 500, b'{"everybody":[-1,0],"devices":{}}', b"\xff"]
DAMAGED += [b'{"everybody":[0,0],"devices":{"a":[1]}}', b'{"everybody":0,"devices":{}}']


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_of_tries_is_not_a_clean_slate(text: bytes) -> None:
    assert Guard.from_json(text, NOW).wait("a", NOW) == guard.EVERYBODY.cap_s


def test_the_certificate_is_made_once_and_again_before_it_ends(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    made = certificate.ensure(paths, HERE, NOW)
    assert certificate.ensure(paths, HERE, NOW + 700 * DAY_S) == made
    later = certificate.ensure(paths, HERE, NOW + 790 * DAY_S)
    assert later != made
    assert later.public_key() == made.public_key()
    assert stat.S_IMODE(paths.resident_key.stat().st_mode) == 0o600
    days = (made.not_valid_after_utc - made.not_valid_before_utc).days
    assert days <= 825, "what phones take"


def test_the_certificate_is_of_the_address_and_of_nothing_else(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    made = certificate.ensure(paths, HERE, NOW)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == ["192.168.1.20", "meter.home"]
    limits = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not limits.ca
    assert certificate.ensure(paths, Address("192.168.1.21"), NOW) != made
    paths.resident_key.write_text("damaged")
    other = certificate.ensure(paths, HERE, NOW)
    assert other.public_key() != made.public_key()
    assert certificate.context(paths).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    certificate.ensure(paths, HERE, NOW)
    paths.resident_certificate.write_text("damaged")
    made = certificate.ensure(paths, HERE, NOW)
    assert len(certificate.fingerprint(made)) == 32 * 3 - 1
    certificate.context(paths)


REFUSED = [
    "0.0.0.0",  # noqa: S104
    "::",
    "8.8.8.8",
    "2606:4700::1111",
    "224.0.0.1",
    "meter",
    "",
    "1.2",
]


@pytest.mark.parametrize("host", REFUSED)
def test_a_page_is_never_on_all_interfaces_nor_in_the_internet(host: str) -> None:
    with pytest.raises(ValueError, match=r"home's own|IPv4|''"):
        Address(host)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.5", "172.16.1.1", "192.168.1.20", "fd00::5", "fe80::1"],
)
def test_a_homes_own_addresses_are_taken(host: str) -> None:
    assert Address(host).tls


def test_an_address_knows_what_browsers_call_it() -> None:
    assert HERE.url == "https://192.168.1.20:8443/"
    assert HERE.hosts == {"192.168.1.20:8443", "meter.home:8443"}
    assert "192.168.1.20" in Address("192.168.1.20", 443).hosts
    assert Address("fd00::5").hosts == {"[fd00::5]:8443"}


def config(text: str) -> Config:
    top = 'aggregator_url = "https://a.example"\nzone = "Europe/Berlin"\n'
    meter = (
        '[[meters]]\nserial = "1"\nhost = "127.0.0.1"\nprofile = "eastron-sdm630"\n'
        "unit = 1\ncapacity_w = 1000\n"
    )
    return parse(top + text + meter, {})


def test_without_its_table_there_is_no_page() -> None:
    assert config("").resident is None


def test_the_table_says_where_the_page_is() -> None:
    found = config('[resident]\nhost = "192.168.1.20"\nname = "meter.home"\n')
    assert found.resident == HERE
    plain = config('[resident]\nhost = "127.0.0.1"\nport = 9000\ntls = false\n')
    assert plain.resident == Address("127.0.0.1", 9_000, tls=False)


WRONG = [
    ("", "host is missing"),
    ('host = "0.0.0.0"', "home's own"),
    ('host = "example.org"', "IPv4"),
    ('host = "192.168.1.20"\ntls = false', "take tls = false out"),
    ('host = "192.168.1.20"\nname = "Meter Home"', "no host name"),
    ('host = "192.168.1.20"\nport = 443', "from 1024"),
    ('host = "192.168.1.20"\npin = "12345678"', "unknown key pin"),
]


@pytest.mark.parametrize(("lines", "why"), WRONG)
def test_a_wrong_table_is_one_sentence(lines: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config(f"[resident]\n{lines}\n")


def test_a_page_of_local_days_needs_the_zone() -> None:
    text = (
        'aggregator_url = "https://a.example"\n[resident]\nhost = "10.0.0.5"\n'
        '[[meters]]\nserial = "1"\nhost = "127.0.0.1"\nprofile = "eastron-sdm630"\n'
        "unit = 1\ncapacity_w = 1000\n"
    )
    with pytest.raises(ConfigError, match="zone"):
        parse(text, {})


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    made = Keystore(tmp_path / "data")
    made.make(KeyEpoch())
    return made


TERMINAL, PIPE = Handover(None, terminal=True), Handover(None, terminal=False)


def test_the_sheet_says_pin_address_and_fingerprint_once(store: Keystore) -> None:
    said: list[str] = []
    paper.first_sheet(store, HERE, TERMINAL, said.append, NOW)
    (text,) = said
    made = certificate.ensure(store.paths, HERE, NOW)
    shown = certificate.fingerprint(made)
    assert "".join(text.split()).count("".join(shown.split())) == 1
    assert HERE.url in text
    pin = text.split("PIN ")[1].splitlines()[0]
    assert is_pin(store.paths.resident_pin, pin)
    paper.first_sheet(store, HERE, TERMINAL, said.append, NOW)
    assert len(said) == 1, "a PIN is not made again by enrolling again"


def test_no_pin_goes_into_a_pipe(store: Keystore) -> None:
    said: list[str] = []
    assert not paper.new_sheet(store, HERE, PIPE, said.append, NOW)
    assert "no PIN was made" in said[0]
    assert not store.paths.resident_pin.exists()


def test_the_sheet_goes_into_a_file_beside_the_recovery_sheet(
    store: Keystore, tmp_path: Path
) -> None:
    file = tmp_path / "sheet.txt"
    said: list[str] = []
    paper.first_sheet(store, HERE, Handover(file, terminal=False), said.append, NOW)
    page = tmp_path / "sheet.txt.page"
    text = page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert not file.exists(), "that is the recovery sheet's"
    pin = text.split("PIN ")[1].splitlines()[0]
    assert pin not in "".join(said)
    with pytest.raises(KeystoreError, match="already"):
        paper.new_sheet(store, HERE, Handover(page, terminal=True), said.append, NOW)
    assert is_pin(store.paths.resident_pin, pin), "the old PIN is still the one"


def test_a_new_pin_forgives_every_try(store: Keystore) -> None:
    store.paths.resident_tries.write_bytes(Guard(Tries(99, NOW)).to_json())
    assert paper.new_sheet(store, HERE, TERMINAL, lambda _: None, NOW)
    assert not store.paths.resident_tries.exists()


def test_who_came_in_before_is_not_kept_out_by_a_guesser_without_end() -> None:
    """A program on the home's network tries all day, each time from another address."""
    found, guesses = Guard().tried("phone", NOW).passed("phone"), 0
    for now in range(NOW, NOW + DAY_S, 5):
        found = found.at(now)
        if not found.wait(f"guesser {now}", now):
            found = found.tried(f"guesser {now}", now)
            guesses += 1
        assert found.wait("phone", now) == 0
    assert 200 < guesses < 320
    found = Guard.from_json(found.to_json(), now)
    for _ in range(6):
        assert found.wait("stranger", now) > 0
        found = found.tried("phone", now)
    assert found.wait("phone", now) == 60, "who takes its address guesses no faster"


def test_only_the_last_few_that_came_in_are_remembered() -> None:
    found = Guard()
    for number in range(guard.MAX_FRIENDS + 1):
        found = found.tried(f"{number}", NOW).passed(f"{number}")
    assert found.friends == tuple(f"{n}" for n in range(guard.MAX_FRIENDS, 0, -1))
