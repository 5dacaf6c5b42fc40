;; What the aggregator's log holds, in time order, and what was delivered.
;;
;; The oracle is trusted to anchor its log and to say what a trade delivered; it is not
;; trusted for arithmetic, signatures or inclusion, which anybody checks here. A root
;; once anchored is never changed. This contract must never hold value.

;; The caller is not the oracle.
(define-constant ERR-FORBIDDEN (err u400))
;; The contract is paused.
(define-constant ERR-PAUSED (err u401))
;; The size is not larger than the last anchored, or too large for a log.
(define-constant ERR-SIZE (err u402))
;; The root was anchored before, or has not 32 bytes.
(define-constant ERR-ROOT (err u403))
;; No key of the meter may sign this header: unknown meter, seq before its key, revoked.
(define-constant ERR-KEY (err u404))
;; The signature is not by the meter's key.
(define-constant ERR-SIGNATURE (err u405))
;; The header is not of this network.
(define-constant ERR-NETWORK (err u406))
;; The record is not in the header: wrong interval, wrong leaf, wrong path.
(define-constant ERR-RECORD (err u407))
;; The header is not of an open seal, so it holds no readable records.
(define-constant ERR-MODE (err u408))
;; The log leaf is not under this root, or the root was never anchored.
(define-constant ERR-INCLUSION (err u409))
;; The trade's delivery was confirmed already.
(define-constant ERR-CONFIRMED (err u410))
;; No delivery was confirmed for the trade.
(define-constant ERR-UNCONFIRMED (err u411))
;; The evidence has not 32 bytes.
(define-constant ERR-EVIDENCE (err u412))
;; The caller was not offered the oracle's place.
(define-constant ERR-NOT-OFFERED (err u413))

;; The largest tree 32 siblings can prove.
(define-constant MAX-SIZE u4294967296)

(define-data-var oracle principal tx-sender)
(define-data-var next-oracle (optional principal) none)
(define-data-var last-size uint u0)
(define-data-var anchor-count uint u0)
(define-map anchors uint {size: uint, root: (buff 32), at: uint, height: uint})
(define-map roots (buff 32) {size: uint, at: uint, height: uint})
(define-map deliveries uint {delivered: uint, evidence: (buff 32), at: uint})

;; Note a deed in the audit log. An entry that cannot be added, for the log is paused,
;; stops nobody: the event below tells it as well.
(define-private (note-deed (action (string-ascii 32)) (subject (buff 32)) (amount uint))
  (is-ok (contract-call? .audit-log append-entry contract-caller action subject amount)))

;; Anchor the log's checkpoint. By the oracle. Answers the anchor's number, from 0.
;; Errors: u400 to u403.
(define-public (anchor (size uint) (root (buff 32)))
  (let ((number (var-get anchor-count)))
    (asserts! (is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> size (var-get last-size)) (<= size MAX-SIZE)) ERR-SIZE)
    (asserts! (is-eq (len root) u32) ERR-ROOT)
    (asserts! (map-insert roots root {size: size, at: stacks-block-time, height: stacks-block-height}) ERR-ROOT)
    (map-set anchors number {size: size, root: root, at: stacks-block-time, height: stacks-block-height})
    (var-set last-size size)
    (var-set anchor-count (+ number u1))
    (print {topic: "anchor", number: number, size: size, root: root})
    (ok number)))

;; Say that `trade` delivered `delivered` Wh; `evidence` hashes the readings it rests on.
;; By the oracle, once per trade. Errors: u400, u401, u410, u412.
(define-public (confirm-delivery (trade uint) (delivered uint) (evidence (buff 32)))
  (begin
    (asserts! (is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (len evidence) u32) ERR-EVIDENCE)
    (asserts! (map-insert deliveries trade {delivered: delivered, evidence: evidence, at: stacks-block-time}) ERR-CONFIRMED)
    (print {topic: "delivery-confirmed", trade: trade, delivered: delivered, evidence: evidence})
    (ok true)))

;; Offer the oracle's place to a new key. By the oracle, or by the admin when its key is
;; lost; also while paused. Errors: u400.
(define-public (offer-oracle (who principal))
  (begin
    (asserts! (or (is-oracle contract-caller) (is-eq contract-caller (contract-call? .roles get-admin))) ERR-FORBIDDEN)
    (var-set next-oracle (some who))
    (print {topic: "oracle-offered", who: who})
    (ok true)))

;; Take the oracle's place; the former oracle has none from here on. By whom it was
;; offered to, also while paused. Errors: u413.
(define-public (accept-oracle)
  (begin
    (asserts! (is-eq (some contract-caller) (var-get next-oracle)) ERR-NOT-OFFERED)
    (var-set oracle contract-caller)
    (var-set next-oracle none)
    (note-deed "oracle-changed" (sha256 (default-to 0x (to-consensus-buff? contract-caller))) u0)
    (print {topic: "oracle-changed", who: contract-caller})
    (ok true)))

(define-read-only (is-oracle (who principal)) (is-eq who (var-get oracle)))
(define-read-only (get-oracle) (var-get oracle))
(define-read-only (get-anchor (number uint)) (map-get? anchors number))
(define-read-only (get-anchor-count) (var-get anchor-count))
;; When `root` was anchored, at which size; none when never.
(define-read-only (get-root (root (buff 32))) (map-get? roots root))
(define-read-only (get-delivery (trade uint)) (map-get? deliveries trade))

;; Tell whether `leaf` is entry `index` of the anchored tree with `root` (RFC 9162), by up
;; to 32 siblings. False for a root that was never anchored.
(define-read-only (verify-inclusion (leaf (buff 32)) (index uint) (path (list 32 (buff 32))) (root (buff 32)))
  (match (map-get? roots root) known
    (contract-call? .seals is-included leaf index (get size known) path root)
    false))

;; Check a header by the registered key of its meter. Answers its hash, the owner and from
;; when what the meter says may be minted. Errors: u404 to u406.
(define-read-only (verify-header (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)))
  (let (
    (bound (unwrap! (contract-call? .user-registry get-meter (get meter header)) ERR-KEY))
    (signer (unwrap! (contract-call? .user-registry get-key-at (get meter header) (get seq header)) ERR-KEY)))
    (verify-by bound signer header signature)))

(define-private (verify-by (bound {owner: principal, epoch: uint, revoked-from: (optional uint), mints-from: uint}) (signer {key: (buff 33), p256: bool, from-seq: uint, until: (optional uint)})
    (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)))
  (let ((hash (contract-call? .seals header-hash header)))
    (asserts! (is-eq (some (get network header)) (contract-call? .user-registry get-network)) ERR-NETWORK)
    (asserts! (contract-call? .seals is-signed hash signature (get key signer) (get p256 signer)) ERR-SIGNATURE)
    (ok {hash: hash, owner: (get owner bound), mints-from: (get mints-from bound)})))

;; Check a header as verify-header does, and that the log under `root` holds it. A key that
;; was rotated or revoked after the root was anchored still speaks for it: nobody unmakes
;; evidence by a new key. Answers what verify-header does, and when the root was anchored.
;; Errors: u404 to u406, u409.
(define-read-only (verify-anchored-header (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)) (index uint) (path (list 32 (buff 32))) (root (buff 32)))
  (let (
    (known (map-get? roots root))
    (checked (try! (match (verify-header header signature) now (ok now) code (verify-as-of header signature (default-to u0 (get at known)) code))))
    (known-root (unwrap! known ERR-INCLUSION)))
    (asserts! (verify-inclusion (contract-call? .seals log-leaf header signature) index path root) ERR-INCLUSION)
    (ok (merge checked {anchored-at: (get at known-root), anchored-height: (get height known-root)}))))

;; The same by the key as of a time; `code` where that is no other key.
(define-private (verify-as-of (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)) (at uint) (code uint))
  (let (
    (bound (unwrap! (contract-call? .user-registry get-meter (get meter header)) (err code)))
    (signer (unwrap! (contract-call? .user-registry get-key-as-of (get meter header) (get seq header) at) (err code))))
    (verify-by bound signer header signature)))

;; Check one reading: header signed by the registered key of its meter, record (Wh or
;; litres, Unix seconds) under the header's root by its salted leaf. The record's place
;; follows from its start. Answers owner and header hash. Errors: u404 to u408.
(define-read-only (verify-reading (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (signature (buff 65)) (record {start: uint, delta: uint, value: uint, quality: uint, revision: uint}) (salt (buff 16)) (path (list 32 (buff 32))))
  (let ((checked (try! (verify-header header signature))))
    (asserts! (is-eq (get mode header) u0) ERR-MODE)
    (asserts! (holds-record header record salt path) ERR-RECORD)
    (ok checked)))

;; Tell whether `header` seals `record` at its place; says nothing of the signature.
(define-read-only (holds-record (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}) (record {start: uint, delta: uint, value: uint, quality: uint, revision: uint}) (salt (buff 16)) (path (list 32 (buff 32))))
  (and
    (> (get step header) u0)
    (>= (get start record) (get first header))
    (is-eq u0 (mod (- (get start record) (get first header)) (get step header)))
    (match (contract-call? .seals record-leaf salt record) leaf
      (contract-call? .seals is-included leaf (/ (- (get start record) (get first header)) (get step header)) (get count header) path (get root header))
      false)))

;; Say what was confirmed for `trade` and whether that is at least `expected` Wh.
;; Errors: u411.
(define-read-only (verify-energy-transfer (trade uint) (expected uint))
  (let ((known (unwrap! (map-get? deliveries trade) ERR-UNCONFIRMED)))
    (ok (merge known {complete: (>= (get delivered known) expected)}))))
