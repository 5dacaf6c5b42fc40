;; What committed meters used, day by day, as commitments their devices signed.
;;
;; A day is a header of a committed seal, and its `sum` commits to the day's usage. It is
;; taken only under the signature of the meter's registered key and out of an anchored
;; root of the log. A day can be told again for a while, by a later seq; then it counts
;; and stands. Nothing here tells what anybody used. This contract must never hold value.
;;
;; Errors u404 to u406 and u409 are energy-oracle's, of the header and its place in the log.

;; The contract is paused.
(define-constant ERR-PAUSED (err u1000))
;; The header is not of a committed seal with values of 16 or 32 bits.
(define-constant ERR-MODE (err u1001))
;; Step, count or start are not those of a day: steps of 300, 900, 1800 or 3600 s on
;; their grid, 1 to 100 of them, 25 hours at most.
(define-constant ERR-DAY (err u1002))
;; The sum is no point of the curve.
(define-constant ERR-SUM (err u1003))
;; The seq is not above the register's last: a header told before, or an older one.
(define-constant ERR-SEQ (err u1004))
;; The header follows the last one by seq and not by `prev`.
(define-constant ERR-CHAIN (err u1005))
;; The day overlaps another without being the same.
(define-constant ERR-OVERLAP (err u1006))
;; The day counts already and cannot be told again here: a dispute corrects it.
(define-constant ERR-COUNTED (err u1007))
;; The two headers are not two contents of one seq.
(define-constant ERR-SAME (err u1008))
;; This equivocation was shown before.
(define-constant ERR-SHOWN (err u1009))

(define-constant COMMITTED u1)
;; A local day has at most 25 hours, when summer time ends.
(define-constant LONGEST-DAY u90000)
(define-constant MAX-COUNT u100)
;; How long a day may be told again: three days, unless "correction-window" says else.
(define-constant CORRECTION-WINDOW u259200)

(define-map heads {meter: (buff 16), register: uint} {seq: uint, hash: (buff 32), end: uint})
(define-map days {meter: (buff 16), register: uint, first: uint}
  {end: uint, step: uint, sum: (buff 33), bits: uint, seq: uint, hash: (buff 32), anchored-at: uint, counts-from: uint, equivocated: bool})
(define-map equivocations {meter: (buff 16), register: uint, seq: uint} bool)

;; Keep a committed day: `header` with its device's signature (r, s and recovery byte),
;; entry `index` of the log under the anchored `root` by `path`. By anybody who has the
;; header: signature and log speak for it. Answers its hash.
;; Errors: u404 to u406, u409, u1000 to u1007.
(define-public (submit-usage-proof
    (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)})
    (signature (buff 65)) (index uint) (path (list 32 (buff 32))) (root (buff 32)))
  (let (
    (register {meter: (get meter header), register: (get register header)})
    (first (get first header))
    (place (merge register {first: first}))
    (head (map-get? heads register)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (is-eq (get mode header) COMMITTED)
                   (or (is-eq (get bits header) u16) (is-eq (get bits header) u32))) ERR-MODE)
    (asserts! (is-day first (get step header) (get count header)) ERR-DAY)
    (asserts! (contract-call? .privacy-proof is-point (get sum header)) ERR-SUM)
    (let (
      (end (+ first (* (get step header) (get count header))))
      (checked (try! (contract-call? .energy-oracle verify-anchored-header header signature index path root)))
      (counts-from (try! (open-place place head end (get step header)))))
      (try! (follows head (get seq header) (get prev header)))
      (map-set days place {
        end: end, step: (get step header), sum: (get sum header), bits: (get bits header), seq: (get seq header),
        hash: (get hash checked), anchored-at: (get anchored-at checked), counts-from: counts-from,
        equivocated: (is-equivocated (get meter header) (get register header) (get seq header))})
      (map-set heads register {seq: (get seq header), hash: (get hash checked), end: (later end head)})
      (print {topic: "usage-proof", meter: (get meter header), register: (get register header), first: first, end: end,
              seq: (get seq header), hash: (get hash checked), counts-from: counts-from})
      (ok (get hash checked)))))

(define-private (is-day (first uint) (step uint) (count uint))
  (and (is-some (index-of? (list u300 u900 u1800 u3600) step))
       (> count u0) (<= count MAX-COUNT) (<= (* step count) LONGEST-DAY)
       (is-eq u0 (mod first step))
       ;; A start beyond this is no Unix time, and could overflow sums.
       (< first u281474976710656)))

(define-private (later (end uint) (head (optional {seq: uint, hash: (buff 32), end: uint})))
  (let ((before (default-to end (get end head)))) (if (> before end) before end)))

;; When a day at `place` will count: a new day after all others, or the same day again
;; while that may be.
(define-private (open-place (place {meter: (buff 16), register: uint, first: uint}) (head (optional {seq: uint, hash: (buff 32), end: uint})) (end uint) (step uint))
  (match (map-get? days place) told
    (begin
      (asserts! (and (is-eq (get end told) end) (is-eq (get step told) step)) ERR-OVERLAP)
      (asserts! (< stacks-block-time (get counts-from told)) ERR-COUNTED)
      (ok (get counts-from told)))
    (begin
      (asserts! (>= (get first place) (default-to u0 (get end head))) ERR-OVERLAP)
      (ok (+ stacks-block-time
             (default-to CORRECTION-WINDOW (contract-call? .parameters get-parameter "correction-window")))))))

;; A seq grows; the next one names the last header. Gaps are legal and name headers that
;; were never brought here.
(define-private (follows (head (optional {seq: uint, hash: (buff 32), end: uint})) (seq uint) (prev (buff 32)))
  (match head last
    (begin
      (asserts! (> seq (get seq last)) ERR-SEQ)
      (asserts! (or (> seq (+ u1 (get seq last))) (is-eq prev (get hash last))) ERR-CHAIN)
      (ok true))
    (ok true)))

;; Show that a meter signed two contents for one (meter, register, seq). No day of that
;; seq counts from then on. By anybody. Errors: u404 to u406, u1000, u1008, u1009.
(define-public (show-equivocation
    (one {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)})
    (one-signature (buff 65))
    (two {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)})
    (two-signature (buff 65)))
  (let ((at {meter: (get meter one), register: (get register one), seq: (get seq one)}))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (is-eq at {meter: (get meter two), register: (get register two), seq: (get seq two)})
                   (not (is-eq one two))) ERR-SAME)
    (try! (contract-call? .energy-oracle verify-header one one-signature))
    (try! (contract-call? .energy-oracle verify-header two two-signature))
    (asserts! (map-insert equivocations at true) ERR-SHOWN)
    (taint (get meter one) (get register one) (get first one) (get seq one))
    (taint (get meter two) (get register two) (get first two) (get seq two))
    (print (merge at {topic: "equivocation"}))
    (ok true)))

;; Keep with the day itself that its meter told it twice, so that who adds days reads each
;; once. A day brought later asks when it is brought.
(define-private (taint (meter (buff 16)) (register uint) (first uint) (seq uint))
  (let ((place {meter: meter, register: register, first: first}))
    (match (map-get? days place) day
      (and (is-eq (get seq day) seq) (map-set days place (merge day {equivocated: true})))
      false)))

;; The day that starts at `first` (Unix seconds), whether it counts yet or not.
(define-read-only (get-day (meter (buff 16)) (register uint) (first uint))
  (map-get? days {meter: meter, register: register, first: first}))

;; The register's last header brought here: seq, hash and the end of its latest day.
(define-read-only (get-head (meter (buff 16)) (register uint))
  (map-get? heads {meter: meter, register: register}))

(define-read-only (is-equivocated (meter (buff 16)) (register uint) (seq uint))
  (is-some (map-get? equivocations {meter: meter, register: register, seq: seq})))

;; The day that starts at `first` if it counts: its window to be told again has passed,
;; and its meter signed nothing else in its place.
(define-read-only (get-counted-day (meter (buff 16)) (register uint) (first uint))
  (match (get-day meter register first) day
    (if (counts day stacks-block-time) (some day) none)
    none))

(define-private (counts (day {end: uint, step: uint, sum: (buff 33), bits: uint, seq: uint, hash: (buff 32), anchored-at: uint, counts-from: uint, equivocated: bool}) (now uint))
  (and (>= now (get counts-from day)) (not (get equivocated day))))

(define-private (add-day (sum (buff 33)) (walk {meter: (buff 16), register: uint, now: uint, at: (optional uint)}))
  (match (get at walk) first
    (merge walk {at: (match (map-get? days {meter: (get meter walk), register: (get register walk), first: first}) day
      (if (and (is-eq sum (get sum day)) (counts day (get now walk))) (some (get end day)) none)
      none)})
    walk))

;; Where up to 31 days end that begin at `from`, each where the one before ended, all
;; counting and with just these commitments; none when anything is otherwise.
(define-read-only (get-end-of-days (meter (buff 16)) (register uint) (from uint) (sums (list 31 (buff 33))))
  (get at (fold add-day sums {meter: meter, register: register, now: stacks-block-time, at: (some from)})))
