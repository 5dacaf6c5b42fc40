"""Make binding.json: meters bound to their owners, and their keys changed, by second hand.

Consensus bytes field by field and py_ecc's curve, as make_chain.py has them. It must
never import meterseal_proto.

Usage: python proto/vectors/make_binding.py > proto/vectors/binding.json
"""

import json
import sys

from make_chain import Principal, clarity, compressed, sha, signed
from make_wallet import MAINNET, TESTNET, address
from py_ecc.secp256k1.secp256k1 import G, multiply

NETWORK = b"\x6d" * 32
MAX_SEQ = (1 << 62) - 1


def public(secret):
    """Return a secret's compressed point."""
    return compressed(multiply(G, int.from_bytes(secret, "big")))


def digest(chain_id, message):
    """Hash structured data under our domain on one chain."""
    domain = {"name": "meterseal", "version": "1.0.0", "chain-id": chain_id}
    return sha(b"SIP018", sha(clarity(domain)), sha(clarity(message)))


def binding(chain_id, seal, wallet, start, *, contract=""):
    """Bind a meter to the owner of a wallet, or to a contract that he published."""
    meter, owner = sha(b"meter", seal)[:16], address(public(wallet), chain_id)
    owner += contract and f".{contract}"
    message = {"meter": meter, "network": NETWORK, "valid-from": start}
    message["owner"] = Principal(owner)
    hashed = digest(chain_id, message)
    return {
        "chain_id": chain_id,
        "secret": seal.hex(),
        "key": public(seal).hex(),
        "meter": meter.hex(),
        "owner": owner,
        "valid_from": str(start),
        "message": clarity(message).hex(),
        "digest": hashed.hex(),
        "signature": signed(hashed, seal).hex(),
    }


def change(chain_id, old, new, start):
    """Give a meter its next key, under both."""
    meter = sha(b"meter", old)[:16]
    message = {"meter": meter, "network": NETWORK, "valid-from": start}
    message["key"] = public(new)
    hashed = digest(chain_id, message)
    return {
        "chain_id": chain_id,
        "secrets": [old.hex(), new.hex()],
        "meter": meter.hex(),
        "key": public(new).hex(),
        "valid_from": str(start),
        "message": clarity(message).hex(),
        "digest": hashed.hex(),
        "signatures": [signed(hashed, one).hex() for one in (old, new)],
    }


def main():
    """Print the vectors."""
    seals = [bytes([n]) * 32 for n in (0x71, 0x72, 0x73)]
    wallets = [bytes([n]) * 32 for n in (0x61, 0x62, 0x63)]
    bindings = [
        binding(TESTNET, seals[0], wallets[0], 1),
        binding(TESTNET, seals[1], wallets[1], MAX_SEQ, contract="purse"),
        binding(MAINNET, seals[2], wallets[2], 4_711),
    ]
    changes = [
        change(TESTNET, seals[0], seals[1], 2),
        change(MAINNET, seals[2], seals[0], MAX_SEQ),
    ]
    made = {"source": "SIP-005, SIP-018", "network": NETWORK.hex()}
    made |= {"bindings": bindings, "changes": changes}
    json.dump(made, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
