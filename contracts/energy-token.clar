;; Energy that was produced, as a SIP-010 token: 1 token = 1 kWh, 1 unit = 1 Wh.
;;
;; Units come from metered production only, said by the oracle: one by one, each slot of
;; a register once and for ever, or by claims against an epoch's Merkle root. A register
;; uses one of the two ways. What was minted too much is reversed: taken from the
;; producer if still held, else owed and repaid by the next mints; buyers keep theirs.

(define-fungible-token energy)

;; The caller is neither the holder nor the oracle, as the function asks.
(define-constant ERR-FORBIDDEN (err u300))
;; The contract is paused.
(define-constant ERR-PAUSED (err u301))
;; The amount is zero, 2^64 Wh and more, or more than what it is taken from.
(define-constant ERR-AMOUNT (err u302))
;; The holder has less than the amount.
(define-constant ERR-BALANCE (err u303))
;; Sender and recipient are the same.
(define-constant ERR-SELF (err u304))
;; This issuance was minted before, or a revision before it was not.
(define-constant ERR-MINTED (err u305))
;; The slot lies before what this register minted through, has not ended, or ends before
;; it starts.
(define-constant ERR-WATERMARK (err u306))
;; The register mints the other way: direct or by epoch.
(define-constant ERR-PATH (err u307))
;; The owner is not a certified producer.
(define-constant ERR-UNCERTIFIED (err u308))
;; There is no such issuance, epoch or network.
(define-constant ERR-UNKNOWN (err u309))
;; The claim is not in the epoch's root, or the epoch's energy is used up.
(define-constant ERR-PROOF (err u310))
;; The claim was paid before.
(define-constant ERR-CLAIMED (err u311))
;; The epoch was posted before, or is not the next.
(define-constant ERR-EPOCH (err u312))
;; The network's id is not set in the registry.
(define-constant ERR-NETWORK (err u313))
;; A meter of the owner got a new key without the old one, not yet 72 hours ago.
(define-constant ERR-DELAY (err u314))
;; The beneficiary has not 32 bytes, or the address of the description is empty.
(define-constant ERR-TEXT (err u315))

(define-constant DIRECT u1)
(define-constant BY-EPOCH u2)
;; "meterseal-mint", as the aggregator's mint ids begin.
(define-constant MINT-LABEL 0x6d657465727365616c2d6d696e74)
(define-constant LIMIT-64 u18446744073709551616)

(define-data-var token-uri (optional (string-utf8 256)) none)
(define-data-var last-epoch uint u0)
(define-data-var minted uint u0)
(define-data-var burned uint u0)
(define-map issued {id: (buff 32), revision: uint} {owner: principal, amount: uint, reversed: uint})
(define-map registers {meter-point: uint, register: uint} {path: uint, through: uint})
(define-map epochs uint {root: (buff 32), size: uint, energy: uint, claimed: uint})
(define-map claims {epoch: uint, index: uint} principal)
(define-map debts principal uint)
(define-map retired principal uint)

;; A holder's own units move for the holder, directly or through a contract that the
;; holder's transaction called; a contract moves what it holds itself.
(define-private (moves-own (holder principal))
  (or (is-eq holder contract-caller) (is-eq holder tx-sender)))

;; Move `amount` Wh from `sender` to `recipient`. By the sender (SIP-010).
;; Errors: u300 to u304.
(define-public (transfer (amount uint) (sender principal) (recipient principal) (memo (optional (buff 34))))
  (begin
    (asserts! (moves-own sender) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (not (is-eq sender recipient)) ERR-SELF)
    (asserts! (>= (ft-get-balance energy sender) amount) ERR-BALANCE)
    (try! (ft-transfer? energy amount sender recipient))
    (match memo text (print text) 0x)
    (print {topic: "energy-moved", amount: amount, sender: sender, recipient: recipient})
    (ok true)))

;; A meter whose key was replaced without the old one may hold anything; three days are
;; for others to see it, in which its owner gets nothing new.
(define-private (may-mint (owner principal))
  (>= stacks-block-time (contract-call? .user-registry get-mints-from owner)))

;; Pay `amount` new Wh to `owner`, less what it owes, which is thereby repaid.
(define-private (issue (owner principal) (amount uint))
  (let (
    (owed (get-debt owner))
    (repaid (if (< owed amount) owed amount))
    (paid (- amount repaid)))
    (map-set debts owner (- owed repaid))
    (var-set minted (+ (var-get minted) paid))
    (and (> paid u0) (try! (ft-mint? energy paid owner)))
    (ok paid)))

;; Mint `amount` Wh for slot `from` to `to` (Unix seconds) of a register at a meter point;
;; revision 0 first, each later one posting only what is more. Its id follows from the
;; place and the slot, so it is minted once for ever. By the oracle. Answers the Wh paid
;; out after debts. Errors: u300 to u302, u305 to u308, u313, u314.
(define-public (mint (owner principal) (meter-point uint) (register uint) (from uint) (to uint) (revision uint) (amount uint))
  (let (
    (id (unwrap! (mint-id meter-point register from) ERR-NETWORK))
    (place {meter-point: meter-point, register: register})
    (known (default-to {path: DIRECT, through: u0} (map-get? registers place))))
    (asserts! (contract-call? .energy-oracle is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> amount u0) (< amount LIMIT-64)) ERR-AMOUNT)
    (asserts! (and (< from to) (<= to stacks-block-time)) ERR-WATERMARK)
    (asserts! (contract-call? .producer-certification is-certified owner) ERR-UNCERTIFIED)
    (asserts! (may-mint owner) ERR-DELAY)
    (asserts! (is-eq (get path known) DIRECT) ERR-PATH)
    (asserts! (or (is-eq revision u0) (is-some (map-get? issued {id: id, revision: (- revision u1)}))) ERR-MINTED)
    (asserts! (map-insert issued {id: id, revision: revision} {owner: owner, amount: amount, reversed: u0}) ERR-MINTED)
    ;; A first telling lies after what was minted, a revision within it.
    (asserts! (if (is-eq revision u0) (>= from (get through known)) (<= to (get through known))) ERR-WATERMARK)
    (map-set registers place {path: DIRECT, through: (if (> to (get through known)) to (get through known))})
    (print {topic: "energy-minted", id: id, revision: revision, owner: owner, amount: amount, meter-point: meter-point, register: register, from: from, to: to})
    (issue owner amount)))

;; Take `amount` Wh of an issuance back: burned from its owner as far as held, else owed.
;; By the oracle. Answers the Wh burned. Errors: u300 to u302, u309.
(define-public (reverse (id (buff 32)) (revision uint) (amount uint))
  (let (
    (known (unwrap! (map-get? issued {id: id, revision: revision}) ERR-UNKNOWN))
    (owner (get owner known))
    (held (ft-get-balance energy owner))
    (taken (if (< held amount) held amount)))
    (asserts! (contract-call? .energy-oracle is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> amount u0) (<= amount (- (get amount known) (get reversed known)))) ERR-AMOUNT)
    (map-set issued {id: id, revision: revision} (merge known {reversed: (+ (get reversed known) amount)}))
    (map-set debts owner (+ (get-debt owner) (- amount taken)))
    (var-set burned (+ (var-get burned) taken))
    (and (> taken u0) (try! (ft-burn? energy taken owner)))
    (print {topic: "energy-reversed", id: id, revision: revision, owner: owner, amount: amount, burned: taken})
    (ok taken)))

;; Post epoch `epoch`: `size` claims of together `total` Wh under `root`. By the oracle,
;; in order from 1. Errors: u300 to u302, u312.
(define-public (post-epoch (epoch uint) (root (buff 32)) (size uint) (total uint))
  (begin
    (asserts! (contract-call? .energy-oracle is-oracle contract-caller) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (> size u0) (> total u0) (< total LIMIT-64)) ERR-AMOUNT)
    (asserts! (and (is-eq epoch (+ u1 (var-get last-epoch))) (is-eq (len root) u32)) ERR-EPOCH)
    (map-set epochs epoch {root: root, size: size, energy: total, claimed: u0})
    (var-set last-epoch epoch)
    (print {topic: "epoch-posted", epoch: epoch, root: root, size: size, total: total})
    (ok true)))

;; Pay claim `index` of an epoch to its owner, whoever calls. Answers the Wh paid out
;; after debts. By anybody. Errors: u301, u302, u306 to u311, u314.
(define-public (claim (epoch uint) (index uint) (owner principal) (meter-point uint) (register uint) (from uint) (to uint) (amount uint) (path (list 32 (buff 32))))
  (let (
    (posted (unwrap! (map-get? epochs epoch) ERR-UNKNOWN))
    (place {meter-point: meter-point, register: register})
    (known (default-to {path: BY-EPOCH, through: u0} (map-get? registers place))))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (contract-call? .seals is-included (claim-leaf epoch index owner meter-point register from to amount) index (get size posted) path (get root posted)) ERR-PROOF)
    (asserts! (map-insert claims {epoch: epoch, index: index} owner) ERR-CLAIMED)
    (asserts! (<= amount (- (get energy posted) (get claimed posted))) ERR-PROOF)
    (asserts! (is-eq (get path known) BY-EPOCH) ERR-PATH)
    (asserts! (and (< from to) (<= to stacks-block-time) (>= from (get through known))) ERR-WATERMARK)
    (asserts! (contract-call? .producer-certification is-certified owner) ERR-UNCERTIFIED)
    (asserts! (may-mint owner) ERR-DELAY)
    (map-set registers place {path: BY-EPOCH, through: to})
    (map-set epochs epoch (merge posted {claimed: (+ amount (get claimed posted))}))
    (print {topic: "energy-claimed", epoch: epoch, index: index, owner: owner, amount: amount, meter-point: meter-point, register: register, from: from, to: to})
    (issue owner amount)))

;; Destroy `amount` of the caller's Wh for good: consumed by `beneficiary` (a hash) in the
;; interval `from` to `to` (Unix seconds). By the holder.
;; Errors: u301 to u303, u306, u315.
(define-public (retire (amount uint) (beneficiary (buff 32)) (from uint) (to uint))
  (let ((holder contract-caller))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (> amount u0) ERR-AMOUNT)
    (asserts! (is-eq (len beneficiary) u32) ERR-TEXT)
    (asserts! (and (< from to) (<= to stacks-block-time)) ERR-WATERMARK)
    (asserts! (>= (ft-get-balance energy holder) amount) ERR-BALANCE)
    (map-set retired holder (+ amount (get-retired holder)))
    (var-set burned (+ (var-get burned) amount))
    (try! (ft-burn? energy amount holder))
    (print {topic: "energy-retired", holder: holder, amount: amount, beneficiary: beneficiary, from: from, to: to})
    (ok true)))

;; Say where the token is described. By the role "operator". Errors: u300, u315.
(define-public (set-token-uri (uri (string-utf8 256)))
  (begin
    (asserts! (contract-call? .roles has-role "operator" contract-caller) ERR-FORBIDDEN)
    (asserts! (> (len uri) u0) ERR-TEXT)
    (var-set token-uri (some uri))
    (print {topic: "energy-described", uri: uri})
    (ok true)))

;; The eight low bytes of a number, big-endian; none when it needs more.
(define-private (big (number uint))
  (if (< number LIMIT-64) (slice? (default-to 0x (to-consensus-buff? number)) u9 u17) none))

;; The id of a slot's credit, as the aggregator makes it: SHA-256("meterseal-mint" ||
;; network || meter point u64 || register u64 || slot start u64); none without a network.
(define-read-only (mint-id (meter-point uint) (register uint) (start uint))
  (some (sha256 (concat
    (concat MINT-LABEL (unwrap! (contract-call? .user-registry get-network) none))
    (concat (unwrap! (big meter-point) none) (concat (unwrap! (big register) none) (unwrap! (big start) none)))))))

;; The leaf of a claim: SHA-256 of 00 and the consensus bytes of its tuple, which names
;; this contract, so that a proof made for another deployment is none here.
(define-read-only (claim-leaf (epoch uint) (index uint) (owner principal) (meter-point uint) (register uint) (from uint) (to uint) (amount uint))
  (sha256 (concat 0x00 (default-to 0x (to-consensus-buff?
    {contract: current-contract, epoch: epoch, index: index, owner: owner, meter-point: meter-point, register: register, from: from, to: to, wh: amount})))))

(define-read-only (get-name) (ok "Meterseal Energy"))
(define-read-only (get-symbol) (ok "MWH"))
(define-read-only (get-decimals) (ok u3))
(define-read-only (get-balance (who principal)) (ok (ft-get-balance energy who)))
(define-read-only (get-total-supply) (ok (ft-get-supply energy)))
(define-read-only (get-token-uri) (ok (var-get token-uri)))
(define-read-only (get-debt (who principal)) (default-to u0 (map-get? debts who)))
(define-read-only (get-retired (who principal)) (default-to u0 (map-get? retired who)))
(define-read-only (get-issuance (id (buff 32)) (revision uint)) (map-get? issued {id: id, revision: revision}))
(define-read-only (get-register (meter-point uint) (register uint)) (map-get? registers {meter-point: meter-point, register: register}))
(define-read-only (get-epoch (epoch uint)) (map-get? epochs epoch))
(define-read-only (get-claim (epoch uint) (index uint)) (map-get? claims {epoch: epoch, index: index}))
;; Wh ever minted and ever burned; the supply is their difference.
(define-read-only (get-totals) {minted: (var-get minted), burned: (var-get burned)})
