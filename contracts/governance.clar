;; Votes of the community: propose, vote, wait, execute.
;;
;; A vote weighs utility tokens, which are locked until it ends, or counts members, one
;; each. What passed changes one parameter or one role after a timelock, so whoever
;; disagrees has time to leave. Governance cannot touch its own role or the guardians
;; (roles refuses), and pausing is no proposal. This contract must never keep a token
;; longer than its vote.

;; The caller is no verified user.
(define-constant ERR-UNVERIFIED (err u900))
;; The contract is paused.
(define-constant ERR-PAUSED (err u901))
;; The kind is none of rate (1), fee (2), parameter (3), upgrade (4), or the mode none of
;; tokens (1), members (2).
(define-constant ERR-KIND (err u902))
;; A name or the hash of the reasons is missing, a fee or value too high, or a role's change neither 0 nor 1.
(define-constant ERR-VALUE (err u903))
;; There is no such proposal.
(define-constant ERR-UNKNOWN (err u904))
;; The vote is over.
(define-constant ERR-OVER (err u905))
;; The caller has voted.
(define-constant ERR-VOTED (err u906))
;; The weight is zero, more than all tokens, or not one in a vote by members.
(define-constant ERR-WEIGHT (err u907))
;; The vote or the timelock is not over.
(define-constant ERR-EARLY (err u908))
;; The proposal did not pass, was withdrawn, or its time to be executed is over.
(define-constant ERR-NOT-PASSED (err u909))
;; The proposal was executed.
(define-constant ERR-EXECUTED (err u910))
;; The contract the proposal changes refused.
(define-constant ERR-REFUSED (err u911))
;; The caller has nothing locked in this vote.
(define-constant ERR-NOTHING-LOCKED (err u912))
;; The tokens could not be moved.
(define-constant ERR-PAYMENT (err u913))
;; The caller is not the proposer.
(define-constant ERR-FORBIDDEN (err u914))

(define-constant RATE u1)
(define-constant FEE u2)
(define-constant PARAMETER u3)
(define-constant UPGRADE u4)
(define-constant TOKENS u1)
(define-constant MEMBERS u2)
;; A tenth in 1/10000, as the escrow caps it.
(define-constant MAX-FEE u1000)
;; What parameters take, 2^48; and all utility tokens there can be, so that votes add up.
(define-constant LIMIT u281474976710656)
(define-constant MAX-WEIGHT u10000000000000)
;; Seconds where the parameter is unset: three days to vote, two to leave, two weeks to
;; execute. Quorums: a thousand tokens (6 decimals), or three members.
(define-constant VOTING u259200)
(define-constant TIMELOCK u172800)
(define-constant SHELF-LIFE u1209600)
(define-constant TOKEN-QUORUM u1000000000)
(define-constant MEMBER-QUORUM u3)

(define-data-var proposal-count uint u0)
(define-data-var locked uint u0)
(define-map proposals uint {
  proposer: principal, kind: uint, mode: uint, text: (buff 32), name: (string-ascii 32), value: uint, who: (optional principal),
  ends-at: uint, executable-at: uint, quorum: uint, for: uint, against: uint, executed: bool, withdrawn: bool})
(define-map votes {proposal: uint, voter: principal} {yes: bool, weight: uint})
(define-map locks {proposal: uint, voter: principal} uint)

(define-private (parameter (name (string-ascii 32)) (otherwise uint))
  (default-to otherwise (contract-call? .parameters get-parameter name)))

;; Note a deed in the audit log. An entry that cannot be added, for the log is paused,
;; stops nobody: the event below tells it as well.
(define-private (note-deed (action (string-ascii 32)) (subject (buff 32)) (amount uint))
  (is-ok (contract-call? .audit-log append-entry contract-caller action subject amount)))

;; Propose that parameter `name` be `value` (kinds rate, fee, parameter), or that contract
;; `who` be given (`value` 1) or deprived of (0) role `name` (kind upgrade). `text` hashes
;; the reasons. By a verified user. Answers the proposal's number. Errors: u900 to u903.
(define-public (propose (kind uint) (mode uint) (text (buff 32)) (name (string-ascii 32)) (value uint) (who (optional principal)))
  (let (
    (number (+ u1 (var-get proposal-count)))
    (ends-at (+ stacks-block-time (parameter "voting-period" VOTING))))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (contract-call? .user-registry is-verified contract-caller) ERR-UNVERIFIED)
    (asserts! (and (or (is-eq kind RATE) (is-eq kind FEE) (is-eq kind PARAMETER) (is-eq kind UPGRADE)) 
                   (or (is-eq mode TOKENS) (is-eq mode MEMBERS))) ERR-KIND)
    (asserts! (and (> (len name) u0) (is-eq (len text) u32)
                   (< value LIMIT)
                   (or (not (is-eq kind FEE)) (<= value MAX-FEE))
                   (is-eq (is-eq kind UPGRADE) (is-some who))
                   (or (not (is-eq kind UPGRADE)) (and (<= value u1) (<= (len name) u20)))) ERR-VALUE)
    (map-set proposals number {
      proposer: contract-caller, kind: kind, mode: mode, text: text, name: name, value: value, who: who,
      ends-at: ends-at, executable-at: (+ ends-at (parameter "timelock" TIMELOCK)),
      quorum: (if (is-eq mode TOKENS) (parameter "quorum-tokens" TOKEN-QUORUM) (parameter "quorum-members" MEMBER-QUORUM)),
      for: u0, against: u0, executed: false, withdrawn: false})
    (var-set proposal-count number)
    (print {topic: "proposed", proposal: number, proposer: contract-caller, kind: kind, mode: mode, name: name, value: value, who: who, text: text, ends-at: ends-at})
    (ok number)))

;; Vote with `weight` millionths of utility tokens, locked until the vote ends, or with 1
;; where members count. By a verified user, once. Errors: u900, u901, u904 to u907, u913.
(define-public (vote (number uint) (yes bool) (weight uint))
  (let ((proposal (unwrap! (map-get? proposals number) ERR-UNKNOWN)) (voter contract-caller))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (contract-call? .user-registry is-verified voter) ERR-UNVERIFIED)
    (asserts! (and (< stacks-block-time (get ends-at proposal)) (not (get withdrawn proposal))) ERR-OVER)
    (asserts! (and (> weight u0) (<= weight MAX-WEIGHT) (or (is-eq (get mode proposal) TOKENS) (is-eq weight u1))) ERR-WEIGHT)
    (asserts! (map-insert votes {proposal: number, voter: voter} {yes: yes, weight: weight}) ERR-VOTED)
    (map-set proposals number (merge proposal {
      for: (+ (get for proposal) (if yes weight u0)), against: (+ (get against proposal) (if yes u0 weight))}))
    (print {topic: "voted", proposal: number, voter: voter, yes: yes, weight: weight})
    (if (is-eq (get mode proposal) TOKENS)
      (begin
        (map-set locks {proposal: number, voter: voter} weight)
        (var-set locked (+ weight (var-get locked)))
        (unwrap! (contract-call? .utility-token transfer weight voter current-contract none) ERR-PAYMENT))
      true)
    (ok true)))

;; Take the tokens of a vote that ended or was withdrawn back. By the voter, also while
;; paused. Answers the millionths. Errors: u904, u908, u912, u913.
(define-public (unlock (number uint))
  (let (
    (proposal (unwrap! (map-get? proposals number) ERR-UNKNOWN))
    (voter contract-caller)
    (weight (unwrap! (map-get? locks {proposal: number, voter: voter}) ERR-NOTHING-LOCKED)))
    (asserts! (or (>= stacks-block-time (get ends-at proposal)) (get withdrawn proposal)) ERR-EARLY)
    (map-delete locks {proposal: number, voter: voter})
    (var-set locked (- (var-get locked) weight))
    (print {topic: "unlocked", proposal: number, voter: voter, weight: weight})
    (unwrap! (as-contract? ((with-ft .utility-token "utility" weight))
      (unwrap! (contract-call? .utility-token transfer weight current-contract voter none) ERR-PAYMENT)) ERR-PAYMENT)
    (ok weight)))

;; Withdraw a proposal while it is voted on. By the proposer. Errors: u904, u905, u914.
(define-public (withdraw-proposal (number uint))
  (let ((proposal (unwrap! (map-get? proposals number) ERR-UNKNOWN)))
    (asserts! (is-eq contract-caller (get proposer proposal)) ERR-FORBIDDEN)
    (asserts! (and (< stacks-block-time (get ends-at proposal)) (not (get withdrawn proposal))) ERR-OVER)
    (map-set proposals number (merge proposal {withdrawn: true}))
    (print {topic: "proposal-withdrawn", proposal: number})
    (ok true)))

;; Carry out what passed: quorum reached, more for than against, timelock over and less
;; than two weeks ago. By anybody, once. Errors: u901, u904, u908 to u911.
(define-public (execute (number uint))
  (let ((proposal (unwrap! (map-get? proposals number) ERR-UNKNOWN)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (not (get executed proposal)) ERR-EXECUTED)
    (asserts! (>= stacks-block-time (get executable-at proposal)) ERR-EARLY)
    (asserts! (and (not (get withdrawn proposal)) (has-passed number)
                   (< stacks-block-time (+ (get executable-at proposal) SHELF-LIFE))) ERR-NOT-PASSED)
    (map-set proposals number (merge proposal {executed: true}))
    (note-deed "proposal-executed" (get text proposal) number)
    (print {topic: "executed", proposal: number, kind: (get kind proposal), name: (get name proposal), value: (get value proposal), who: (get who proposal)})
    (match (get who proposal) who
      (let ((role (unwrap! (as-max-len? (get name proposal) u20) ERR-REFUSED)))
        (if (is-eq (get value proposal) u1)
          (unwrap! (contract-call? .roles grant role who) ERR-REFUSED)
          (unwrap! (contract-call? .roles revoke role who) ERR-REFUSED)))
      (unwrap! (contract-call? .parameters set-parameter (get name proposal) (get value proposal) stacks-block-time) ERR-REFUSED))
    (ok true)))

;; Tell whether the votes so far would pass.
(define-read-only (has-passed (number uint))
  (match (map-get? proposals number) proposal
    (and (> (get for proposal) (get against proposal))
         (>= (+ (get for proposal) (get against proposal)) (get quorum proposal)))
    false))
(define-read-only (get-proposal (number uint)) (map-get? proposals number))
(define-read-only (get-proposal-count) (var-get proposal-count))
(define-read-only (get-vote (number uint) (voter principal)) (map-get? votes {proposal: number, voter: voter}))
;; Millionths of utility tokens locked in votes.
(define-read-only (get-locked) (var-get locked))
;; The parameter in force, as every contract reads it; none when never set.
(define-read-only (get-parameter (name (string-ascii 32))) (contract-call? .parameters get-parameter name))
