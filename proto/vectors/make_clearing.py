"""Make clearing.json: order books and their clearings, found by trying every price.

No curves are walked: each order is cut into single Wh, every price on a tick is tried, and
the price rule is applied as ENERGY words it, in fractions. It must never import
meterseal_proto.

Usage: python proto/vectors/make_clearing.py > proto/vectors/clearing.json
"""

import hashlib
import json
import random
import sys
from fractions import Fraction

BOUNDS = (3_000, 5_000, 7_000, 8_500, 9_500)


def seen(book, price):
    """Return the least price on a tick that leaves a seller his own, losses and fee paid."""
    kept = Fraction(10_000 - book.get("losses_bp", 0), 10_000)
    whole = -((-price) // kept) + book["fee"]
    return -(-whole // book["tick"]) * book["tick"]


def single(book, side):
    """Return each Wh of a side as (price, tier, place, id), the best first, caps kept."""
    rows = []
    for place, order in enumerate(book[side]):
        tier = sum(order["trust"] >= bound for bound in BOUNDS)
        price = order["price"]
        price = seen(book, price) if side == "asks" else price - price % book["tick"]
        key = price if side == "asks" else -price
        rows.append(((key, -tier, place), price, order))
    left, units = dict(book.get("caps", {})), []
    lowest = -(-book["floor"] // book["tick"]) * book["tick"]
    highest = book["ceiling"] // book["tick"] * book["tick"]
    for _, price, order in sorted(rows, key=lambda row: row[0]):
        if (side == "asks" and price > highest) or (side == "bids" and price < lowest):
            continue
        for _ in range(order["wh"]):
            if left.get(order["party"], 1) > 0:
                if order["party"] in left:
                    left[order["party"]] -= 1
                units.append((price, order["id"]))
    return units


def cleared(book):
    """Return what a book clears to."""
    asks, bids = single(book, "asks"), single(book, "bids")
    volume = 0
    for price in {price for price, _ in asks + bids}:
        sold = sum(ask <= price for ask, _ in asks)
        volume = max(volume, min(sold, sum(bid >= price for bid, _ in bids)))
    if not volume:
        return {"price": None, "volume_wh": 0, "fills": []}
    low = max([asks[volume - 1][0]] + [bid for bid, _ in bids[volume:]])
    high = min([bids[volume - 1][0]] + [ask for ask, _ in asks[volume:]])
    tick = book["tick"]
    price = (low + (high - low) // 2) // tick * tick
    price = max(price, -(-book["floor"] // tick) * tick)
    price = min(price, book["ceiling"] // tick * tick)
    fills = {}
    for _, order in asks[:volume] + bids[:volume]:
        fills[order] = fills.get(order, 0) + 1
    listed = [{"id": order, "wh": wh} for order, wh in fills.items()]
    return {"price": price, "volume_wh": volume, "fills": listed}


def hashed(book, found):
    """Return the hash over rules, terms, caps, orders and what was found."""
    sides = {}
    for side in ("asks", "bids"):
        sides[side] = [
            [one["id"], one["party"], one["wh"], one["price"], one["trust"], place]
            for place, one in enumerate(book[side])
        ]
    ids = {one["id"] for one in book["asks"]}
    fills = [[one["id"], one["wh"]] for one in found["fills"]]
    terms = [book[k] for k in ("slot", "tick", "floor", "ceiling", "fee")]
    whole = [
        "meterseal/clearing/1", [*terms, book.get("losses_bp", 0)],
        [list(cap) for cap in sorted(book.get("caps", {}).items())],
        sides["asks"], sides["bids"], found["price"], found["volume_wh"],
        [one for one in fills if one[0] in ids],
        [one for one in fills if one[0] not in ids],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode()).hexdigest()


def drawn(number):
    """Return a book of few prices, so that ties, caps, floor and ceiling all matter."""
    draw = random.Random(number)  # noqa: S311 - books to compare, no secret
    book = {
        "slot": 1_800_000_000 + 900 * number,
        "tick": draw.choice([1_000, 2_000]),
        "floor": draw.randrange(0, 60_000, 500),
        "ceiling": draw.randrange(120_000, 200_000, 500),
        "fee": draw.choice([0, 500, 5_000]),
    }
    for side in ("asks", "bids"):
        book[side] = [
            {
                "id": f"{side[0]}{n}", "party": f"{side[0]}-{draw.randrange(5)}",
                "wh": draw.randint(1, 40), "price": draw.randrange(20_000, 180_000, 2_500),
                "trust": draw.randint(0, 10_000),
            }
            for n in range(draw.randrange(9))
        ]  # fmt: skip
    if number % 3 == 0:
        book["losses_bp"] = draw.choice([350, 2_500])
    if number % 2:
        book["caps"] = {"a-0": draw.randint(0, 30), "b-1": draw.randint(0, 30)}
    return book


def main():
    """Print the vectors."""
    cases = []
    for number in range(40):
        book = drawn(number)
        found = cleared(book)
        cases.append({"book": book, "clearing": found | {"hash": hashed(book, found)}})
    json.dump(cases, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
