;; Offers of energy to come, and of energy already minted.
;;
;; An offer names price, quantity and window; trade-escrow takes from it when a trade is
;; opened and gives back what is not traded. The other half sells minted units at the
;; community's price, at once, for STX: the units wait here, the money passes through
;; except for the commission, from which refunds are paid. This contract must never let
;; the units it holds and the units for sale differ.

;; The caller does not hold the role this function asks for, or is not the seller.
(define-constant ERR-FORBIDDEN (err u500))
;; The contract is paused.
(define-constant ERR-PAUSED (err u501))
;; The seller is not a verified, certified producer.
(define-constant ERR-PRODUCER (err u502))
;; The price is zero, too high, or no multiple of the tick.
(define-constant ERR-PRICE (err u503))
;; The quantity is zero, more than is there, or more than anybody could mean.
(define-constant ERR-QUANTITY (err u504))
;; The window is empty, has begun, or ends beyond all calendars.
(define-constant ERR-WINDOW (err u505))
;; There is no such open offer.
(define-constant ERR-UNKNOWN-OFFER (err u506))
;; The buyer is the seller.
(define-constant ERR-SELF (err u507))
;; The caller is not a verified user.
(define-constant ERR-UNVERIFIED (err u508))
;; More would be for sale than the global reserve or the seller's allows.
(define-constant ERR-RESERVE (err u509))
;; A rate is more than it may be.
(define-constant ERR-RATE (err u510))
;; Energy or money could not be moved.
(define-constant ERR-PAYMENT (err u511))
;; More than the buyer bought here and has not had refunded.
(define-constant ERR-NOT-BOUGHT (err u512))
;; The commissions held are less than the amount.
(define-constant ERR-FUNDS (err u513))

;; Prices are multiples of 1,000 micro-units a kWh, so Wh x price / 1000 is exact.
(define-constant TICK u1000)
;; A thousand STX a kWh is a slip of the finger.
(define-constant MAX-PRICE u1000000000)
;; 2^40 Wh, more than any offer, so that Wh times price times Wh never overflows; 2^48 as
;; a time no Unix time reaches; 2^64 for what may be for sale together and for money.
(define-constant MAX-QUANTITY u1099511627776)
(define-constant MAX-TIME u281474976710656)
(define-constant LIMIT-64 u18446744073709551616)
;; Rates are in 1/10000; a commission of more than a fifth is no community's.
(define-constant WHOLE u10000)
(define-constant MAX-COMMISSION u2000)
(define-constant PAGE (list u0 u1 u2 u3 u4 u5 u6 u7 u8 u9))

(define-data-var offer-count uint u0)
(define-map offers uint {seller: principal, price-micro-per-kwh: uint, quantity: uint, from: uint, to: uint, asset: (optional principal), open: bool})

(define-data-var energy-price uint u100000)
(define-data-var commission uint u200)
(define-data-var refund-rate uint u9000)
(define-data-var reserve-limit uint u1000000000)
(define-data-var user-limit uint u10000000)
(define-data-var reserve uint u0)
(define-data-var funds uint u0)
(define-map for-sale principal uint)
(define-map bought principal uint)

(define-private (is-operator)
  (or (contract-call? .roles has-role "operator" contract-caller)
      (contract-call? .roles has-role "governor" contract-caller)))

(define-private (is-price (price uint))
  (and (> price u0) (<= price MAX-PRICE) (is-eq u0 (mod price TICK))))

(define-private (may-sell (who principal))
  (and (contract-call? .user-registry is-producer who)
       (contract-call? .producer-certification is-certified who)))

;; Offer `quantity` Wh in the window `from` to `to` (Unix seconds) at a price in millionths
;; of `asset` (none: STX) a kWh. By a verified, certified producer. Answers the offer's
;; number. Errors: u501 to u505.
(define-public (list-offer (price-micro-per-kwh uint) (quantity uint) (from uint) (to uint) (asset (optional principal)))
  (let ((number (var-get offer-count)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (may-sell contract-caller) ERR-PRODUCER)
    (asserts! (is-price price-micro-per-kwh) ERR-PRICE)
    (asserts! (and (> quantity u0) (<= quantity MAX-QUANTITY)) ERR-QUANTITY)
    (asserts! (and (> from stacks-block-time) (> to from) (< to MAX-TIME)) ERR-WINDOW)
    (map-set offers number {seller: contract-caller, price-micro-per-kwh: price-micro-per-kwh, quantity: quantity, from: from, to: to, asset: asset, open: true})
    (var-set offer-count (+ number u1))
    (print {topic: "offer-listed", offer: number, seller: contract-caller, price-micro-per-kwh: price-micro-per-kwh, quantity: quantity, from: from, to: to, asset: asset})
    (ok number)))

;; Change price and quantity of what is left; trades opened keep theirs. By the seller.
;; Errors: u500, u501, u503 to u506.
(define-public (update-offer (number uint) (price-micro-per-kwh uint) (quantity uint))
  (let ((offer (unwrap! (get-open-offer number) ERR-UNKNOWN-OFFER)))
    (asserts! (is-eq contract-caller (get seller offer)) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-price price-micro-per-kwh) ERR-PRICE)
    (asserts! (and (> quantity u0) (<= quantity MAX-QUANTITY)) ERR-QUANTITY)
    (asserts! (> (get from offer) stacks-block-time) ERR-WINDOW)
    (map-set offers number (merge offer {price-micro-per-kwh: price-micro-per-kwh, quantity: quantity}))
    (print {topic: "offer-updated", offer: number, price-micro-per-kwh: price-micro-per-kwh, quantity: quantity})
    (ok true)))

;; Withdraw an offer; trades opened stand. By the seller, also while paused.
;; Errors: u500, u506.
(define-public (cancel-offer (number uint))
  (let ((offer (unwrap! (get-open-offer number) ERR-UNKNOWN-OFFER)))
    (asserts! (is-eq contract-caller (get seller offer)) ERR-FORBIDDEN)
    (map-set offers number (merge offer {open: false}))
    (print {topic: "offer-cancelled", offer: number})
    (ok true)))

;; Take `quantity` Wh of an offer for a trade that `buyer` opens. By the role "escrow".
;; Answers the offer as it was. Errors: u500, u501, u504 to u508.
(define-public (take-offer (number uint) (quantity uint) (buyer principal))
  (let ((offer (unwrap! (get-open-offer number) ERR-UNKNOWN-OFFER)))
    (asserts! (contract-call? .roles has-role "escrow" contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> (get from offer) stacks-block-time) ERR-WINDOW)
    (asserts! (and (> quantity u0) (<= quantity (get quantity offer))) ERR-QUANTITY)
    (asserts! (not (is-eq buyer (get seller offer))) ERR-SELF)
    (asserts! (contract-call? .user-registry is-verified buyer) ERR-UNVERIFIED)
    (map-set offers number (merge offer {quantity: (- (get quantity offer) quantity)}))
    (print {topic: "offer-taken", offer: number, quantity: quantity, buyer: buyer})
    (ok offer)))

;; Give `quantity` Wh back to an offer whose trade was cancelled. By the role "escrow",
;; also while paused. Errors: u500, u504, u506.
(define-public (return-offer (number uint) (quantity uint))
  (let ((offer (unwrap! (map-get? offers number) ERR-UNKNOWN-OFFER)))
    (asserts! (contract-call? .roles has-role "escrow" contract-caller) ERR-FORBIDDEN)
    (asserts! (<= quantity MAX-QUANTITY) ERR-QUANTITY)
    (map-set offers number (merge offer {quantity: (+ quantity (get quantity offer))}))
    (print {topic: "offer-returned", offer: number, quantity: quantity})
    (ok true)))

;; Put `amount` of the caller's minted Wh up for sale; they wait in this contract. By a
;; verified, certified producer. Errors: u501, u502, u504, u509, u511.
(define-public (add-energy-for-sale (amount uint))
  (let ((seller contract-caller))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (may-sell seller) ERR-PRODUCER)
    (asserts! (and (> amount u0) (< amount LIMIT-64)) ERR-QUANTITY)
    (let ((total (+ amount (var-get reserve))) (own (+ amount (get-energy-for-sale seller))))
      (asserts! (and (<= total (var-get reserve-limit)) (<= own (var-get user-limit))) ERR-RESERVE)
      (map-set for-sale seller own)
      (var-set reserve total)
      (print {topic: "energy-for-sale", seller: seller, amount: amount, left: own})
      (unwrap! (contract-call? .energy-token transfer amount seller current-contract none) ERR-PAYMENT)
      (ok own))))

;; Take `amount` Wh of the caller's back from sale. By the seller, also while paused.
;; Errors: u504, u511.
(define-public (remove-energy-from-sale (amount uint))
  (let ((seller contract-caller) (own (get-energy-for-sale contract-caller)))
    (asserts! (and (> amount u0) (<= amount own)) ERR-QUANTITY)
    (map-set for-sale seller (- own amount))
    (var-set reserve (- (var-get reserve) amount))
    (print {topic: "energy-off-sale", seller: seller, amount: amount, left: (- own amount)})
    (try! (pay-energy amount seller))
    (ok (- own amount))))

;; Buy `amount` Wh of `seller` at the community's price, for at most `most` micro-STX; the
;; commission is added. By a verified user. Answers the micro-STX paid.
;; Errors: u501, u503, u504, u507, u508, u511.
(define-public (buy-energy-from-user (seller principal) (amount uint) (most uint))
  (let (
    (buyer contract-caller)
    (own (get-energy-for-sale seller))
    (price (get-cost amount))
    (fee (/ (* price (var-get commission)) WHOLE)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (not (is-eq buyer seller)) ERR-SELF)
    (asserts! (contract-call? .user-registry is-verified buyer) ERR-UNVERIFIED)
    (asserts! (and (> amount u0) (<= amount own)) ERR-QUANTITY)
    (asserts! (<= (+ price fee) most) ERR-PRICE)
    (map-set for-sale seller (- own amount))
    (map-set bought buyer (+ amount (get-energy-bought buyer)))
    (var-set reserve (- (var-get reserve) amount))
    (var-set funds (+ (var-get funds) fee (if (is-eq seller current-contract) price u0)))
    (print {topic: "energy-bought", seller: seller, buyer: buyer, amount: amount, price: price, commission: fee})
    (asserts! (or (is-eq price u0) (is-ok (stx-transfer? price buyer seller))) ERR-PAYMENT)
    (asserts! (or (is-eq fee u0) (is-ok (stx-transfer? fee buyer current-contract))) ERR-PAYMENT)
    (try! (pay-energy amount buyer))
    (ok (+ price fee))))

;; Give back `amount` Wh bought here and still held, for the refund rate's share of
;; today's price. The Wh are for sale again with this contract as seller, whose price
;; fills what refunds are paid from. By the buyer. Answers the micro-STX refunded.
;; Errors: u501, u504, u511 to u513.
(define-public (refund-energy (amount uint))
  (let (
    (buyer contract-caller)
    (own (get-energy-bought contract-caller))
    (back (/ (* (get-cost amount) (var-get refund-rate)) WHOLE)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-QUANTITY)
    (asserts! (<= amount own) ERR-NOT-BOUGHT)
    (asserts! (<= back (var-get funds)) ERR-FUNDS)
    (map-set bought buyer (- own amount))
    (var-set funds (- (var-get funds) back))
    (print {topic: "energy-refunded", buyer: buyer, amount: amount, refund: back})
    (map-set for-sale current-contract (+ amount (get-energy-for-sale current-contract)))
    (var-set reserve (+ amount (var-get reserve)))
    (unwrap! (contract-call? .energy-token transfer amount buyer current-contract none) ERR-PAYMENT)
    (try! (pay-stx back buyer))
    (ok back)))

;; Add `amount` micro-STX of the caller's to what refunds are paid from. By anybody.
;; Errors: u504, u511.
(define-public (fund-refunds (amount uint))
  (begin
    (asserts! (and (> amount u0) (< amount LIMIT-64)) ERR-QUANTITY)
    (var-set funds (+ (var-get funds) amount))
    (print {topic: "refunds-funded", by: contract-caller, amount: amount})
    (unwrap! (stx-transfer? amount contract-caller current-contract) ERR-PAYMENT)
    (ok true)))

;; Pay `amount` micro-STX of commissions to `to`. By the admin of roles.
;; Errors: u500, u504, u511, u513.
(define-public (withdraw-commission (amount uint) (to principal))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (asserts! (> amount u0) ERR-QUANTITY)
    (asserts! (<= amount (var-get funds)) ERR-FUNDS)
    (var-set funds (- (var-get funds) amount))
    (print {topic: "commission-withdrawn", amount: amount, to: to})
    (try! (pay-stx amount to))
    (ok true)))

(define-private (pay-energy (amount uint) (to principal))
  (ok (unwrap! (as-contract? ((with-ft .energy-token "energy" amount))
    (unwrap! (contract-call? .energy-token transfer amount current-contract to none) ERR-PAYMENT)) ERR-PAYMENT)))

(define-private (pay-stx (amount uint) (to principal))
  (if (is-eq amount u0)
    (ok true)
    (ok (unwrap! (as-contract? ((with-stx amount)) (unwrap! (stx-transfer? amount current-contract to) ERR-PAYMENT)) ERR-PAYMENT))))

;; Set the community's price in micro-STX a kWh. By the role "operator" or governance.
;; Errors: u500, u503.
(define-public (set-energy-price (price uint))
  (begin
    (asserts! (is-operator) ERR-FORBIDDEN)
    (asserts! (is-price price) ERR-PRICE)
    (var-set energy-price price)
    (print {topic: "energy-price", price: price})
    (ok true)))

;; Set the commission in 1/10000 of the price. By the role "operator" or governance.
;; Errors: u500, u510.
(define-public (set-commission-rate (rate uint))
  (begin
    (asserts! (is-operator) ERR-FORBIDDEN)
    (asserts! (<= rate MAX-COMMISSION) ERR-RATE)
    (var-set commission rate)
    (print {topic: "commission-rate", rate: rate})
    (ok true)))

;; Set the share of the price refunded, in 1/10000. By the role "operator" or governance.
;; Errors: u500, u510.
(define-public (set-refund-rate (rate uint))
  (begin
    (asserts! (is-operator) ERR-FORBIDDEN)
    (asserts! (<= rate WHOLE) ERR-RATE)
    (var-set refund-rate rate)
    (print {topic: "refund-rate", rate: rate})
    (ok true)))

;; Set how many Wh may be for sale together, below 2^64 and not less than now are. By the role
;; "operator" or governance. Errors: u500, u509.
(define-public (set-reserve-limit (limit uint))
  (begin
    (asserts! (is-operator) ERR-FORBIDDEN)
    (asserts! (and (>= limit (var-get reserve)) (< limit LIMIT-64)) ERR-RESERVE)
    (var-set reserve-limit limit)
    (print {topic: "reserve-limit", limit: limit})
    (ok true)))

;; Set how many Wh one seller may have for sale, below 2^64. By the role "operator" or governance.
;; Errors: u500, u504.
(define-public (set-user-limit (limit uint))
  (begin
    (asserts! (is-operator) ERR-FORBIDDEN)
    (asserts! (and (> limit u0) (< limit LIMIT-64)) ERR-QUANTITY)
    (var-set user-limit limit)
    (print {topic: "user-limit", limit: limit})
    (ok true)))

(define-private (get-open-offer (number uint))
  (match (map-get? offers number) offer (if (get open offer) (some offer) none) none))

(define-private (offer-at (offset uint) (acc {from: uint, found: (list 10 (optional {seller: principal, price-micro-per-kwh: uint, quantity: uint, from: uint, to: uint, asset: (optional principal), open: bool}))}))
  (let ((offer (map-get? offers (+ (get from acc) offset))))
    (if (is-none offer)
      acc
      (merge acc {found: (default-to (get found acc) (as-max-len? (append (get found acc) offer) u10))}))))

(define-read-only (get-offer-details (number uint)) (map-get? offers number))
(define-read-only (get-offer-count) (var-get offer-count))
;; Up to ten offers from number `from` on, closed ones too.
(define-read-only (browse-offers (from uint))
  (get found (fold offer-at PAGE {from: (if (< from (var-get offer-count)) from (var-get offer-count)), found: (list)})))
;; What `amount` Wh cost at the community's price, in micro-STX, rounded up; of 2^64 Wh and
;; more, which nobody has, what 2^64 cost.
(define-read-only (get-cost (amount uint))
  (/ (+ (* (if (< amount LIMIT-64) amount LIMIT-64) (var-get energy-price)) u999) u1000))
(define-read-only (get-energy-price) (var-get energy-price))
(define-read-only (get-commission-rate) (var-get commission))
(define-read-only (get-refund-rate) (var-get refund-rate))
(define-read-only (get-reserve-limit) (var-get reserve-limit))
(define-read-only (get-user-limit) (var-get user-limit))
(define-read-only (get-reserve) (var-get reserve))
(define-read-only (get-funds) (var-get funds))
(define-read-only (get-energy-for-sale (who principal)) (default-to u0 (map-get? for-sale who)))
(define-read-only (get-energy-bought (who principal)) (default-to u0 (map-get? bought who)))
