;; Numbers the other contracts read - fees, rates, delays - with the time they hold from.
;;
;; Only governance and operators write them, and never for the past, so nobody can
;; change the price of what was already agreed. An unset parameter is none: each reader
;; names its own safe default. This contract must never hold value.

;; The caller is neither governance nor an operator.
(define-constant ERR-FORBIDDEN (err u20))
;; The parameter would hold from a time that has passed.
(define-constant ERR-PAST (err u21))
;; The parameter has no name.
(define-constant ERR-NAME (err u22))
;; The value is more than any rate, price, amount or time.
(define-constant ERR-VALUE (err u23))

;; 2^48: three times all STX in millionths are less, and nine million years. Whoever reads
;; a parameter may add and multiply it without overflow.
(define-constant LIMIT u281474976710656)

(define-map values (string-ascii 32) {now: uint, next: uint, from: uint})

;; Let `name` be `value` from `from` (Unix seconds, now or later) on. A value set before
;; that and not yet in force is replaced. By governance (role "governor") or the role
;; "operator". Errors: u20 to u23.
(define-public (set-parameter (name (string-ascii 32)) (value uint) (from uint))
  (let ((before (default-to value (get-parameter name))))
    (asserts! (or (contract-call? .roles has-role "governor" contract-caller)
                  (contract-call? .roles has-role "operator" contract-caller)) ERR-FORBIDDEN)
    (asserts! (>= from stacks-block-time) ERR-PAST)
    (asserts! (> (len name) u0) ERR-NAME)
    (asserts! (< value LIMIT) ERR-VALUE)
    (map-set values name {now: before, next: value, from: from})
    (print {topic: "parameter-set", name: name, value: value, from: from, by: contract-caller})
    (ok true)))

;; The value in force now; none when never set.
(define-read-only (get-parameter (name (string-ascii 32)))
  (match (map-get? values name) known
    (some (if (>= stacks-block-time (get from known)) (get next known) (get now known)))
    none))

;; What was set last: the value before, the value after, and from when.
(define-read-only (get-change (name (string-ascii 32))) (map-get? values name))
