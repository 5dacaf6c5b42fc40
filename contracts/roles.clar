;; Who may do what, asked by every other contract, and which of them are paused.
;;
;; A role is a name, held by accounts or contracts. One admin hands roles out and can
;; only hand its own place to somebody who accepts it, so the place is never empty.
;; Pausing belongs to the "guardian" role alone: neither admin nor governance can
;; stop trade by voting, and a guardian can do nothing but stop and resume.
;; This contract must never hold value.
;;
;; Roles in use: guardian, governor, registrar, oracle, operator, certifier, arbiter,
;; court, market, recorder, relayer. README.md says who holds which.

;; The caller does not hold the role this function asks for.
(define-constant ERR-FORBIDDEN (err u10))
;; The role is already as asked: granted twice, or revoked without being held.
(define-constant ERR-UNCHANGED (err u11))
;; Governance may not hand out or take this role.
(define-constant ERR-RESERVED (err u12))
;; The caller was not offered the place of admin.
(define-constant ERR-NOT-OFFERED (err u13))
;; The role has no name.
(define-constant ERR-NAME (err u14))

(define-data-var admin principal tx-sender)
(define-data-var next-admin (optional principal) none)
(define-map holders {role: (string-ascii 20), who: principal} bool)
(define-map stopped principal bool)

(define-private (may-assign (role (string-ascii 20)))
  (if (is-eq contract-caller (var-get admin))
    (ok true)
    (begin
      (asserts! (has-role "governor" contract-caller) ERR-FORBIDDEN)
      ;; Governance removing itself could never be undone by a vote, and a vote that
      ;; names guardians could stop those who would stop it.
      (asserts! (not (or (is-eq role "governor") (is-eq role "guardian"))) ERR-RESERVED)
      (ok true))))

;; Give `role` to `who`. By the admin, or by governance except for its own role and guardian.
;; Errors: u10 to u12, u14.
(define-public (grant (role (string-ascii 20)) (who principal))
  (begin
    (try! (may-assign role))
    (asserts! (> (len role) u0) ERR-NAME)
    (asserts! (map-insert holders {role: role, who: who} true) ERR-UNCHANGED)
    (print {topic: "role-granted", role: role, who: who})
    (ok true)))

;; Take `role` from `who`. By the same as grant. Errors: u10, u11, u12.
(define-public (revoke (role (string-ascii 20)) (who principal))
  (begin
    (try! (may-assign role))
    (asserts! (map-delete holders {role: role, who: who}) ERR-UNCHANGED)
    (print {topic: "role-revoked", role: role, who: who})
    (ok true)))

;; Offer the place of admin to `who`; nothing changes until accepted. By the admin. Errors: u10.
(define-public (offer-admin (who principal))
  (begin
    (asserts! (is-eq contract-caller (var-get admin)) ERR-FORBIDDEN)
    (var-set next-admin (some who))
    (print {topic: "admin-offered", who: who})
    (ok true)))

;; Take the place offered. By whom it was offered to. Errors: u13.
(define-public (accept-admin)
  (begin
    (asserts! (is-eq (some contract-caller) (var-get next-admin)) ERR-NOT-OFFERED)
    (var-set admin contract-caller)
    (var-set next-admin none)
    (print {topic: "admin-changed", who: contract-caller})
    (ok true)))

;; Stop `room`, a contract. By a guardian. Errors: u10, u11.
(define-public (pause (room principal))
  (begin
    (asserts! (has-role "guardian" contract-caller) ERR-FORBIDDEN)
    (asserts! (map-insert stopped room true) ERR-UNCHANGED)
    (print {topic: "paused", room: room})
    (ok true)))

;; Let `room` go on. By a guardian. Errors: u10, u11.
(define-public (resume (room principal))
  (begin
    (asserts! (has-role "guardian" contract-caller) ERR-FORBIDDEN)
    (asserts! (map-delete stopped room) ERR-UNCHANGED)
    (print {topic: "resumed", room: room})
    (ok true)))

;; Tell whether `who` holds `role`.
(define-read-only (has-role (role (string-ascii 20)) (who principal))
  (is-some (map-get? holders {role: role, who: who})))

;; Tell whether the calling contract is not paused.
(define-read-only (is-running)
  (is-none (map-get? stopped contract-caller)))

;; Tell whether `room` is paused.
(define-read-only (is-paused (room principal))
  (is-some (map-get? stopped room)))

(define-read-only (get-admin) (var-get admin))
