;; Which producers were found fit to sell, by whom, and what they produced.
;;
;; Certifiers come in levels: 1 certifies up to 10 kW, 2 any capacity, 3 also revokes.
;; The application fee stays here until the treasury takes it; nothing else moves.
;; `capacity` (W) bounds what is plausible; production (Wh) is what was recorded.

;; The caller is not the admin, not a certifier, not the oracle, as the function asks.
(define-constant ERR-FORBIDDEN (err u200))
;; The contract is paused.
(define-constant ERR-PAUSED (err u201))
;; The caller is not a verified producer.
(define-constant ERR-PRODUCER (err u202))
;; The capacity is zero, or out of the permitted range.
(define-constant ERR-CAPACITY (err u203))
;; The producer has applied already, or is certified.
(define-constant ERR-APPLIED (err u204))
;; The producer has no open application.
(define-constant ERR-NO-APPLICATION (err u205))
;; The certifier's level is too low.
(define-constant ERR-LEVEL (err u206))
;; The producer is not certified.
(define-constant ERR-UNCERTIFIED (err u207))
;; The level is none of 1, 2, 3; or the certifier has none.
(define-constant ERR-NO-LEVEL (err u208))
;; The production is more than the capacity can make, or overlaps what was recorded.
(define-constant ERR-PRODUCTION (err u209))
;; The minimum would be zero or exceed the maximum, or a fee or capacity all that there is.
(define-constant ERR-BOUNDS (err u210))
;; The source of energy or the reason is empty.
(define-constant ERR-TEXT (err u211))
;; More than the fees held here.
(define-constant ERR-FEES (err u212))
;; The fee could not be paid.
(define-constant ERR-PAYMENT (err u213))
;; A producer cannot certify itself.
(define-constant ERR-SELF (err u214))

;; Watts a certifier of level 1 may certify: a large house roof.
(define-constant SMALL u10000)
;; Production of more than 110 % of the capacity is a broken meter (capacity x 1.1).
(define-constant PLAUSIBLE u11)
;; A terawatt, and more micro-STX than there will be.
(define-constant MOST-WATTS u1000000000000)
(define-constant MOST-FEE u1000000000000000)

(define-constant APPLIED u1)
(define-constant CERTIFIED u2)
(define-constant REVOKED u3)

(define-data-var fee uint u1000000)
(define-data-var minimum uint u100)
(define-data-var maximum uint u10000000)
(define-data-var fees-held uint u0)
(define-data-var trail-size uint u0)
(define-map certifiers principal uint)
(define-map producers principal {state: uint, capacity: uint, source: (string-ascii 32), certifier: (optional principal), produced: uint, through: uint, at: uint})
(define-map trail uint {producer: principal, by: principal, action: (string-ascii 16), reason: (string-ascii 64), at: uint})

(define-private (is-admin) (is-eq contract-caller (contract-call? .roles get-admin)))

;; Note a deed in the audit log. An entry that cannot be added, for the log is paused,
;; stops nobody: the event below tells it as well.
(define-private (note-deed (action (string-ascii 32)) (subject (buff 32)) (amount uint))
  (is-ok (contract-call? .audit-log append-entry contract-caller action subject amount)))

(define-private (note (producer principal) (action (string-ascii 16)) (reason (string-ascii 64)))
  (let ((index (var-get trail-size)))
    (map-set trail index {producer: producer, by: contract-caller, action: action, reason: reason, at: stacks-block-time})
    (var-set trail-size (+ index u1))))

;; Apply with `capacity` W of `source`; the fee (micro-STX) is paid now. By a verified
;; producer without an open application. Errors: u201 to u204, u211, u213.
(define-public (apply-for-certification (capacity uint) (source (string-ascii 32)))
  (let ((producer contract-caller) (price (var-get fee)) (known (map-get? producers contract-caller)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (contract-call? .user-registry is-producer producer) ERR-PRODUCER)
    (asserts! (and (>= capacity (var-get minimum)) (<= capacity (var-get maximum))) ERR-CAPACITY)
    (asserts! (> (len source) u0) ERR-TEXT)
    (asserts! (is-eq REVOKED (default-to REVOKED (get state known))) ERR-APPLIED)
    (map-set producers producer {state: APPLIED, capacity: capacity, source: source, certifier: none,
      produced: (default-to u0 (get produced known)), through: (default-to u0 (get through known)), at: stacks-block-time})
    (var-set fees-held (+ (var-get fees-held) price))
    (note producer "applied" source)
    (print {topic: "certification-applied", producer: producer, capacity: capacity, source: source, fee: price})
    (asserts! (or (is-eq price u0) (is-ok (stx-transfer? price producer current-contract))) ERR-PAYMENT)
    (ok true)))

;; Certify `producer`'s application. By a certifier: level 1 up to 10 kW, 2 and 3 any; not
;; by itself. Errors: u201, u205, u206, u208, u214.
(define-public (certify-producer (producer principal))
  (let (
    (level (unwrap! (map-get? certifiers contract-caller) ERR-NO-LEVEL))
    (known (unwrap! (map-get? producers producer) ERR-NO-APPLICATION)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state known) APPLIED) ERR-NO-APPLICATION)
    (asserts! (not (is-eq producer contract-caller)) ERR-SELF)
    (asserts! (or (>= level u2) (<= (get capacity known) SMALL)) ERR-LEVEL)
    (map-set producers producer (merge known {state: CERTIFIED, certifier: (some contract-caller), at: stacks-block-time}))
    (note producer "certified" "")
    (note-deed "producer-certified" (sha256 (default-to 0x (to-consensus-buff? producer))) (get capacity known))
    (print {topic: "producer-certified", producer: producer, capacity: (get capacity known), by: contract-caller})
    (ok true)))

;; Take a certification back, or refuse an application, for a stated reason. By a certifier
;; of level 3, also while paused. Errors: u206 to u208, u211.
(define-public (revoke-certification (producer principal) (reason (string-ascii 64)))
  (let (
    (level (unwrap! (map-get? certifiers contract-caller) ERR-NO-LEVEL))
    (known (unwrap! (map-get? producers producer) ERR-UNCERTIFIED)))
    (asserts! (is-eq level u3) ERR-LEVEL)
    (asserts! (not (is-eq (get state known) REVOKED)) ERR-UNCERTIFIED)
    (asserts! (> (len reason) u0) ERR-TEXT)
    (map-set producers producer (merge known {state: REVOKED, at: stacks-block-time}))
    (note producer "revoked" reason)
    (note-deed "certification-revoked" (sha256 (default-to 0x (to-consensus-buff? producer))) (get capacity known))
    (print {topic: "certification-revoked", producer: producer, by: contract-caller, reason: reason})
    (ok true)))

;; Record that `producer` made `energy` Wh from `from` to `to` (Unix seconds), after what
;; was recorded before. By the oracle. Errors: u200, u201, u207, u209.
(define-public (record-production (producer principal) (energy uint) (from uint) (to uint))
  (let ((known (unwrap! (map-get? producers producer) ERR-UNCERTIFIED)))
    (asserts! (contract-call? .energy-oracle is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state known) CERTIFIED) ERR-UNCERTIFIED)
    (asserts! (and (< from to) (<= to stacks-block-time) (>= from (get through known))) ERR-PRODUCTION)
    (asserts! (<= energy (/ (* (get capacity known) (- to from) PLAUSIBLE) u36000)) ERR-PRODUCTION)
    (map-set producers producer (merge known {produced: (+ (get produced known) energy), through: to}))
    (print {topic: "production-recorded", producer: producer, energy: energy, from: from, to: to})
    (ok true)))

;; Let `who` certify at `level` 1 to 3. By the admin of roles. Errors: u200, u208.
(define-public (authorise-certifier (who principal) (level uint))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (and (>= level u1) (<= level u3)) ERR-NO-LEVEL)
    (map-set certifiers who level)
    (print {topic: "certifier-authorised", who: who, level: level})
    (ok true)))

;; Let `who` certify no more; what it certified stands. By the admin of roles.
;; Errors: u200, u208.
(define-public (deauthorise-certifier (who principal))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (map-delete certifiers who) ERR-NO-LEVEL)
    (print {topic: "certifier-deauthorised", who: who})
    (ok true)))

;; Set the application fee in micro-STX. By the admin of roles. Errors: u200, u210.
(define-public (set-certification-fee (amount uint))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (<= amount MOST-FEE) ERR-BOUNDS)
    (var-set fee amount)
    (print {topic: "certification-fee", amount: amount})
    (ok true)))

;; Set the smallest capacity in W that may be certified. By the admin of roles.
;; Errors: u200, u210.
(define-public (set-minimum-production (watts uint))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (and (> watts u0) (<= watts (var-get maximum))) ERR-BOUNDS)
    (var-set minimum watts)
    (print {topic: "minimum-production", watts: watts})
    (ok true)))

;; Set the largest capacity in W that may be certified. By the admin of roles.
;; Errors: u200, u210.
(define-public (set-maximum-production (watts uint))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (and (>= watts (var-get minimum)) (<= watts MOST-WATTS)) ERR-BOUNDS)
    (var-set maximum watts)
    (print {topic: "maximum-production", watts: watts})
    (ok true)))

;; Pay out `amount` micro-STX of fees to `to`. By the admin of roles.
;; Errors: u200, u212, u213.
(define-public (withdraw-fees (amount uint) (to principal))
  (begin
    (asserts! (is-admin) ERR-FORBIDDEN)
    (asserts! (and (> amount u0) (<= amount (var-get fees-held))) ERR-FEES)
    (var-set fees-held (- (var-get fees-held) amount))
    (print {topic: "fees-withdrawn", amount: amount, to: to})
    (unwrap! (as-contract? ((with-stx amount)) (unwrap! (stx-transfer? amount current-contract to) ERR-PAYMENT)) ERR-PAYMENT)
    (ok true)))

(define-read-only (is-certified (who principal))
  (is-eq CERTIFIED (default-to u0 (get state (map-get? producers who)))))
(define-read-only (get-producer (who principal)) (map-get? producers who))
(define-read-only (get-certifier-level (who principal)) (map-get? certifiers who))
(define-read-only (get-trail-entry (index uint)) (map-get? trail index))
(define-read-only (get-trail-size) (var-get trail-size))
(define-read-only (get-certification-fee) (var-get fee))
(define-read-only (get-minimum-production) (var-get minimum))
(define-read-only (get-maximum-production) (var-get maximum))
(define-read-only (get-fees-held) (var-get fees-held))
