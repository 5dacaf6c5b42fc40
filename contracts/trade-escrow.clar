;; The buyer's money between order and delivery, in STX or an allow-listed SIP-010 token.
;;
;; A trade pays the seller for what was delivered, pro rata, and gives the buyer the rest;
;; both sum to what was paid in. The oracle's confirmation decides delivery, a court's
;; decision corrects it, and the buyer may release in full earlier. While a court holds a
;; trade frozen nothing moves. This contract must never pay a trade twice.

(define-trait sip-010 (
  (transfer (uint principal principal (optional (buff 34))) (response bool uint))
  (get-balance (principal) (response uint uint))))

;; The caller is not the one this function is for.
(define-constant ERR-FORBIDDEN (err u600))
;; The contract is paused.
(define-constant ERR-PAUSED (err u601))
;; There is no such trade.
(define-constant ERR-UNKNOWN-TRADE (err u602))
;; The trade is settled, cancelled or expired.
(define-constant ERR-CLOSED (err u603))
;; The trade is frozen by a dispute.
(define-constant ERR-FROZEN (err u604))
;; The asset is not the offer's or not on the allow-list.
(define-constant ERR-ASSET (err u605))
;; The offer does not allow this trade: unknown, too much, begun, own, or unverified buyer.
(define-constant ERR-OFFER (err u606))
;; The amount is zero or more than the buyer agreed to.
(define-constant ERR-AMOUNT (err u607))
;; Delivery is not confirmed, not as stated, or may still be disputed.
(define-constant ERR-DELIVERY (err u608))
;; Too late to cancel.
(define-constant ERR-LATE (err u609))
;; Too early to expire, or a delivery was confirmed and the trade settles instead.
(define-constant ERR-EARLY (err u610))
;; The money could not be moved.
(define-constant ERR-PAYMENT (err u611))
;; The trade is not frozen.
(define-constant ERR-NOT-FROZEN (err u612))

(define-constant OPEN u1)
(define-constant SETTLED u2)
(define-constant CANCELLED u3)
(define-constant EXPIRED u4)

(define-constant WHOLE u10000)
;; A fee of more than a tenth is a slip, whatever was voted.
(define-constant MAX-FEE u1000)
;; Seconds, where the parameter is unset: a week for the oracle after the window, half an
;; hour for a buyer to think again, and no wait between confirmation and settlement.
(define-constant DEFAULT-EXPIRY u604800)
(define-constant DEFAULT-CANCEL u1800)
(define-constant DEFAULT-OBJECTION u0)

(define-data-var trade-count uint u0)
(define-data-var treasury principal tx-sender)
(define-map allowed principal bool)
(define-map held (optional principal) uint)
(define-map decisions uint uint)
(define-map trades uint {
  offer: uint, buyer: principal, seller: principal, asset: (optional principal), quantity: uint, amount: uint,
  fee-rate: uint, from: uint, to: uint, opened-at: uint, expires-at: uint, state: uint, frozen: bool,
  delivered: uint, closed-by: (optional principal), closed-at: uint
})

(define-private (asset-of (asset (optional <sip-010>)))
  (match asset token (some (contract-of token)) none))

(define-private (parameter (name (string-ascii 32)) (otherwise uint))
  (default-to otherwise (contract-call? .parameters get-parameter name)))

;; Put money on `quantity` Wh of an offer, at most `most` millionths of `asset` (none:
;; STX). By a verified user who is not the seller. Answers the trade's number.
;; Errors: u601, u605 to u607, u611.
(define-public (open-trade (offer uint) (quantity uint) (most uint) (asset (optional <sip-010>)))
  (let (
    (number (+ u1 (var-get trade-count)))
    (buyer contract-caller)
    (token (asset-of asset))
    (taken (unwrap! (contract-call? .marketplace take-offer offer quantity buyer) ERR-OFFER))
    (amount (/ (* quantity (get price-micro-per-kwh taken)) u1000))
    (rate (parameter "trade-fee" u0)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (is-eq token (get asset taken)) (is-allowed token)) ERR-ASSET)
    (asserts! (and (> amount u0) (<= amount most)) ERR-AMOUNT)
    (map-set trades number {
      offer: offer, buyer: buyer, seller: (get seller taken), asset: token, quantity: quantity, amount: amount,
      fee-rate: (if (< rate MAX-FEE) rate MAX-FEE), from: (get from taken), to: (get to taken),
      opened-at: stacks-block-time, expires-at: (+ (get to taken) (parameter "trade-expiry" DEFAULT-EXPIRY)),
      state: OPEN, frozen: false, delivered: u0, closed-by: none, closed-at: u0})
    (var-set trade-count number)
    (map-set held token (+ amount (get-held token)))
    (print {topic: "trade-opened", trade: number, offer: offer, buyer: buyer, seller: (get seller taken), asset: token, quantity: quantity, amount: amount})
    (match asset paid
      (unwrap! (contract-call? paid transfer amount buyer current-contract none) ERR-PAYMENT)
      (unwrap! (stx-transfer? amount buyer current-contract) ERR-PAYMENT))
    (ok number)))

;; Pay the seller for `delivered` Wh pro rata, the treasury its fee, the buyer the rest.
;; `delivered` is what the court decided or the oracle confirmed, then by anybody; or the
;; whole quantity, then by the buyer at any time. Answers the amount paid for.
;; Errors: u601 to u605, u608, u611.
(define-public (settle (number uint) (delivered uint) (asset (optional <sip-010>)))
  (let (
    (trade (try! (open-trade-with number asset)))
    (counted (if (< delivered (get quantity trade)) delivered (get quantity trade)))
    (due (/ (* (get amount trade) counted) (get quantity trade)))
    (fee (/ (* due (get fee-rate trade)) WHOLE)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (or (is-decided number delivered)
                  (and (is-eq contract-caller (get buyer trade)) (is-eq delivered (get quantity trade)) (is-none (map-get? decisions number)))) ERR-DELIVERY)
    (close number trade SETTLED counted)
    (print {topic: "trade-settled", trade: number, delivered: counted, paid: (- due fee), fee: fee, refunded: (- (get amount trade) due)})
    (try! (pay-all asset (get amount trade) (get seller trade) (- due fee) (get buyer trade) (- (get amount trade) due) fee))
    (ok due)))

;; Undo a trade: the buyer within half an hour of opening and before the window begins,
;; the seller while it is open and no delivery is confirmed. All money goes back, the
;; energy to the offer; the score rules of reputation apply. Also while paused.
;; Errors: u600, u602 to u605, u609, u611.
(define-public (cancel (number uint) (asset (optional <sip-010>)))
  (let ((trade (try! (open-trade-with number asset))))
    (asserts! (or (is-eq contract-caller (get buyer trade)) (is-eq contract-caller (get seller trade))) ERR-FORBIDDEN)
    (asserts! (and (is-none (contract-call? .energy-oracle get-delivery number)) (is-none (map-get? decisions number))) ERR-LATE)
    (asserts! (or (is-eq contract-caller (get seller trade))
                  (and (< stacks-block-time (get from trade))
                       (<= stacks-block-time (+ (get opened-at trade) (parameter "cancel-window" DEFAULT-CANCEL))))) ERR-LATE)
    (close number trade CANCELLED u0)
    (print {topic: "trade-cancelled", trade: number, by: contract-caller, refunded: (get amount trade)})
    (unwrap! (contract-call? .marketplace return-offer (get offer trade) (get quantity trade)) ERR-OFFER)
    (try! (pay-all asset (get amount trade) (get seller trade) u0 (get buyer trade) (get amount trade) u0))
    (ok true)))

;; Give the buyer the money back when nobody said what was delivered in time. By anybody,
;; also while paused. Errors: u602 to u605, u610, u611.
(define-public (expire (number uint) (asset (optional <sip-010>)))
  (let ((trade (try! (open-trade-with number asset))))
    (asserts! (and (> stacks-block-time (get expires-at trade))
                   (is-none (contract-call? .energy-oracle get-delivery number))
                   (is-none (map-get? decisions number))) ERR-EARLY)
    (close number trade EXPIRED u0)
    (print {topic: "trade-expired", trade: number, refunded: (get amount trade)})
    (try! (pay-all asset (get amount trade) (get seller trade) u0 (get buyer trade) (get amount trade) u0))
    (ok true)))

;; Let nothing move in a trade while it is disputed. By the role "court". Errors: u600, u602 to u604.
(define-public (freeze-trade (number uint))
  (let ((trade (unwrap! (map-get? trades number) ERR-UNKNOWN-TRADE)))
    (asserts! (is-court) ERR-FORBIDDEN)
    (asserts! (is-eq (get state trade) OPEN) ERR-CLOSED)
    (asserts! (not (get frozen trade)) ERR-FROZEN)
    (map-set trades number (merge trade {frozen: true}))
    (print {topic: "trade-frozen", trade: number})
    (ok true)))

;; Let a frozen trade go on as if never disputed. By the role "court". Errors: u600, u602, u612.
(define-public (thaw-trade (number uint))
  (let ((trade (unwrap! (map-get? trades number) ERR-UNKNOWN-TRADE)))
    (asserts! (is-court) ERR-FORBIDDEN)
    (asserts! (get frozen trade) ERR-NOT-FROZEN)
    (map-set trades number (merge trade {frozen: false}))
    (print {topic: "trade-thawed", trade: number})
    (ok true)))

;; Decide that a frozen trade delivered `delivered` Wh and let it be settled so; this goes
;; before what the oracle confirmed. By the role "court". Errors: u600, u602, u612.
(define-public (decide-trade (number uint) (delivered uint))
  (let ((trade (unwrap! (map-get? trades number) ERR-UNKNOWN-TRADE)))
    (asserts! (is-court) ERR-FORBIDDEN)
    (asserts! (get frozen trade) ERR-NOT-FROZEN)
    (map-set decisions number delivered)
    (map-set trades number (merge trade {frozen: false}))
    (print {topic: "trade-decided", trade: number, delivered: delivered})
    (ok true)))

;; Allow or forbid a SIP-010 token for new trades. By the admin of roles. Errors: u600.
(define-public (allow-asset (token principal) (is-on bool))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (map-set allowed token is-on)
    (print {topic: "asset-allowed", token: token, allowed: is-on})
    (ok true)))

;; Say who receives the fees, never this contract. By the admin of roles. Errors: u600, u611.
(define-public (set-treasury (who principal))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (asserts! (not (is-eq who current-contract)) ERR-PAYMENT)
    (var-set treasury who)
    (print {topic: "treasury-set", who: who})
    (ok true)))

(define-private (is-court) (contract-call? .roles has-role "court" contract-caller))

;; The open, unfrozen trade `number`, when `asset` is the one it is in.
(define-private (open-trade-with (number uint) (asset (optional <sip-010>)))
  (let ((trade (unwrap! (map-get? trades number) ERR-UNKNOWN-TRADE)))
    (asserts! (is-eq (get state trade) OPEN) ERR-CLOSED)
    (asserts! (not (get frozen trade)) ERR-FROZEN)
    (asserts! (is-eq (asset-of asset) (get asset trade)) ERR-ASSET)
    (ok trade)))

;; Tell whether `delivered` is what the court decided, else what the oracle confirmed long
;; enough ago for objections.
(define-private (is-decided (number uint) (delivered uint))
  (match (map-get? decisions number) decision
    (is-eq decision delivered)
    (match (contract-call? .energy-oracle get-delivery number) confirmed
      (and (is-eq (get delivered confirmed) delivered)
           (>= stacks-block-time (+ (get at confirmed) (parameter "objection-window" DEFAULT-OBJECTION))))
      false)))

(define-private (close (number uint) (trade {
    offer: uint, buyer: principal, seller: principal, asset: (optional principal), quantity: uint, amount: uint,
    fee-rate: uint, from: uint, to: uint, opened-at: uint, expires-at: uint, state: uint, frozen: bool,
    delivered: uint, closed-by: (optional principal), closed-at: uint}) (state uint) (delivered uint))
  (begin
    (map-set held (get asset trade) (- (get-held (get asset trade)) (get amount trade)))
    (map-set trades number (merge trade {state: state, delivered: delivered, closed-by: (some contract-caller), closed-at: stacks-block-time}))))

;; Pay out exactly `amount`, in up to three parts.
(define-private (pay-all (asset (optional <sip-010>)) (amount uint) (seller principal) (paid uint) (buyer principal) (refund uint) (fee uint))
  (match asset token
    (ok (unwrap! (as-contract? ((with-ft (contract-of token) "*" amount))
      (asserts! (or (is-eq paid u0) (is-ok (contract-call? token transfer paid current-contract seller none))) ERR-PAYMENT)
      (asserts! (or (is-eq refund u0) (is-ok (contract-call? token transfer refund current-contract buyer none))) ERR-PAYMENT)
      (asserts! (or (is-eq fee u0) (is-ok (contract-call? token transfer fee current-contract (var-get treasury) none))) ERR-PAYMENT)) ERR-PAYMENT))
    (ok (unwrap! (as-contract? ((with-stx amount))
      (asserts! (or (is-eq paid u0) (is-ok (stx-transfer? paid current-contract seller))) ERR-PAYMENT)
      (asserts! (or (is-eq refund u0) (is-ok (stx-transfer? refund current-contract buyer))) ERR-PAYMENT)
      (asserts! (or (is-eq fee u0) (is-ok (stx-transfer? fee current-contract (var-get treasury)))) ERR-PAYMENT)) ERR-PAYMENT))))

(define-read-only (is-allowed (token (optional principal)))
  (match token known (default-to false (map-get? allowed known)) true))
(define-read-only (get-trade (number uint)) (map-get? trades number))
(define-read-only (get-trade-count) (var-get trade-count))
(define-read-only (get-decision (number uint)) (map-get? decisions number))
;; What all open trades in `token` (none: STX) hold together.
(define-read-only (get-held (token (optional principal))) (default-to u0 (map-get? held token)))
(define-read-only (get-treasury) (var-get treasury))
