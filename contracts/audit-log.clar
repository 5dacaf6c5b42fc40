;; What was done, in order, by whom: entries that can be added and never changed.
;;
;; Each entry's hash covers the hash before it, so the newest hash stands for the whole
;; log. This contract must never offer a way to alter or remove an entry, and must
;; never be given personal data: `subject` is a hash.

;; The caller is not a contract or account with the "recorder" role.
(define-constant ERR-FORBIDDEN (err u1500))
;; Entries cannot be added while the log is paused.
(define-constant ERR-PAUSED (err u1501))
;; The action is empty, or the subject has not 32 bytes.
(define-constant ERR-ACTION (err u1502))

;; Ten entries a page keep a reader's answer small.
(define-constant PAGE (list u0 u1 u2 u3 u4 u5 u6 u7 u8 u9))
;; The `prev` of the first entry: SHA-256 of the text meterseal/audit/v1.
(define-constant GENESIS (sha256 0x6d657465727365616c2f61756469742f7631))

(define-data-var size uint u0)
(define-data-var head (buff 32) GENESIS)
(define-map entries uint {
  writer: principal, actor: principal, action: (string-ascii 32), subject: (buff 32),
  amount: uint, height: uint, at: uint, prev: (buff 32), hash: (buff 32)
})

;; Add an entry: `actor` did `action` to `subject` (a hash), `amount` in the action's unit.
;; By holders of the role "recorder". Answers the entry's index. Errors: u1500 to u1502.
(define-public (append-entry (actor principal) (action (string-ascii 32)) (subject (buff 32)) (amount uint))
  (let (
    (index (var-get size))
    (prev (var-get head))
    (entry {writer: contract-caller, actor: actor, action: action, subject: subject,
            amount: amount, height: stacks-block-height, at: stacks-block-time, prev: prev})
    (hash (entry-hash entry)))
    (asserts! (contract-call? .roles has-role "recorder" contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> (len action) u0) (is-eq (len subject) u32)) ERR-ACTION)
    (map-set entries index (merge entry {hash: hash}))
    (var-set size (+ index u1))
    (var-set head hash)
    (print {topic: "audit-entry", index: index, writer: contract-caller, actor: actor, action: action, subject: subject, amount: amount, hash: hash})
    (ok index)))

;; The hash of an entry: SHA-256 of its consensus bytes (SIP-005), `prev` among them.
(define-read-only (entry-hash (entry {
    writer: principal, actor: principal, action: (string-ascii 32), subject: (buff 32),
    amount: uint, height: uint, at: uint, prev: (buff 32)}))
  (sha256 (default-to 0x (to-consensus-buff? entry))))

(define-read-only (get-entry (index uint)) (map-get? entries index))
(define-read-only (get-size) (var-get size))
(define-read-only (get-head) (var-get head))

(define-private (entry-at (offset uint) (acc {from: uint, found: (list 10 (optional {
    writer: principal, actor: principal, action: (string-ascii 32), subject: (buff 32),
    amount: uint, height: uint, at: uint, prev: (buff 32), hash: (buff 32)}))}))
  (let ((entry (map-get? entries (+ (get from acc) offset))))
    (if (is-none entry)
      acc
      (merge acc {found: (default-to (get found acc) (as-max-len? (append (get found acc) entry) u10))}))))

;; Up to ten entries from index `from` on.
(define-read-only (get-entries (from uint))
  (get found (fold entry-at PAGE {from: (if (< from (var-get size)) from (var-get size)), found: (list)})))
