"""The group by libsecp256k1: each operation is one or two calls of the C library.

A Point is the library's own 64-byte structure, whose bytes must never be given meaning
or sent. Buffers are made for each call, so any number of threads may work at once; the
calls release the interpreter lock. A failed parse is never handed on: the library ends
the process when it meets a structure it did not make.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from meterseal_proto.curve import COMPRESSED, ORDER
from meterseal_proto.group import POINT_BYTES, Point, public
from meterseal_proto.library import Library
from meterseal_proto.secret import Secret

if TYPE_CHECKING:
    from meterseal_proto.multiscalar import Buckets

STRUCT_BYTES: Final = 64
UNCOMPRESSED: Final = 4
FEW: Final = 512
"""Terms below which multiplying one by one is faster than sorting them into buckets."""
_COPY: Final = (
    "int(unsigned char *, const unsigned char *, const unsigned char *, void *)"
)


class NativeGroup:
    """See Group."""

    def __init__(self, found: Library) -> None:
        self.name = found.name
        # cffi's objects and what it makes have no static types.
        self._ffi: Any = found.ffi
        self._lib: Any = found.lib
        self._ctx: Any = found.context
        self._copy: Any = found.ffi.callback(_COPY)(self._copied)

    def decode(self, raw: bytes) -> Point:
        """See Group."""
        # The length and the prefix are ours to check: the library also takes 65 bytes.
        if len(raw) == POINT_BYTES and raw[0] in {2, 3}:
            out = self._ffi.new("secp256k1_pubkey *")
            if self._lib.secp256k1_ec_pubkey_parse(self._ctx, out, raw, POINT_BYTES):
                return self._taken(out)
        raise ValueError("not a compressed point of secp256k1")

    def encode(self, point: Point) -> bytes:
        """See Group."""
        out = self._ffi.new("unsigned char[33]")
        size = self._ffi.new("size_t *", POINT_BYTES)
        self._lib.secp256k1_ec_pubkey_serialize(
            self._ctx, out, size, self._given(point), COMPRESSED
        )
        return bytes(self._ffi.buffer(out, POINT_BYTES))

    def add(self, points: Sequence[Point]) -> Point | None:
        """See Group."""
        if len(points) < 2:
            return points[0] if points else None
        held = self._ffi.from_buffer("secp256k1_pubkey[]", b"".join(points))
        pointers = self._ffi.new(
            "secp256k1_pubkey *[]", [held + n for n in range(len(points))]
        )
        return self._sum(pointers, len(points))

    def negate(self, point: Point) -> Point:
        """See Group."""
        out = self._given(point)
        self._lib.secp256k1_ec_pubkey_negate(self._ctx, out)
        return self._taken(out)

    def times(self, point: Point, scalar: int) -> Point | None:
        """See Group."""
        factor = public(scalar) % ORDER
        if not factor:
            return None
        out = self._given(point)
        done = self._lib.secp256k1_ec_pubkey_tweak_mul(
            self._ctx, out, factor.to_bytes(32)
        )
        assert done, "the library refused a scalar below n"
        return self._taken(out)

    def base(self, scalar: Secret) -> Point | None:
        """See Group: secp256k1_ec_pubkey_create, blinded and constant-time."""
        out = self._ffi.new("secp256k1_pubkey *")
        if self._lib.secp256k1_ec_pubkey_create(self._ctx, out, scalar.to_bytes()):
            return self._taken(out)
        return None

    def times_secret(self, point: Point, scalar: Secret) -> Point | None:
        """See Group: secp256k1_ecdh, constant-time, with a hash that copies the point."""
        # SEC 1's uncompressed form, for its own parser: it spares a square root.
        out = self._ffi.new("unsigned char[65]")
        out[0] = UNCOMPRESSED
        done = self._lib.secp256k1_ecdh(
            self._ctx, out + 1, self._given(point), scalar.to_bytes(), self._copy,
            self._ffi.NULL,
        )  # fmt: skip
        if not done:
            return None
        held = self._ffi.new("secp256k1_pubkey *")
        parsed = self._lib.secp256k1_ec_pubkey_parse(self._ctx, held, out, len(out))
        assert parsed, "the library refused a point of its own"
        return self._taken(held)

    def combine(self, points: Sequence[Point], scalars: Sequence[int]) -> Point | None:
        """See Group."""
        if len(points) != len(scalars):
            raise ValueError("as many points as scalars")
        if len(points) >= FEW:
            buckets = self._buckets()
            if buckets is not None:
                return buckets.combine(points, [public(s) % ORDER for s in scalars])
        terms = [self.times(p, s) for p, s in zip(points, scalars, strict=True)]
        return self.add([term for term in terms if term is not None])

    def _buckets(self) -> "Buckets | None":
        try:
            from meterseal_proto.multiscalar import Buckets
        except ImportError:
            return None  # numpy is an extra of those who check many proofs
        return Buckets(self._ffi, self._lib, self._ctx)

    def _copied(self, out: Any, x: Any, y: Any, _: Any) -> int:  # cffi's pointers
        self._ffi.memmove(out, x, 32)
        self._ffi.memmove(out + 32, y, 32)
        return 1

    def _sum(self, pointers: Any, count: int) -> Point | None:  # cffi's array
        out = self._ffi.new("secp256k1_pubkey *")
        if self._lib.secp256k1_ec_pubkey_combine(self._ctx, out, pointers, count):
            return self._taken(out)
        return None

    def _given(self, point: Point) -> Any:  # a C structure of our own
        held = self._ffi.new("secp256k1_pubkey *")
        self._ffi.memmove(held, point, STRUCT_BYTES)
        return held

    def _taken(self, held: Any) -> Point:  # a C structure
        return Point(bytes(self._ffi.buffer(held, STRUCT_BYTES)))
