;; Bills that nobody can raise: each is computed here from usage that was proved here.
;;
;; A tariff is named by the hash of its own content, so what a bill names cannot change.
;; A bill covers whole days that count in meter-data, from its start to its end without a
;; gap, and somebody shows the opening of the sum of their commitments. Opening usage on
;; a chain is for ever: only the meter's owner, or a provider the owner let, may do it.
;; Who does not want that posts the hash of a bill kept elsewhere. This contract must
;; never store a bill above tariff(verified usage), and never holds value.
;;
;; Errors u1100 to u1103 and u1106 are privacy-proof's, of the opening.

;; The caller is not whom this function is for.
(define-constant ERR-FORBIDDEN (err u1300))
;; The contract is paused.
(define-constant ERR-PAUSED (err u1301))
;; The provider is not registered as one and verified.
(define-constant ERR-PROVIDER (err u1302))
;; There is no such tariff, or it was posted before.
(define-constant ERR-TARIFF (err u1303))
;; The tariff's kind, blocks, daily charge, days to pay or start are out of range.
(define-constant ERR-TERMS (err u1304))
;; A price is above what governance allows.
(define-constant ERR-PRICE (err u1305))
;; There is no such meter.
(define-constant ERR-METER (err u1306))
;; The period is empty, begins before its tariff, or overlaps a bill of this register.
(define-constant ERR-PERIOD (err u1307))
;; A day does not count (yet), is not the next one, or its commitment is another.
(define-constant ERR-DAY (err u1308))
;; The usage is more than any meter counts.
(define-constant ERR-USAGE (err u1309))
;; The amount is above tariff(verified usage), or a correction would not lower it.
(define-constant ERR-AMOUNT (err u1310))
;; There is no such bill.
(define-constant ERR-BILL (err u1311))
;; The bill is held already, or is not.
(define-constant ERR-HELD (err u1312))
;; The hash has not 32 bytes or was posted before.
(define-constant ERR-HASH (err u1313))
;; No bill was asked for.
(define-constant ERR-EMPTY (err u1314))

(define-constant PROVIDER u3)
(define-constant FLAT u0)
(define-constant BLOCK u1)
(define-constant LIFELINE u2)
;; The end of every last block; no meter counts as far in a month.
(define-constant UNLIMITED u281474976710656)
;; Prices stay below 2^32, as in every tariff (micro-units per kWh or m3).
(define-constant MAX-PRICE u4294967295)
(define-constant DAY u86400)
(define-constant MAX-DUE u7776000)

(define-data-var bill-count uint u0)
(define-map tariffs (buff 32) {provider: principal, kind: uint, blocks: (list 5 {upto: uint, price: uint}), daily: uint, asset: (optional principal), due: uint, from: uint})
(define-map consents {meter: (buff 16), provider: principal} uint)
(define-map billed-until {meter: (buff 16), register: uint} uint)
(define-map bills uint {
  tariff: (buff 32), provider: principal, payer: principal, meter: (buff 16), register: uint, from: uint, to: uint,
  days: uint, usage: uint, amount: uint, asset: (optional principal), issued-at: uint, due-at: uint, held: bool})
;; Since when a bill is held: the time to pay stands still meanwhile.
(define-map held-since uint uint)
(define-map user-counts principal uint)
(define-map user-bills {user: principal, number: uint} uint)
(define-map posted {provider: principal, hash: (buff 32)} uint)

(define-private (is-provider (who principal))
  (match (contract-call? .user-registry get-user who) user
    (and (get verified user) (is-eq (get part user) PROVIDER))
    false))

(define-private (check-block (block {upto: uint, price: uint}) (acc {ok: bool, last: uint, top: uint}))
  {ok: (and (get ok acc) (> (get upto block) (get last acc))),
   last: (get upto block),
   top: (if (> (get price block) (get top acc)) (get price block) (get top acc))})

;; Post a tariff: `kind` flat (0, one block), block (1, each Wh at its block's price) or
;; lifeline (2, up to the first block's end all at its price, beyond it none of it);
;; `blocks` end at `upto` Wh and cost `price` micro-units per kWh, the last is unlimited;
;; `daily` micro-units per day; `asset` none for STX or a token; `due` seconds to pay;
;; `from` Unix seconds, now or later. By a verified provider. Answers the tariff's hash.
;; Errors: u1301 to u1305.
(define-public (post-tariff (kind uint) (blocks (list 5 {upto: uint, price: uint})) (daily uint) (asset (optional principal)) (due uint) (from uint))
  (let (
    (tariff {provider: contract-caller, kind: kind, blocks: blocks, daily: daily, asset: asset, due: due, from: from})
    (hash (tariff-hash tariff))
    (count (len blocks))
    (checked (fold check-block blocks {ok: true, last: u0, top: u0})))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-provider contract-caller) ERR-PROVIDER)
    (asserts! (and (<= kind LIFELINE) (if (is-eq kind FLAT) (is-eq count u1) (> count u1))) ERR-TERMS)
    (asserts! (and (get ok checked) (is-eq (get last checked) UNLIMITED)) ERR-TERMS)
    (asserts! (and (< daily UNLIMITED) (>= due DAY) (<= due MAX-DUE) (>= from stacks-block-time)) ERR-TERMS)
    (asserts! (<= (get top checked) (max-price)) ERR-PRICE)
    (asserts! (map-insert tariffs hash tariff) ERR-TARIFF)
    (print {topic: "tariff-posted", hash: hash, provider: contract-caller, kind: kind, from: from})
    (ok hash)))

(define-private (max-price)
  (let ((cap (default-to MAX-PRICE (contract-call? .parameters get-parameter "max-price"))))
    (if (< cap MAX-PRICE) cap MAX-PRICE)))

;; Let `provider` open the usage of `meter` in bills until `until` (Unix seconds); 0 ends
;; it. By the meter's owner, also while paused. Errors: u1300, u1306.
(define-public (let-provider (meter (buff 16)) (provider principal) (until uint))
  (let ((bound (unwrap! (contract-call? .user-registry get-meter meter) ERR-METER)))
    (asserts! (is-eq contract-caller (get owner bound)) ERR-FORBIDDEN)
    (map-set consents {meter: meter, provider: provider} until)
    (print {topic: "opening-let", meter: meter, provider: provider, until: until})
    (ok true)))

;; Make 1 to 8 bills, all or none. Each names a tariff, a register, a period from the
;; start of its first day to the end of its last, and per day a step of privacy-proof's
;; sum; `usage` (Wh), `z` and `a` open the sum; `amount` (micro-units) is what is asked,
;; at most the tariff's. By the owner of each meter, or by the tariff's
;; provider whom the owner let. Answers the bills' numbers.
;; Errors: u1100 to u1103, u1106, u1300 to u1303, u1306 to u1310, u1314.
(define-public (calculate-bills (asked (list 8 {
    tariff: (buff 32), meter: (buff 16), register: uint, from: uint, to: uint,
    days: (list 31 {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)}),
    usage: uint, z: (buff 32), a: (buff 33), amount: uint})))
  (begin
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> (len asked) u0) ERR-EMPTY)
    (fold add-bill asked (ok (list)))))

(define-private (add-bill (one {
    tariff: (buff 32), meter: (buff 16), register: uint, from: uint, to: uint,
    days: (list 31 {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)}),
    usage: uint, z: (buff 32), a: (buff 33), amount: uint})
    (acc (response (list 8 uint) uint)))
  (let (
    (made (try! acc))
    (tariff (unwrap! (map-get? tariffs (get tariff one)) ERR-TARIFF))
    (bound (unwrap! (contract-call? .user-registry get-meter (get meter one)) ERR-METER))
    (register {meter: (get meter one), register: (get register one)})
    (count (len (get days one))))
    (asserts! (is-provider (get provider tariff)) ERR-PROVIDER)
    (asserts! (may-open (get meter one) (get owner bound) (get provider tariff)) ERR-FORBIDDEN)
    (asserts! (and (< (get from one) (get to one)) (>= (get from one) (get from tariff))
                   (>= (get from one) (default-to u0 (map-get? billed-until register)))) ERR-PERIOD)
    ;; Where the days end, if each begins where the last ended, counts, and is this point.
    (asserts! (is-eq (some (get to one))
      (contract-call? .meter-data get-end-of-days (get meter one) (get register one) (get from one)
        (contract-call? .privacy-proof compressed-all (map point-of (get days one))))) ERR-DAY)
    (try! (contract-call? .privacy-proof verify-sum-proof (get days one) (get usage one) (get z one) (get a one)))
    (asserts! (< (get usage one) UNLIMITED) ERR-USAGE)
    (asserts! (<= (get amount one) (charge tariff (get usage one) count)) ERR-AMOUNT)
    (map-set billed-until register (get to one))
    (ok (default-to made (as-max-len? (append made (store-bill {
      tariff: (get tariff one), provider: (get provider tariff), payer: (get owner bound), meter: (get meter one),
      register: (get register one), from: (get from one), to: (get to one), days: count, usage: (get usage one),
      amount: (get amount one), asset: (get asset tariff), issued-at: stacks-block-time,
      due-at: (+ stacks-block-time (get due tariff)), held: false})) u8)))))

(define-private (may-open (meter (buff 16)) (owner principal) (provider principal))
  (or (is-eq contract-caller owner)
      (and (is-eq contract-caller provider)
           (>= (default-to u0 (map-get? consents {meter: meter, provider: provider})) stacks-block-time))))

(define-private (point-of (day {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)})) (get p day))

(define-private (store-bill (bill {
    tariff: (buff 32), provider: principal, payer: principal, meter: (buff 16), register: uint, from: uint, to: uint,
    days: uint, usage: uint, amount: uint, asset: (optional principal), issued-at: uint, due-at: uint, held: bool}))
  (let (
    (id (+ u1 (var-get bill-count)))
    (number (default-to u0 (map-get? user-counts (get payer bill)))))
    (var-set bill-count id)
    (map-set bills id bill)
    (map-set user-bills {user: (get payer bill), number: number} id)
    (map-set user-counts (get payer bill) (+ u1 number))
    (print {topic: "bill-issued", bill: id, payer: (get payer bill), provider: (get provider bill), meter: (get meter bill),
            from: (get from bill), to: (get to bill), usage: (get usage bill), amount: (get amount bill), due-at: (get due-at bill)})
    id))

;; Hold a disputed bill, or let it go with its time to pay prolonged. By the role "court". Errors: u1300, u1311, u1312.
(define-public (hold-bill (id uint) (held bool))
  (let (
    (bill (unwrap! (map-get? bills id) ERR-BILL))
    (due (if held
      (get due-at bill)
      (+ (get due-at bill) (- stacks-block-time (default-to stacks-block-time (map-get? held-since id)))))))
    (asserts! (contract-call? .roles has-role "court" contract-caller) ERR-FORBIDDEN)
    (asserts! (not (is-eq held (get held bill))) ERR-HELD)
    (map-set bills id (merge bill {held: held, due-at: due}))
    (map-set held-since id stacks-block-time)
    (print {topic: "bill-held", bill: id, held: held, due-at: due})
    (ok true)))

;; Lower a bill to `amount` for a verified usage of `usage`. By the role "court".
;; Errors: u1300, u1310, u1311.
(define-public (correct-bill (id uint) (usage uint) (amount uint))
  (let ((bill (unwrap! (map-get? bills id) ERR-BILL)))
    (asserts! (contract-call? .roles has-role "court" contract-caller) ERR-FORBIDDEN)
    (asserts! (< amount (get amount bill)) ERR-AMOUNT)
    (map-set bills id (merge bill {usage: usage, amount: amount}))
    (print {topic: "bill-corrected", bill: id, usage: usage, amount: amount, before: (get amount bill)})
    (ok true)))

;; Post the salted hash of a bill kept elsewhere, once. By a verified provider.
;; Errors: u1301, u1302, u1313.
(define-public (post-bill-hash (hash (buff 32)))
  (begin
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-provider contract-caller) ERR-PROVIDER)
    (asserts! (is-eq (len hash) u32) ERR-HASH)
    (asserts! (map-insert posted {provider: contract-caller, hash: hash} stacks-block-time) ERR-HASH)
    (print {topic: "bill-hash", provider: contract-caller, hash: hash})
    (ok true)))

(define-private (charge-block (block {upto: uint, price: uint}) (acc {usage: uint, from: uint, sum: uint}))
  (let ((end (if (< (get usage acc) (get upto block)) (get usage acc) (get upto block))))
    (if (> end (get from acc))
      (merge acc {from: end, sum: (+ (get sum acc) (* (- end (get from acc)) (get price block)))})
      acc)))

;; micro-units for `usage` Wh of `days` days: Wh times micro-units per kWh, rounded down
;; once, and the daily charge.
(define-private (charge (tariff {provider: principal, kind: uint, blocks: (list 5 {upto: uint, price: uint}), daily: uint, asset: (optional principal), due: uint, from: uint}) (usage uint) (days uint))
  (let (
    (blocks (get blocks tariff))
    (first-end (default-to u0 (get upto (element-at? blocks u0))))
    (used (if (and (is-eq (get kind tariff) LIFELINE) (> usage first-end))
            (default-to blocks (slice? blocks u1 (len blocks)))
            blocks)))
    (+ (/ (get sum (fold charge-block used {usage: usage, from: u0, sum: u0})) u1000)
       (* days (get daily tariff)))))

;; What `usage` Wh of `days` days cost in micro-units; none for a tariff never posted or
;; numbers out of range.
(define-read-only (get-charge (hash (buff 32)) (usage uint) (days uint))
  (match (map-get? tariffs hash) tariff
    (if (and (< usage UNLIMITED) (<= days u31)) (some (charge tariff usage days)) none)
    none))

;; A tariff's name: SHA-256 of its consensus bytes (SIP-005).
(define-read-only (tariff-hash (tariff {provider: principal, kind: uint, blocks: (list 5 {upto: uint, price: uint}), daily: uint, asset: (optional principal), due: uint, from: uint}))
  (sha256 (default-to 0x (to-consensus-buff? tariff))))

(define-read-only (get-tariff (hash (buff 32))) (map-get? tariffs hash))
(define-read-only (get-bill (id uint)) (map-get? bills id))
(define-read-only (get-bill-count) (var-get bill-count))
(define-read-only (get-user-bill-count (user principal)) (default-to u0 (map-get? user-counts user)))
(define-read-only (get-user-bill-id (user principal) (number uint)) (map-get? user-bills {user: user, number: number}))
;; The user's bill `number`, from 0 in the order they were issued.
(define-read-only (get-user-bill (user principal) (number uint))
  (match (get-user-bill-id user number) id (map-get? bills id) none))
;; When `provider` posted this bill hash; none when never.
(define-read-only (get-bill-hash (provider principal) (hash (buff 32))) (map-get? posted {provider: provider, hash: hash}))
(define-read-only (get-billed-until (meter (buff 16)) (register uint)) (map-get? billed-until {meter: meter, register: register}))
