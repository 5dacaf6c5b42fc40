;; What a community used together, told without telling of any household.
;;
;; A cell's reporting set of a day is fixed here once, by its hash, before any trustee
;; answers: whoever could get answers for two overlapping sets could open a household by
;; the difference, so each trustee reads the set from its own node and answers for no
;; other. A total is taken with the signatures of two of three trustees under cell, day,
;; set, size and usage. Sets of fewer than 20 are refused. What remains: all members of a
;; set but one, together, learn the last one. This contract never holds value.

;; The caller is not an operator, or for trustees' keys the admin.
(define-constant ERR-FORBIDDEN (err u1200))
;; The contract is paused.
(define-constant ERR-PAUSED (err u1201))
;; The keys are not three different points, or were not set yet.
(define-constant ERR-TRUSTEES (err u1202))
;; The set has fewer members than privacy needs, or more than a cell can have.
(define-constant ERR-SIZE (err u1203))
;; The cell has no name, or the hash or the network not 32 bytes.
(define-constant ERR-NAME (err u1204))
;; The day has not ended everywhere, or no calendar has it.
(define-constant ERR-DAY (err u1205))
;; A set was fixed for this cell and day before.
(define-constant ERR-FIXED (err u1206))
;; No set was fixed for this cell and day.
(define-constant ERR-NO-SET (err u1207))
;; There are not signatures of two different trustees under this total.
(define-constant ERR-SIGNATURES (err u1208))
;; The total was posted before.
(define-constant ERR-POSTED (err u1209))
;; A day of the period has no total.
(define-constant ERR-MISSING (err u1210))
;; A period has 1 to 31 days.
(define-constant ERR-PERIOD (err u1211))
;; The total is more than meters count in a day.
(define-constant ERR-USAGE (err u1212))

;; Members who report, at least (k), and meters of one log at most.
(define-constant K-MIN u20)
(define-constant MAX-MEMBERS u65536)
(define-constant MAX-DAY u1048576)
(define-constant DAY u86400)
;; 2^64: far beyond 65,536 meters of 2^32 Wh, and sums of 31 days stay exact.
(define-constant USAGE-LIMIT u18446744073709551616)
;; No zone is further behind UTC: a local day has ended this long after its UTC midnight.
(define-constant ZONE-LAG u43200)
(define-constant OFFSETS (list u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 u11 u12 u13 u14 u15 u16 u17 u18 u19 u20 u21 u22 u23 u24 u25 u26 u27 u28 u29 u30))

(define-data-var trustees (list 3 (buff 33)) (list))
(define-map sets {network: (buff 32), cell: (string-ascii 64), day: uint} {set: (buff 32), size: uint, trustees: (list 3 (buff 33)), at: uint})
(define-map totals {network: (buff 32), cell: (string-ascii 64), day: uint} {usage: uint, at: uint})

;; Set the three trustees' keys (secp256k1, 33 bytes each) for sets fixed from now on.
;; By the admin of roles, also while paused. Errors: u1200, u1202.
(define-public (set-trustees (one (buff 33)) (two (buff 33)) (three (buff 33)))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (asserts! (and (is-key one) (is-key two) (is-key three)) ERR-TRUSTEES)
    (asserts! (not (or (is-eq one two) (is-eq two three) (is-eq one three))) ERR-TRUSTEES)
    (var-set trustees (list one two three))
    (print {topic: "trustees-set", trustees: (list one two three)})
    (ok true)))

(define-private (is-key (key (buff 33))) (contract-call? .privacy-proof is-point key))

;; Fix who reported: `set` hashes the sorted (meter, header hash), `size` counts them,
;; `day` counts days since 1970 in the network's zone. Once per network, cell and day, for
;; ever. By the role "operator". Errors: u1200 to u1206.
(define-public (post-set (network (buff 32)) (cell (string-ascii 64)) (day uint) (set (buff 32)) (size uint))
  (begin
    (asserts! (contract-call? .roles has-role "operator" contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (len (var-get trustees)) u3) ERR-TRUSTEES)
    (asserts! (and (>= size K-MIN) (<= size MAX-MEMBERS)) ERR-SIZE)
    (asserts! (and (> (len cell) u0) (is-eq (len set) u32) (is-eq (len network) u32)) ERR-NAME)
    (asserts! (< day MAX-DAY) ERR-DAY)
    (asserts! (>= (+ stacks-block-time ZONE-LAG) (* (+ day u1) DAY)) ERR-DAY)
    (asserts! (map-insert sets {network: network, cell: cell, day: day}
      {set: set, size: size, trustees: (var-get trustees), at: stacks-block-time}) ERR-FIXED)
    (print {topic: "set-fixed", network: network, cell: cell, day: day, set: set, size: size})
    (ok true)))

;; Post the total `usage` (Wh or litres) of a fixed set with the signatures of two
;; trustees under total-hash. By anybody: the signatures speak. Errors: u1201, u1207 to u1209, u1212.
(define-public (post-total (network (buff 32)) (cell (string-ascii 64)) (day uint) (usage uint) (one (buff 65)) (two (buff 65)))
  (let (
    (place {network: network, cell: cell, day: day})
    (fixed (unwrap! (map-get? sets place) ERR-NO-SET))
    (hash (total-hash network cell day (get set fixed) (get size fixed) usage)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (< usage USAGE-LIMIT) ERR-USAGE)
    (asserts! (is-signed-by-two hash one two (get trustees fixed)) ERR-SIGNATURES)
    (asserts! (map-insert totals place {usage: usage, at: stacks-block-time}) ERR-POSTED)
    (print {topic: "total-posted", network: network, cell: cell, day: day, set: (get set fixed), size: (get size fixed), usage: usage})
    (ok true)))

(define-private (signer (hash (buff 32)) (signature (buff 65)) (keys (list 3 (buff 33))))
  (if (and (is-eq (len signature) u65) (contract-call? .seals is-low-s signature false))
    (match (secp256k1-recover? hash signature) key (index-of? keys key) code none)
    none))

(define-private (is-signed-by-two (hash (buff 32)) (one (buff 65)) (two (buff 65)) (keys (list 3 (buff 33))))
  (let ((first (signer hash one keys)) (second (signer hash two keys)))
    (and (is-some first) (is-some second) (not (is-eq first second)))))

;; What trustees sign (SIP-018, as seals are) for a total of a set.
(define-read-only (total-hash (network (buff 32)) (cell (string-ascii 64)) (day uint) (set (buff 32)) (size uint) (usage uint))
  (contract-call? .seals digest (sha256 (default-to 0x (to-consensus-buff?
    {cell: cell, day: day, network: network, set: set, size: size, usage: usage})))))

;; Tell whether two trustees signed this total of the set that was fixed.
(define-read-only (verify-total (network (buff 32)) (cell (string-ascii 64)) (day uint) (usage uint) (one (buff 65)) (two (buff 65)))
  (match (map-get? sets {network: network, cell: cell, day: day}) fixed
    (is-signed-by-two (total-hash network cell day (get set fixed) (get size fixed) usage) one two (get trustees fixed))
    false))

;; Check against the commitments: whoever added the set's commitments to `sum` sees by
;; `z` that they hold the posted usage. Errors: u1100, u1101, u1106, u1210.
(define-read-only (verify-sum (network (buff 32)) (cell (string-ascii 64)) (day uint) (sum (buff 33)) (z (buff 32)) (a (buff 33)))
  (let ((told (unwrap! (map-get? totals {network: network, cell: cell, day: day}) ERR-MISSING)))
    (contract-call? .privacy-proof verify-proof sum (get usage told) z a)))

(define-read-only (get-trustees) (var-get trustees))
(define-read-only (get-set (network (buff 32)) (cell (string-ascii 64)) (day uint))
  (map-get? sets {network: network, cell: cell, day: day}))

;; What a community used from `day` on for `count` days (1 to 31), by the totals posted
;; of each day, and how many reported on the day with fewest. Errors: u1210, u1211.
(define-read-only (get-settlement-usage (network (buff 32)) (cell (string-ascii 64)) (day uint) (count uint))
  (begin
    (asserts! (and (> count u0) (<= count u31) (< day MAX-DAY)) ERR-PERIOD)
    (let ((found (try! (fold add-day OFFSETS (ok {network: network, cell: cell, day: day, count: count, usage: u0, fewest: MAX-MEMBERS})))))
      (ok {usage: (get usage found), fewest: (get fewest found)}))))

(define-private (add-day (offset uint) (acc (response {network: (buff 32), cell: (string-ascii 64), day: uint, count: uint, usage: uint, fewest: uint} uint)))
  (let ((so-far (try! acc)) (place {network: (get network so-far), cell: (get cell so-far), day: (+ (get day so-far) offset)}))
    (if (>= offset (get count so-far))
      (ok so-far)
      (let (
        (told (unwrap! (map-get? totals place) ERR-MISSING))
        (size (default-to u0 (get size (map-get? sets place)))))
        (ok (merge so-far {usage: (+ (get usage so-far) (get usage told)),
                           fewest: (if (< size (get fewest so-far)) size (get fewest so-far))}))))))
