;; Disputes about trades and bills: decided by this contract where evidence can be
;; checked, else by arbiters, and on appeal by the members.
;;
;; For a trade the evidence is the seller's own sealed readings of the window; for a bill,
;; days of its period told again, each opened. Either is out of a root anchored before the
;; dispute, so nobody makes evidence afterwards, and stands only after a window in which a
;; higher revision or two contents of one seq can be shown. Checked evidence goes before
;; any vote. The loser's bond is the winner's. This contract must never pay out more than
;; the bonds of the dispute, and never decide twice.
;;
;; Errors u404 to u406 and u409 are energy-oracle's of headers, u1100 to u1106 privacy-proof's of
;; openings, u600 to u612 trade-escrow's and u1300 to u1312 billing's of what is disputed.

;; The caller is no party, no elector of this round, or not who lost.
(define-constant ERR-FORBIDDEN (err u800))
;; The contract is paused.
(define-constant ERR-PAUSED (err u801))
;; There is no such dispute, trade or bill.
(define-constant ERR-UNKNOWN (err u802))
;; The trade or bill was disputed before.
(define-constant ERR-DISPUTED (err u803))
;; The evidence hash has not 32 bytes, or the claim is not one a dispute can grant.
(define-constant ERR-CLAIM (err u804))
;; The dispute is not in the state this needs.
(define-constant ERR-STATE (err u805))
;; The caller voted in this round.
(define-constant ERR-VOTED (err u806))
;; The window for this is over: the bill's time to pay, the vote, or the appeal.
(define-constant ERR-LATE (err u807))
;; The vote or the appeal window is not over.
(define-constant ERR-EARLY (err u808))
;; The evidence is of another meter, register or time, or anchored too late.
(define-constant ERR-EVIDENCE (err u809))
;; The evidence is no better than what was shown before.
(define-constant ERR-WEAKER (err u810))
;; The bond could not be moved, is below what it has to be, or above all there is.
(define-constant ERR-BOND (err u811))

(define-constant TRADE u1)
(define-constant BILL u2)
(define-constant OPEN u1)
(define-constant DECIDED u2)
(define-constant FINAL u3)
(define-constant ARBITERS u1)
(define-constant MEMBERS u2)
;; 1-0:2.8.0*255, energy given to the grid.
(define-constant EXPORT u1099545706751)
;; One STX, three days to vote and three to appeal, two arbiters and three members at
;; least, unless parameters say else.
(define-constant BOND u1000000)
(define-constant VOTING u259200)
(define-constant APPEAL u259200)
(define-constant ARBITER-QUORUM u2)
(define-constant MEMBER-QUORUM u3)
;; More micro-STX than there will be, so that bonds add up.
(define-constant LIMIT-64 u18446744073709551616)
;; Records are of a day at most and days of 100 records; no meter counts 2^48 in a day.
(define-constant LONGEST-STEP u90000)
(define-constant MAX-COUNT u100)
(define-constant MAX-USAGE u281474976710656)

(define-data-var dispute-count uint u0)
(define-map by-subject {kind: uint, subject: uint} uint)
(define-map disputes uint {
  kind: uint, subject: uint, claimant: principal, respondent: principal, asked: uint, evidence: (buff 32), opened-at: uint,
  state: uint, round: uint, round-at: uint, bonds: uint, checked: bool, grants: bool, value: uint, usage: uint, decided-at: uint})
(define-map tallies {dispute: uint, round: uint} {for: uint, against: uint})
(define-map votes {dispute: uint, round: uint, voter: principal} bool)
;; The seal that checked evidence of a time rests on.
(define-map shown {dispute: uint, first: uint} {meter: (buff 16), register: uint, seq: uint, value: uint, revision: uint})
(define-map last-shown uint uint)

(define-private (parameter (name (string-ascii 32)) (otherwise uint))
  (default-to otherwise (contract-call? .parameters get-parameter name)))

;; Dispute a trade (kind 1; `asked` Wh were delivered) by its buyer or seller while it is
;; open, or a bill (kind 2; `asked` micro-units are right) by its payer before it is due.
;; `evidence` hashes what the claimant shows elsewhere; `bond` is in micro-STX. The trade
;; is frozen, the bill held. Answers the dispute's number.
;; Errors: u800 to u804, u807, u811, and u603, u604 or u1312 of what is disputed.
(define-public (open-dispute (kind uint) (subject uint) (asked uint) (evidence (buff 32)) (bond uint))
  (let (
    (number (+ u1 (var-get dispute-count)))
    (parties (try! (parties-of kind subject asked contract-caller))))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (len evidence) u32) ERR-CLAIM)
    (asserts! (and (>= bond (parameter "dispute-bond" BOND)) (< bond LIMIT-64)) ERR-BOND)
    (asserts! (map-insert by-subject {kind: kind, subject: subject} number) ERR-DISPUTED)
    (map-set disputes number {
      kind: kind, subject: subject, claimant: contract-caller, respondent: (get respondent parties), asked: asked,
      evidence: evidence, opened-at: stacks-block-time, state: OPEN, round: ARBITERS, round-at: stacks-block-time,
      bonds: bond, checked: false, grants: false, value: u0, usage: (get usage parties), decided-at: u0})
    (var-set dispute-count number)
    (print {topic: "dispute-opened", dispute: number, kind: kind, subject: subject, claimant: contract-caller, asked: asked, evidence: evidence, bond: bond})
    (unwrap! (stx-transfer? bond contract-caller current-contract) ERR-BOND)
    (if (is-eq kind TRADE)
      (try! (contract-call? .trade-escrow freeze-trade subject))
      (try! (contract-call? .billing hold-bill subject true)))
    (ok number)))

;; Whom a claim is against; u804 where it claims what nobody can grant.
(define-private (parties-of (kind uint) (subject uint) (asked uint) (claimant principal))
  (if (is-eq kind TRADE)
    (let ((trade (unwrap! (contract-call? .trade-escrow get-trade subject) ERR-UNKNOWN)))
      (asserts! (or (is-eq claimant (get buyer trade)) (is-eq claimant (get seller trade))) ERR-FORBIDDEN)
      (asserts! (<= asked (get quantity trade)) ERR-CLAIM)
      (ok {respondent: (if (is-eq claimant (get buyer trade)) (get seller trade) (get buyer trade)), usage: u0}))
    (let ((bill (unwrap! (contract-call? .billing get-bill subject) ERR-UNKNOWN)))
      (asserts! (is-eq kind BILL) ERR-CLAIM)
      (asserts! (is-eq claimant (get payer bill)) ERR-FORBIDDEN)
      (asserts! (< asked (get amount bill)) ERR-CLAIM)
      (asserts! (<= stacks-block-time (get due-at bill)) ERR-LATE)
      (ok {respondent: (get provider bill), usage: (get usage bill)}))))

;; Decide a trade by the seller's sealed readings: 1 to 8 records of one open seal that
;; cover the trade's window exactly, with salts and paths, the seal being entry `index`
;; of the log under `root`. What was exported, up to the quantity, was delivered. Again,
;; only with higher revisions. By anybody. Answers the Wh delivered.
;; Errors: u404 to u406, u409, u801, u802, u805, u809, u810.
(define-public (decide-by-reading (number uint)
    (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)})
    (signature (buff 65))
    (readings (list 8 {record: {start: uint, delta: uint, value: uint, quality: uint, revision: uint}, salt: (buff 16), path: (list 32 (buff 32))}))
    (index uint) (path (list 32 (buff 32))) (root (buff 32)))
  (let (
    (dispute (try! (undecided number TRADE)))
    (trade (unwrap! (contract-call? .trade-escrow get-trade (get subject dispute)) ERR-UNKNOWN))
    (proved (try! (contract-call? .energy-oracle verify-anchored-header header signature index path root)))
    (read (try! (fold add-reading readings (ok {header: header, at: (get from trade), delta: u0, revision: u0}))))
    (before (map-get? shown {dispute: number, first: (get from trade)}))
    (delivered (if (< (get delta read) (get quantity trade)) (get delta read) (get quantity trade))))
    (asserts! (and (is-eq (get owner proved) (get seller trade)) (is-eq (get register header) EXPORT) (is-eq (get mode header) u0)
                   (is-eq (get at read) (get to trade))) ERR-EVIDENCE)
    (asserts! (and (< (get anchored-at proved) (get opened-at dispute)) (<= (get anchored-at proved) (get expires-at trade))) ERR-EVIDENCE)
    (asserts! (match before told (> (get revision read) (get revision told)) true) ERR-WEAKER)
    (map-set shown {dispute: number, first: (get from trade)} {
      meter: (get meter header), register: EXPORT, seq: (get seq header), value: (get delta read), revision: (get revision read)})
    (map-set last-shown number (get from trade))
    (decide number dispute true
      (if (is-eq (get claimant dispute) (get buyer trade)) (<= delivered (get asked dispute)) (>= delivered (get asked dispute)))
      delivered u0)
    (ok delivered)))

(define-private (add-reading
    (one {record: {start: uint, delta: uint, value: uint, quality: uint, revision: uint}, salt: (buff 16), path: (list 32 (buff 32))})
    (acc (response {header: {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)}, at: uint, delta: uint, revision: uint} uint)))
  (let ((read (try! acc)) (record (get record one)))
    (asserts! (and (is-eq (get start record) (get at read)) (<= (get step (get header read)) LONGEST-STEP)) ERR-EVIDENCE)
    (asserts! (contract-call? .energy-oracle holds-record (get header read) record (get salt one) (get path one)) ERR-EVIDENCE)
    (ok (merge read {at: (+ (get at read) (get step (get header read))), delta: (+ (get delta read) (get delta record)),
                     revision: (+ (get revision read) (get revision record))}))))

;; Correct a bill by a day of its period told again under a higher seq: `header` is entry
;; `index` of the log under `root`; the day's commitment in meter-data opens to `old` (not
;; looked at when the day was shown before) and the header's sum to `new`. The right
;; amount is the tariff of the corrected usage. By anybody who knows the openings. Answers
;; that amount. Errors: u404 to u406, u409, u801, u802, u805, u809, u810, u1100, u1101, u1106.
(define-public (decide-by-opening (number uint)
    (header {network: (buff 32), meter: (buff 16), register: uint, first: uint, step: uint, count: uint, seq: uint, prev: (buff 32), root: (buff 32), mode: uint, bits: uint, sum: (buff 33)})
    (signature (buff 65)) (index uint) (path (list 32 (buff 32))) (root (buff 32))
    (old {v: uint, z: (buff 32), a: (buff 33)}) (new {v: uint, z: (buff 32), a: (buff 33)}))
  (let (
    (dispute (try! (undecided number BILL)))
    (bill (unwrap! (contract-call? .billing get-bill (get subject dispute)) ERR-UNKNOWN))
    (first (get first header))
    (day (unwrap! (contract-call? .meter-data get-day (get meter header) (get register header) first) ERR-EVIDENCE))
    (before (map-get? shown {dispute: number, first: first}))
    (proved (try! (contract-call? .energy-oracle verify-anchored-header header signature index path root))))
    (asserts! (and (is-eq (get meter header) (get meter bill)) (is-eq (get register header) (get register bill))
                   (>= first (get from bill)) (< first (get to bill)) (is-eq (get mode header) u1)
                   (is-eq (get step header) (get step day)) (<= (get count header) MAX-COUNT) (< (get v new) MAX-USAGE) (is-eq (+ first (* (get step header) (get count header))) (get end day))) ERR-EVIDENCE)
    (asserts! (< (get anchored-at proved) (get opened-at dispute)) ERR-EVIDENCE)
    (asserts! (> (get seq header) (default-to (get seq day) (get seq before))) ERR-WEAKER)
    (and (is-none before) (try! (contract-call? .privacy-proof verify-proof (get sum day) (get v old) (get z old) (get a old))))
    (try! (contract-call? .privacy-proof verify-proof (get sum header) (get v new) (get z new) (get a new)))
    (let (
      (told (default-to (get v old) (get value before)))
      ;; The bill's usage is the sum of its days, so taking one of them off never fails.
      (usage (+ (- (get usage dispute) (if (< told (get usage dispute)) told (get usage dispute))) (get v new)))
      (amount (unwrap! (contract-call? .billing get-charge (get tariff bill) usage (get days bill)) ERR-EVIDENCE)))
      (map-set shown {dispute: number, first: first} {
        meter: (get meter header), register: (get register header), seq: (get seq header), value: (get v new), revision: u0})
      (map-set last-shown number first)
      (decide number dispute true (< amount (get amount bill)) amount usage)
      (ok amount))))

;; The dispute, while evidence may still decide it.
(define-private (undecided (number uint) (kind uint))
  (let ((dispute (unwrap! (map-get? disputes number) ERR-UNKNOWN)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (is-eq (get kind dispute) kind) (not (is-eq (get state dispute) FINAL))) ERR-STATE)
    (ok dispute)))

(define-private (decide (number uint) (dispute {
    kind: uint, subject: uint, claimant: principal, respondent: principal, asked: uint, evidence: (buff 32), opened-at: uint,
    state: uint, round: uint, round-at: uint, bonds: uint, checked: bool, grants: bool, value: uint, usage: uint, decided-at: uint})
    (checked bool) (grants bool) (value uint) (usage uint))
  (begin
    (map-set disputes number (merge dispute {state: DECIDED, checked: checked, grants: grants, value: value, usage: usage, decided-at: stacks-block-time}))
    (print {topic: "dispute-decided", dispute: number, checked: checked, grants: grants, value: value})))

;; Vote for or against the claim: in the first round by the role "arbiter", after an
;; appeal or without arbiters by verified users who are no party. Once a round.
;; Errors: u800 to u802, u805 to u807.
(define-public (vote (number uint) (grants bool))
  (let (
    (dispute (unwrap! (map-get? disputes number) ERR-UNKNOWN))
    (at {dispute: number, round: (get round dispute)})
    (tally (get-tally number (get round dispute))))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state dispute) OPEN) ERR-STATE)
    (asserts! (not (or (is-eq contract-caller (get claimant dispute)) (is-eq contract-caller (get respondent dispute)))) ERR-FORBIDDEN)
    (asserts! (if (is-eq (get round dispute) ARBITERS)
                (contract-call? .roles has-role "arbiter" contract-caller)
                (contract-call? .user-registry is-verified contract-caller)) ERR-FORBIDDEN)
    (asserts! (< stacks-block-time (+ (get round-at dispute) (parameter "dispute-voting" VOTING))) ERR-LATE)
    (asserts! (map-insert votes (merge at {voter: contract-caller}) grants) ERR-VOTED)
    (map-set tallies at (if grants (merge tally {for: (+ u1 (get for tally))}) (merge tally {against: (+ u1 (get against tally))})))
    (print {topic: "dispute-vote", dispute: number, round: (get round dispute), voter: contract-caller, grants: grants})
    (ok true)))

;; Count the votes of a round that is over. Too few arbiters: the members vote next. Too
;; few members or a tie: the claim is not granted. By anybody. Answers the new state.
;; Errors: u801, u802, u805, u808.
(define-public (resolve (number uint))
  (let (
    (dispute (unwrap! (map-get? disputes number) ERR-UNKNOWN))
    (tally (get-tally number (get round dispute)))
    (first (is-eq (get round dispute) ARBITERS))
    (cast (+ (get for tally) (get against tally)))
    (enough (>= cast (if first (parameter "arbiter-quorum" ARBITER-QUORUM) (parameter "member-quorum" MEMBER-QUORUM)))))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state dispute) OPEN) ERR-STATE)
    (asserts! (>= stacks-block-time (+ (get round-at dispute) (parameter "dispute-voting" VOTING))) ERR-EARLY)
    (if (and first (not enough))
      (begin (go-to-members number dispute) (ok OPEN))
      (begin
        (decide number dispute false (and enough (> (get for tally) (get against tally))) (get asked dispute) (get usage dispute))
        (ok DECIDED)))))

(define-private (go-to-members (number uint) (dispute {
    kind: uint, subject: uint, claimant: principal, respondent: principal, asked: uint, evidence: (buff 32), opened-at: uint,
    state: uint, round: uint, round-at: uint, bonds: uint, checked: bool, grants: bool, value: uint, usage: uint, decided-at: uint}))
  (begin
    (map-set disputes number (merge dispute {state: OPEN, round: MEMBERS, round-at: stacks-block-time, checked: false}))
    (print {topic: "dispute-to-members", dispute: number})))

;; Take what the arbiters decided to the members, for another bond. By who lost, within
;; the appeal window; what was decided by checked evidence only better evidence changes.
;; Errors: u800 to u802, u805, u807, u811.
(define-public (appeal (number uint) (bond uint))
  (let ((dispute (unwrap! (map-get? disputes number) ERR-UNKNOWN)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (and (is-eq (get state dispute) DECIDED) (not (get checked dispute)) (is-eq (get round dispute) ARBITERS)) ERR-STATE)
    (asserts! (is-eq contract-caller (if (get grants dispute) (get respondent dispute) (get claimant dispute))) ERR-FORBIDDEN)
    (asserts! (< stacks-block-time (+ (get decided-at dispute) (parameter "appeal-window" APPEAL))) ERR-LATE)
    (asserts! (and (>= bond (parameter "dispute-bond" BOND)) (< bond LIMIT-64)) ERR-BOND)
    (go-to-members number (merge dispute {bonds: (+ (get bonds dispute) bond)}))
    (unwrap! (stx-transfer? bond contract-caller current-contract) ERR-BOND)
    (ok true)))

;; Carry out a decision whose appeal window is over: the trade may settle by it, the bill
;; is lowered, the bonds go to the winner. Evidence whose meter signed two contents of its
;; seq decides nothing: the members vote. By anybody. Answers whether it is final.
;; Errors: u801, u802, u805, u808.
(define-public (finalise (number uint))
  (let ((dispute (unwrap! (map-get? disputes number) ERR-UNKNOWN)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (get state dispute) DECIDED) ERR-STATE)
    (asserts! (>= stacks-block-time (+ (get decided-at dispute) (parameter "appeal-window" APPEAL))) ERR-EARLY)
    (if (and (get checked dispute) (is-tainted number))
      (begin (go-to-members number dispute) (ok false))
      (begin
        (map-set disputes number (merge dispute {state: FINAL, bonds: u0}))
        (print {topic: "dispute-final", dispute: number, grants: (get grants dispute), value: (get value dispute)})
        (try! (carry-out dispute))
        (try! (pay (get bonds dispute) (if (get grants dispute) (get claimant dispute) (get respondent dispute))))
        (ok true)))))

(define-private (is-tainted (number uint))
  (let ((seal (unwrap! (map-get? shown {dispute: number, first: (default-to u0 (map-get? last-shown number))}) false)))
    (contract-call? .meter-data is-equivocated (get meter seal) (get register seal) (get seq seal))))

(define-private (carry-out (dispute {
    kind: uint, subject: uint, claimant: principal, respondent: principal, asked: uint, evidence: (buff 32), opened-at: uint,
    state: uint, round: uint, round-at: uint, bonds: uint, checked: bool, grants: bool, value: uint, usage: uint, decided-at: uint}))
  (if (is-eq (get kind dispute) TRADE)
    ;; Checked readings say what was delivered, whoever was right about it.
    (if (or (get grants dispute) (get checked dispute))
      (contract-call? .trade-escrow decide-trade (get subject dispute) (get value dispute))
      (contract-call? .trade-escrow thaw-trade (get subject dispute)))
    (begin
      (try! (contract-call? .billing hold-bill (get subject dispute) false))
      (if (get grants dispute)
        (contract-call? .billing correct-bill (get subject dispute) (get usage dispute) (get value dispute))
        (ok true)))))

(define-private (pay (amount uint) (to principal))
  (ok (unwrap! (as-contract? ((with-stx amount))
    (unwrap! (stx-transfer? amount current-contract to) ERR-BOND)) ERR-BOND)))

(define-read-only (get-dispute (number uint)) (map-get? disputes number))
(define-read-only (get-dispute-count) (var-get dispute-count))
(define-read-only (get-dispute-of (kind uint) (subject uint)) (map-get? by-subject {kind: kind, subject: subject}))
(define-read-only (get-tally (number uint) (round uint))
  (default-to {for: u0, against: u0} (map-get? tallies {dispute: number, round: round})))
;; What the checked evidence of a dispute for the time `first` rests on.
(define-read-only (get-shown (number uint) (first uint)) (map-get? shown {dispute: number, first: first}))
