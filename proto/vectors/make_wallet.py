"""Make wallet.json: challenges that link wallets to members, by second hand.

Addresses by c32check from their definition, consensus bytes field by field, py_ecc's
curve. It must never import meterseal_proto.

Usage: python proto/vectors/make_wallet.py > proto/vectors/wallet.json
"""

import hashlib
import json
import sys

from make_chain import C32, Principal, big, clarity, compressed, sha, signed
from py_ecc.secp256k1.secp256k1 import G, multiply

TESTNET, MAINNET = 0x80000000, 1
VERSIONS = {TESTNET: 26, MAINNET: 22}


def address(public, chain_id):
    """Spell the address of a key."""
    hashed = hashlib.new("ripemd160", sha(public)).digest()
    version = VERSIONS[chain_id]
    check = sha(sha(bytes([version]) + hashed))[:4]
    number, digits = int.from_bytes(hashed + check, "big"), ""
    while number:
        number, digit = divmod(number, 32)
        digits = C32[digit] + digits
    raw = hashed + check
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    return "S" + C32[version] + "0" * zeros + digits


def case(chain_id, secret, member, expires):
    """Sign one challenge."""
    public = compressed(multiply(G, int.from_bytes(secret, "big")))
    who = address(public, chain_id)
    network, nonce = sha(b"network", big(chain_id, 4)), sha(b"nonce", big(member, 8))
    message = {"network": network, "member": member, "principal": Principal(who)}
    message |= {"nonce": nonce, "expires": expires}
    domain = {"name": "meterseal", "version": "1.0.0", "chain-id": chain_id}
    digest = sha(b"SIP018", sha(clarity(domain)), sha(clarity(message)))
    return {
        "chain_id": chain_id,
        "secret": secret.hex(),
        "network": network.hex(),
        "member": str(member),
        "principal": who,
        "nonce": nonce.hex(),
        "expires": expires,
        "domain": clarity(domain).hex(),
        "message": clarity(message).hex(),
        "digest": digest.hex(),
        "signature": signed(digest, secret).hex(),
    }


def main():
    """Print the vectors."""
    cases = [
        case(TESTNET, b"\x61" * 32, 1, 1_790_000_000),
        case(TESTNET, b"\x62" * 32, (1 << 63) - 1, (1 << 48) - 1),
        case(MAINNET, b"\x63" * 32, 4_711, 1_790_000_900),
        case(MAINNET, b"\x64" * 32, 2, 1),
    ]
    json.dump({"source": "SIP-005, SIP-018", "cases": cases}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
