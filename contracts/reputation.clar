;; How trades went, as a score from 0 to 10,000, and what a member stakes on it.
;;
;; The score follows from settled trades alone, each counted once; ratings in stars are
;; shown and change nothing. A stake lifts the selling limit by one tier, never the score,
;; and a court may take it, also while it waits to be paid out. This contract must never
;; pay out more than was staked.

;; The caller does not hold the role this function asks for.
(define-constant ERR-FORBIDDEN (err u700))
;; The contract is paused.
(define-constant ERR-PAUSED (err u701))
;; There is no such trade, or it is still open.
(define-constant ERR-TRADE (err u702))
;; This was counted already: the trade, the side's rating, the meter's document.
(define-constant ERR-COUNTED (err u703))
;; The caller is neither buyer nor seller of the trade.
(define-constant ERR-NOT-PARTY (err u704))
;; A rating has one to five stars.
(define-constant ERR-STARS (err u705))
;; The amount is zero, more than is staked, or more than there is.
(define-constant ERR-AMOUNT (err u706))
;; Nothing was asked to be unstaked, or the cool-down is not over.
(define-constant ERR-COOL-DOWN (err u707))
;; The money could not be moved.
(define-constant ERR-PAYMENT (err u708))
;; The meter is not the member's, or the reading differs too much to count.
(define-constant ERR-METER (err u709))

(define-constant WHOLE u10000)
;; In 1/10000, where no parameter says otherwise.
(define-constant START u3000)
(define-constant SUCCESS u500)
(define-constant FAILURE u1000)
(define-constant CANCEL u500)
(define-constant LATE-CANCEL u1000)
(define-constant METER-GOOD u1000)
(define-constant METER-FAIR u600)
;; Delivered 99 % is delivered: meters and losses differ by less.
(define-constant FULL u99)
;; Micro-STX that lift a limit by one tier, and seconds a stake waits: a week of trades.
(define-constant LIFTING-STAKE u100000000)
(define-constant COOL-DOWN u604800)
;; More micro-STX than there will be, so that stakes add up.
(define-constant LIMIT-64 u18446744073709551616)

(define-map scores principal uint)
(define-map counted uint bool)
(define-map ratings {trade: uint, by: principal} {stars: uint, comment: (buff 32), of: principal})
(define-map stars principal {count: uint, total: uint})
(define-map documents (buff 16) principal)
(define-map stakes principal {staked: uint, leaving: uint, leaves-at: uint})
(define-data-var total-staked uint u0)

(define-private (parameter (name (string-ascii 32)) (otherwise uint))
  (default-to otherwise (contract-call? .parameters get-parameter name)))

(define-private (raise (who principal) (points uint))
  (let ((score (+ points (get-score who))))
    (map-set scores who (if (> score WHOLE) WHOLE score))))

(define-private (lower (who principal) (points uint))
  (let ((score (get-score who)))
    (map-set scores who (if (> points score) u0 (- score points)))))

;; Count a closed trade into the scores, once. Settled: the seller gains on 99 % and more,
;; else loses by what is missing. Cancelled: who cancelled loses, a seller after the window
;; began twice. Expired: nobody, for nobody knows. By anybody. Answers the seller's score.
;; Errors: u701 to u703.
(define-public (record-trade (trade uint))
  (let (
    (known (unwrap! (contract-call? .trade-escrow get-trade trade) ERR-TRADE))
    (seller (get seller known))
    (quantity (get quantity known))
    (delivered (get delivered known)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> (get state known) u1) ERR-TRADE)
    (asserts! (map-insert counted trade true) ERR-COUNTED)
    (if (is-eq (get state known) u2)
      (if (>= (* u100 delivered) (* FULL quantity))
        (raise seller (parameter "trust-success-bonus" SUCCESS))
        (lower seller (/ (* (parameter "trust-failure-penalty" FAILURE) (- quantity delivered)) quantity)))
      (if (is-eq (get state known) u3)
        (if (is-eq (some seller) (get closed-by known))
          (lower seller (if (< (get closed-at known) (get from known)) (parameter "trust-cancel-penalty" CANCEL) LATE-CANCEL))
          (lower (get buyer known) (parameter "trust-cancel-penalty" CANCEL)))
        true))
    (print {topic: "trade-counted", trade: trade, seller: seller, score: (get-score seller), buyer: (get buyer known), buyer-score: (get-score (get buyer known))})
    (ok (get-score seller))))

;; Rate the other side of a settled trade with 1 to 5 stars; `comment` is the hash of a
;; salted text. By buyer or seller, once each. Errors: u701 to u705.
(define-public (rate (trade uint) (given uint) (comment (buff 32)))
  (let (
    (known (unwrap! (contract-call? .trade-escrow get-trade trade) ERR-TRADE))
    (by contract-caller)
    (of (if (is-eq by (get buyer known)) (get seller known) (get buyer known)))
    (so-far (get-stars of)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state known) u2) ERR-TRADE)
    (asserts! (or (is-eq by (get buyer known)) (is-eq by (get seller known))) ERR-NOT-PARTY)
    (asserts! (and (>= given u1) (<= given u5)) ERR-STARS)
    (asserts! (map-insert ratings {trade: trade, by: by} {stars: given, comment: comment, of: of}) ERR-COUNTED)
    (map-set stars of {count: (+ u1 (get count so-far)), total: (+ given (get total so-far))})
    (print {topic: "rated", trade: trade, by: by, of: of, stars: given, comment: comment})
    (ok true)))

;; Count a meter document whose number differs by `deviation` per cent from the meter: up
;; to 10 a larger bonus, up to 20 a smaller, once per meter. By the oracle.
;; Errors: u700, u701, u703, u709.
(define-public (record-meter-document (meter (buff 16)) (deviation uint))
  (let ((owner (get owner (unwrap! (contract-call? .user-registry get-meter meter) ERR-METER))))
    (asserts! (contract-call? .energy-oracle is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (<= deviation u20) ERR-METER)
    (asserts! (map-insert documents meter owner) ERR-COUNTED)
    (raise owner (if (<= deviation u10) METER-GOOD METER-FAIR))
    (print {topic: "meter-document-counted", meter: meter, owner: owner, score: (get-score owner)})
    (ok (get-score owner))))

;; Stake `amount` micro-STX more. By anybody, of its own. Errors: u701, u706, u708.
(define-public (stake (amount uint))
  (let ((who contract-caller) (known (get-stake contract-caller)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> amount u0) (< amount LIMIT-64)) ERR-AMOUNT)
    (map-set stakes who (merge known {staked: (+ amount (get staked known))}))
    (var-set total-staked (+ amount (var-get total-staked)))
    (print {topic: "staked", who: who, amount: amount})
    (unwrap! (stx-transfer? amount who current-contract) ERR-PAYMENT)
    (ok true)))

;; Ask for `amount` micro-STX back; it stops lifting at once, may be slashed until paid
;; out, and asking again starts the cool-down anew. By the staker. Errors: u706.
(define-public (request-unstake (amount uint))
  (let ((who contract-caller) (known (get-stake contract-caller)))
    (asserts! (and (> amount u0) (<= amount (get staked known))) ERR-AMOUNT)
    (map-set stakes who {staked: (- (get staked known) amount), leaving: (+ amount (get leaving known)),
      leaves-at: (+ stacks-block-time (parameter "stake-cool-down" COOL-DOWN))})
    (print {topic: "unstake-requested", who: who, amount: amount})
    (ok true)))

;; Take out what was asked for, after the cool-down. By the staker, also while paused.
;; Answers the micro-STX paid. Errors: u707.
(define-public (unstake)
  (let ((who contract-caller) (known (get-stake contract-caller)) (amount (get leaving known)))
    (asserts! (and (> amount u0) (>= stacks-block-time (get leaves-at known))) ERR-COOL-DOWN)
    (map-set stakes who (merge known {leaving: u0}))
    (var-set total-staked (- (var-get total-staked) amount))
    (print {topic: "unstaked", who: who, amount: amount})
    (try! (pay amount who))
    (ok amount)))

;; Take `amount` micro-STX of `who`'s stake for `to`, the leaving part last. By the role
;; "court". Errors: u700, u706, u708.
(define-public (slash (who principal) (amount uint) (to principal))
  (let (
    (known (get-stake who))
    (first (if (< amount (get staked known)) amount (get staked known))))
    (asserts! (contract-call? .roles has-role "court" contract-caller) ERR-FORBIDDEN)
    (asserts! (and (> amount u0) (<= amount (+ (get staked known) (get leaving known)))) ERR-AMOUNT)
    (map-set stakes who (merge known {staked: (- (get staked known) first), leaving: (- (get leaving known) (- amount first))}))
    (var-set total-staked (- (var-get total-staked) amount))
    (print {topic: "slashed", who: who, amount: amount, to: to})
    (try! (pay amount to))
    (ok true)))

(define-private (pay (amount uint) (to principal))
  (ok (unwrap! (as-contract? ((with-stx amount)) (unwrap! (stx-transfer? amount current-contract to) ERR-PAYMENT)) ERR-PAYMENT)))

;; The score in 1/10000; a newcomer has 3,000.
(define-read-only (get-score (who principal))
  (default-to (parameter "trust-default-score" START) (map-get? scores who)))
;; The tier by score, boundaries to the upper: 0 New, 1 Starter, 2 Bronze, 3 Silver,
;; 4 Gold, 5 Platinum.
(define-read-only (get-tier (who principal))
  (let ((score (get-score who)))
    (if (< score u3000) u0 (if (< score u5000) u1 (if (< score u7000) u2
      (if (< score u8500) u3 (if (< score u9500) u4 u5)))))))
;; Per cent of the declared production `who` may sell a month; a stake lifts one tier.
(define-read-only (get-limit-percent (who principal))
  (let (
    (lift (if (>= (get staked (get-stake who)) (parameter "lifting-stake" LIFTING-STAKE)) u1 u0))
    (tier (+ lift (get-tier who))))
    (default-to u100 (element-at? (list u10 u10 u40 u60 u80 u100) tier))))
(define-read-only (get-stake (who principal))
  (default-to {staked: u0, leaving: u0, leaves-at: u0} (map-get? stakes who)))
(define-read-only (get-total-staked) (var-get total-staked))
(define-read-only (get-stars (who principal)) (default-to {count: u0, total: u0} (map-get? stars who)))
(define-read-only (get-rating (trade uint) (by principal)) (map-get? ratings {trade: trade, by: by}))
(define-read-only (is-counted (trade uint)) (default-to false (map-get? counted trade)))
