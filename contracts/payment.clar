;; Paying bills: in STX or an allow-listed token, in parts if need be, straight to the
;; provider. Who pays in time earns utility tokens.
;;
;; Money never rests here: each payment goes from payer to provider in the same call, so
;; nothing can be lost or withheld. A payer's own money moves only when the payer calls.
;; This contract must never take more than a bill still asks for.

(define-trait sip-010 (
  (transfer (uint principal principal (optional (buff 34))) (response bool uint))
  (get-balance (principal) (response uint uint))))

;; The caller is not whom this function is for.
(define-constant ERR-FORBIDDEN (err u1400))
;; The contract is paused.
(define-constant ERR-PAUSED (err u1401))
;; There is no such bill.
(define-constant ERR-BILL (err u1402))
;; The bill is held by a dispute.
(define-constant ERR-HELD (err u1403))
;; The asset is not the bill's, or not on the allow-list.
(define-constant ERR-ASSET (err u1404))
;; The amount is zero or more than the bill still asks for.
(define-constant ERR-AMOUNT (err u1405))
;; The money could not be moved.
(define-constant ERR-PAYMENT (err u1406))
;; There is no quote for this bill and asset, it expired, or the bill changed since.
(define-constant ERR-QUOTE (err u1407))

;; Rewards in ten thousandths of the amount: 1 % unless "reward-rate" says else, 10 % and
;; 100 tokens at most, so that bills to oneself are no way to make votes.
(define-constant REWARD-RATE u100)
(define-constant MAX-RATE u1000)
(define-constant MAX-REWARD u100000000)
(define-constant WHOLE u10000)
(define-constant LIMIT-96 u79228162514264337593543950336)
;; Two years of monthly bills.
(define-constant NUMBERS (list u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 u11 u12 u13 u14 u15 u16 u17 u18 u19 u20 u21 u22 u23))

(define-map allowed principal bool)
(define-map paid uint uint)
(define-map rewarded uint uint)
(define-map quotes {bill: uint, asset: (optional principal)} {price: uint, covers: uint, expires: uint})

(define-private (asset-of (asset (optional <sip-010>)))
  (match asset token (some (contract-of token)) none))

;; Pay `amount` micro-units of a bill in its own asset (none: STX), all or part of what it
;; still asks for. By anybody, with the caller's own money. Answers what is left to pay.
;; Errors: u1401 to u1406.
(define-public (pay-bill (id uint) (amount uint) (asset (optional <sip-010>)))
  (let ((bill (try! (payable id))) (token (asset-of asset)))
    (asserts! (and (is-eq token (get asset bill)) (is-allowed token)) ERR-ASSET)
    (asserts! (and (> amount u0) (<= amount (get-outstanding id))) ERR-AMOUNT)
    (credit id amount)
    (print {topic: "bill-paid", bill: id, by: contract-caller, amount: amount, left: (get-outstanding id)})
    (try! (move asset amount contract-caller (get provider bill)))
    (reward id bill)
    (ok (get-outstanding id))))

;; Offer to take `price` of another asset for all that bill `id` still asks for, until
;; `expires` (Unix seconds). By the bill's provider. Errors: u1400 to u1405.
(define-public (quote-bill (id uint) (asset (optional principal)) (price uint) (expires uint))
  (let ((bill (try! (payable id))))
    (asserts! (is-eq contract-caller (get provider bill)) ERR-FORBIDDEN)
    (asserts! (and (not (is-eq asset (get asset bill))) (is-allowed asset)) ERR-ASSET)
    (asserts! (and (> price u0) (> (get-outstanding id) u0)) ERR-AMOUNT)
    (map-set quotes {bill: id, asset: asset} {price: price, covers: (get-outstanding id), expires: expires})
    (print {topic: "bill-quoted", bill: id, asset: asset, price: price, covers: (get-outstanding id), expires: expires})
    (ok true)))

;; Pay all that a bill still asks for at the quote for this asset, for `most` at most. By
;; anybody, with the caller's own money. Errors: u1401 to u1403, u1405 to u1407.
(define-public (pay-quoted (id uint) (most uint) (asset (optional <sip-010>)))
  (let (
    (bill (try! (payable id)))
    (token (asset-of asset))
    (quote (unwrap! (map-get? quotes {bill: id, asset: token}) ERR-QUOTE)))
    (asserts! (and (is-allowed token) (<= stacks-block-time (get expires quote)) (is-eq (get covers quote) (get-outstanding id))) ERR-QUOTE)
    (asserts! (<= (get price quote) most) ERR-AMOUNT)
    (map-delete quotes {bill: id, asset: token})
    (credit id (get covers quote))
    (print {topic: "bill-paid-at-quote", bill: id, by: contract-caller, amount: (get covers quote), asset: token, price: (get price quote)})
    (try! (move asset (get price quote) contract-caller (get provider bill)))
    (reward id bill)
    (ok true)))

;; Give back what was paid above a bill that a court lowered, to whose bill it is. By the
;; bill's provider, in the bill's asset; also while paused. Answers the amount.
;; Errors: u1400, u1402, u1404 to u1406.
(define-public (refund-excess (id uint) (asset (optional <sip-010>)))
  (let (
    (bill (unwrap! (contract-call? .billing get-bill id) ERR-BILL))
    (excess (get-excess id)))
    (asserts! (is-eq contract-caller (get provider bill)) ERR-FORBIDDEN)
    (asserts! (is-eq (asset-of asset) (get asset bill)) ERR-ASSET)
    (asserts! (> excess u0) ERR-AMOUNT)
    (map-set paid id (get amount bill))
    (print {topic: "bill-refunded", bill: id, amount: excess})
    (try! (move asset excess contract-caller (get payer bill)))
    (ok excess)))

;; Allow or forbid a SIP-010 token for payments. By the admin of roles. Errors: u1400.
(define-public (allow-asset (token principal) (is-on bool))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (map-set allowed token is-on)
    (print {topic: "asset-allowed", token: token, allowed: is-on})
    (ok true)))

(define-private (payable (id uint))
  (let ((bill (unwrap! (contract-call? .billing get-bill id) ERR-BILL)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (not (get held bill)) ERR-HELD)
    (ok bill)))

(define-private (credit (id uint) (amount uint))
  (map-set paid id (+ (get-paid id) amount)))

(define-private (move (asset (optional <sip-010>)) (amount uint) (from principal) (to principal))
  (match asset token
    (ok (unwrap! (contract-call? token transfer amount from to none) ERR-PAYMENT))
    (ok (unwrap! (stx-transfer? amount from to) ERR-PAYMENT))))

;; Reward whose bill is paid in full by its due time, once. A token that cannot be made
;; is no reason to refuse a payment.
(define-private (reward (id uint) (bill {
    tariff: (buff 32), provider: principal, payer: principal, meter: (buff 16), register: uint, from: uint, to: uint,
    days: uint, usage: uint, amount: uint, asset: (optional principal), issued-at: uint, due-at: uint, held: bool}))
  (let ((earned (reward-of (get amount bill))))
    (and (is-eq (get-outstanding id) u0)
         (<= stacks-block-time (get due-at bill))
         (> earned u0)
         (map-insert rewarded id earned)
         (match (contract-call? .utility-token mint earned (get payer bill))
           done (begin (print {topic: "payment-rewarded", bill: id, payer: (get payer bill), amount: earned}) done)
           code (map-delete rewarded id)))))

;; Millionths of the utility token earned by paying `amount` micro-units in time. More than
;; 2^96, which no bill asks for, earns what that does.
(define-read-only (reward-of (amount uint))
  (let (
    (asked (default-to REWARD-RATE (contract-call? .parameters get-parameter "reward-rate")))
    (earned (/ (* (if (< amount LIMIT-96) amount LIMIT-96) (if (< asked MAX-RATE) asked MAX-RATE)) WHOLE)))
    (if (< earned MAX-REWARD) earned MAX-REWARD)))

(define-read-only (is-allowed (token (optional principal)))
  (match token known (default-to false (map-get? allowed known)) true))
(define-read-only (get-paid (id uint)) (default-to u0 (map-get? paid id)))
(define-read-only (get-reward (id uint)) (default-to u0 (map-get? rewarded id)))
(define-read-only (get-quote (id uint) (asset (optional principal))) (map-get? quotes {bill: id, asset: asset}))

;; What a bill still asks for; 0 for a bill that is not there.
(define-read-only (get-outstanding (id uint))
  (let ((amount (default-to u0 (get amount (contract-call? .billing get-bill id)))) (done (get-paid id)))
    (if (> amount done) (- amount done) u0)))

;; What was paid above a bill that was lowered since.
(define-read-only (get-excess (id uint))
  (let ((amount (default-to u0 (get amount (contract-call? .billing get-bill id)))) (done (get-paid id)))
    (if (> done amount) (- done amount) u0)))

(define-private (add-arrears (offset uint) (acc {user: principal, from: uint, owed: uint, overdue: uint}))
  (match (contract-call? .billing get-user-bill-id (get user acc) (+ (get from acc) offset)) id
    (let ((left (get-outstanding id)) (bill (contract-call? .billing get-bill id)))
      (merge acc {
        owed: (+ (get owed acc) left),
        overdue: (if (and (> stacks-block-time (default-to stacks-block-time (get due-at bill))) (not (default-to false (get held bill))))
                   (+ (get overdue acc) left)
                   (get overdue acc))}))
    acc))

;; What `user` owes over 24 bills from number `from` on, and how much of it is overdue;
;; a held bill is not overdue. Bills of several assets are added by their micro-units.
(define-read-only (get-arrears (user principal) (from uint))
  (let ((found (fold add-arrears NUMBERS {user: user, from: (if (< from u4294967296) from u4294967296), owed: u0, overdue: u0})))
    {owed: (get owed found), overdue: (get overdue found)}))
