;; A stablecoin for rehearsals: a SIP-010 token of six decimals, made by who published it.
;;
;; It stands for a real one on a devnet, where nobody would bring one, and keeps no
;; promise of its own. It must never be published where money is worth something.

(define-fungible-token usd)

(define-constant ISSUER tx-sender)
;; SIP-010: the sender is not who moves the tokens.
(define-constant ERR-SENDER (err u4))
;; The caller is not the issuer.
(define-constant ERR-ISSUER (err u5))

;; Move `amount` millionths. By the sender. Errors: u4, and u1 to u3 of ft-transfer?.
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin
    (asserts! (is-eq sender tx-sender) ERR-SENDER)
    (try! (ft-transfer? usd amount sender recipient))
    (match memo text (print text) 0x)
    (ok true)))

;; Make `amount` millionths for `recipient`. By the issuer. Errors: u5.
(define-public (mint (amount uint) (recipient principal))
  (begin
    (asserts! (is-eq contract-caller ISSUER) ERR-ISSUER)
    (ft-mint? usd amount recipient)))

(define-read-only (get-name) (ok "Rehearsal Dollar"))
(define-read-only (get-symbol) (ok "USD"))
(define-read-only (get-decimals) (ok u6))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance usd who)))
(define-read-only (get-total-supply) (ok (ft-get-supply usd)))
(define-read-only (get-token-uri) (ok none))
