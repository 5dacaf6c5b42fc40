;; The members' token: earned by paying bills in time, locked to vote. SIP-010, 6 decimals.
;;
;; It is no claim on energy or money. New units come only from holders of the role
;; "rewarder" (the payment contract), up to a fixed supply. This contract must never move
;; a holder's units for anybody but the holder.

(define-fungible-token utility MAX-SUPPLY)

;; Ten million whole tokens: rewards of many years, and a bound on what a broken
;; rewarder could make.
(define-constant MAX-SUPPLY u10000000000000)

;; The caller is neither the holder whose units move nor a rewarder.
(define-constant ERR-FORBIDDEN (err u1450))
;; The token is paused.
(define-constant ERR-PAUSED (err u1451))
;; The amount is zero.
(define-constant ERR-AMOUNT (err u1452))
;; The sender has less than the amount.
(define-constant ERR-BALANCE (err u1453))
;; Sender and recipient are the same.
(define-constant ERR-SELF (err u1454))
;; The supply would exceed MAX-SUPPLY.
(define-constant ERR-SUPPLY (err u1455))
;; The address of the token's description is empty.
(define-constant ERR-URI (err u1456))

(define-data-var token-uri (optional (string-utf8 256)) none)

;; A holder's own assets move for the holder, directly or through a contract that the
;; holder's transaction called; a contract moves what it holds itself.
(define-private (moves-own (holder principal))
  (or (is-eq holder contract-caller) (is-eq holder tx-sender)))

;; Move `amount` millionths from `sender` to `recipient`. By the sender (SIP-010).
;; Errors: u1450 to u1454.
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin
    (asserts! (moves-own sender) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (not (is-eq sender recipient)) ERR-SELF)
    (asserts! (>= (ft-get-balance utility sender) amount) ERR-BALANCE)
    (try! (ft-transfer? utility amount sender recipient))
    (match memo text (print text) 0x)
    (print {topic: "utility-moved", amount: amount, sender: sender, recipient: recipient})
    (ok true)))

;; Make `amount` millionths for `recipient`. By holders of the role "rewarder".
;; Errors: u1450, u1451, u1452, u1455.
(define-public (mint (amount uint) (recipient principal))
  (begin
    (asserts! (contract-call? .roles has-role "rewarder" contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (<= amount (- MAX-SUPPLY (ft-get-supply utility))) ERR-SUPPLY)
    (try! (ft-mint? utility amount recipient))
    (print {topic: "utility-minted", amount: amount, recipient: recipient})
    (ok true)))

;; Destroy `amount` millionths of the caller's own. By any holder. Errors: u1452, u1453.
(define-public (burn (amount uint))
  (begin
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (>= (ft-get-balance utility contract-caller) amount) ERR-BALANCE)
    (try! (ft-burn? utility amount contract-caller))
    (print {topic: "utility-burned", amount: amount, holder: contract-caller})
    (ok true)))

;; Say where the token is described. By the role "operator". Errors: u1450, u1456.
(define-public (set-token-uri (uri (string-utf8 256)))
  (begin
    (asserts! (contract-call? .roles has-role "operator" contract-caller) ERR-FORBIDDEN)
    (asserts! (> (len uri) u0) ERR-URI)
    (var-set token-uri (some uri))
    (print {topic: "utility-described", uri: uri})
    (ok true)))

(define-read-only (get-name) (ok "Meterseal Utility"))
(define-read-only (get-symbol) (ok "MSU"))
(define-read-only (get-decimals) (ok u6))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance utility who)))
(define-read-only (get-total-supply) (ok (ft-get-supply utility)))
(define-read-only (get-token-uri) (ok (var-get token-uri)))
