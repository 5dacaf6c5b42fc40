;; What a meter signs, rebuilt from its parts: header hashes, signatures, record leaves,
;; log leaves and Merkle paths. Other contracts ask; nothing here has a state.
;;
;; Bytes are those of proto/README.md, held to its vectors by the tests. This contract
;; must never decide whose key may sign: the registry does.

(define-constant SIP018 0x534950303138)
;; Made when deployed, so a signature for another chain is none here.
(define-constant DOMAIN-HASH (sha256 (unwrap-panic
  (to-consensus-buff? {chain-id: chain-id, name: "meterseal", version: "1.0.0"}))))
(define-constant PREFIX (concat SIP018 DOMAIN-HASH))

;; Half the group orders, in two halves of 128 bits: a larger s is the malleable twin.
(define-constant K1-HALF-HIGH u170141183460469231731687303715884105727)
(define-constant K1-HALF-LOW u124072173638108635037164174234284138656)
(define-constant P256-HALF-HIGH u170141183420855150483778506955966906367)
(define-constant P256-HALF-LOW u295688271383275618164820652329247281832)
;; Times and energies have eight bytes in a record, so a larger number has no leaf.
(define-constant LIMIT-64 u18446744073709551616)

;; The SIP-018 digest of a message whose consensus bytes hash to `message-hash`.
(define-read-only (digest (message-hash (buff 32)))
  (sha256 (concat PREFIX message-hash)))

;; The consensus bytes of a header; a tuple of fixed width always has them.
(define-read-only (header-bytes (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}))
  (default-to 0x (to-consensus-buff? header)))

;; A seal's identity and what its device signed (SIP-018).
(define-read-only (header-hash (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}))
  (digest (sha256 (header-bytes header))))

(define-private (half-at (signature (buff 65)) (from uint))
  (buff-to-uint-be (unwrap! (as-max-len? (unwrap! (slice? signature from (+ from u16)) u0) u16) u0)))

;; Tell whether s, the second 32 bytes, is at most half the group's order.
(define-read-only (is-low-s (signature (buff 65)) (p256 bool))
  (let (
    (high (half-at signature u32))
    (half-high (if p256 P256-HALF-HIGH K1-HALF-HIGH))
    (half-low (if p256 P256-HALF-LOW K1-HALF-LOW)))
    (or (< high half-high)
        (and (is-eq high half-high) (<= (half-at signature u48) half-low)))))

;; Tell whether `key` signed `hash`. `signature` is r, s and a recovery byte; with P-256
;; that byte must be zero. secp256k1 recovers and compares, because verifying accepts
;; twins on some chains and not on others.
(define-read-only (is-signed (hash (buff 32)) (signature (buff 65)) (key (buff 33)) (p256 bool))
  (and (is-eq (len signature) u65) (is-eq (len hash) u32) (is-eq (len key) u33)
       (is-low-s signature p256)
       (if p256
         (and (is-eq (element-at? signature u64) (some 0x00))
              (secp256r1-verify hash (default-to 0x (as-max-len? (default-to 0x (slice? signature u0 u64)) u64)) key))
         (is-eq (secp256k1-recover? hash signature) (ok key)))))

;; The last `width` bytes of a number, big-endian.
(define-private (big (number uint) (width uint))
  (let ((bytes (default-to 0x (to-consensus-buff? number))))
    (default-to 0x (slice? bytes (- u17 width) u17))))

;; The leaf of an open record: SHA-256 of 00, salt and fixed-width fields; none when a
;; field does not fit its width. Energy in Wh or litres, times in Unix seconds.
(define-read-only (record-leaf (salt (buff 16)) (record {start: uint, delta: uint, value: uint, quality: uint, revision: uint}))
  (if (and (is-eq (len salt) u16) (< (get start record) LIMIT-64) (< (get delta record) LIMIT-64)
           (< (get value record) LIMIT-64) (< (get quality record) u256) (< (get revision record) u65536))
    (some (sha256 (concat (concat (concat 0x00 salt) (concat (big (get start record) u8) (big (get delta record) u8)))
      (concat (big (get value record) u8) (concat (big (get quality record) u1) (big (get revision record) u2))))))
    none))

;; The leaf of a seal in the log: entry type 1, version 1, header and 64 signature bytes.
(define-read-only (log-leaf (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)))
  (sha256 (concat (concat 0x000101 (header-bytes header)) (default-to 0x (slice? signature u0 u64)))))

(define-private (step (sibling (buff 32)) (walk {fn: uint, sn: uint, r: (buff 32), ok: bool}))
  (let ((fn (get fn walk)) (sn (get sn walk)) (r (get r walk)))
    (if (is-eq sn u0)
      (merge walk {ok: false})
      (if (or (is-eq (mod fn u2) u1) (is-eq fn sn))
        ;; A last node without a neighbour moved up unchanged; skip the levels it rose.
        (let ((up (+ u1 (log2 (bit-and fn (+ u1 (bit-not fn)))))))
          {fn: (bit-shift-right fn up), sn: (bit-shift-right sn up), r: (sha256 (concat (concat 0x01 sibling) r)), ok: (get ok walk)})
        {fn: (/ fn u2), sn: (/ sn u2), r: (sha256 (concat (concat 0x01 r) sibling)), ok: (get ok walk)}))))

;; Tell whether `leaf` is entry `index` of the tree of `size` with `root` (RFC 9162
;; 2.1.3.2), by up to 32 siblings: trees of up to 2^32 leaves.
(define-read-only (is-included (leaf (buff 32)) (index uint) (size uint) (path (list 32 (buff 32))) (root (buff 32)))
  (and (< index size) (is-eq (len leaf) u32)
    (let ((walk (fold step path {fn: index, sn: (- size u1), r: leaf, ok: true})))
      (and (get ok walk) (is-eq (get sn walk) u0) (is-eq (get r walk) root)))))
