;; Who takes part, in which part, and which key speaks for which meter.
;;
;; A meter is bound by three together: the registrar calls, the owner asked for it
;; before, and the meter's own seal key signed the binding. Names and addresses stay off
;; the chain: a profile is a hash. Rotating and revoking keys work while paused, because
;; a stolen key does not wait. This contract must never hold value.

;; The caller is not the registrar.
(define-constant ERR-FORBIDDEN (err u100))
;; The contract is paused.
(define-constant ERR-PAUSED (err u101))
;; The caller is registered already.
(define-constant ERR-REGISTERED (err u102))
;; There is no such user.
(define-constant ERR-UNKNOWN-USER (err u103))
;; There is no such meter.
(define-constant ERR-UNKNOWN-METER (err u105))
;; The meter is bound to somebody already.
(define-constant ERR-BOUND (err u106))
;; The owner did not ask for this binding.
(define-constant ERR-NOT-ASKED (err u107))
;; A signature is not by the key it should be by.
(define-constant ERR-SIGNATURE (err u108))
;; The seq does not come after what was anchored or registered before, or is 2^62 and more.
(define-constant ERR-SEQ (err u109))
;; The meter's key was revoked.
(define-constant ERR-REVOKED (err u110))
;; The network was set already.
(define-constant ERR-NETWORK (err u111))
;; The user is not verified.
(define-constant ERR-UNVERIFIED (err u112))
;; The meter id has not 16 bytes, or the key or the hash not its length.
(define-constant ERR-LENGTH (err u113))

(define-constant PRODUCER u1)
(define-constant CONSUMER u2)
(define-constant PROVIDER u3)
;; A key change without the old key waits this long before meters may mint by it.
(define-constant REKEY-DELAY u259200)
;; Sequence numbers stay below 2^62 (proto/README.md).
(define-constant MAX-SEQ u4611686018427387904)
;; A look back over four epochs, in which a key is found.
(define-constant BACK (list u0 u1 u2 u3))

(define-data-var network (optional (buff 32)) none)
(define-data-var user-count uint u0)
(define-map users principal {part: uint, profile: (buff 32), verified: bool, since: uint})
(define-map requests {meter: (buff 16), owner: principal} {key: (buff 33), p256: bool, from-seq: uint})
(define-map meters (buff 16) {owner: principal, epoch: uint, revoked-from: (optional uint), mints-from: uint})
;; `until` is the seq from which a revocation ended the key; it outlives the next key.
(define-map keys {meter: (buff 16), epoch: uint} {key: (buff 33), p256: bool, from-seq: uint, until: (optional uint)})
;; When a key was told here and when it was revoked (Unix seconds). The first key of a meter
;; has none, for its seals may be older than its place here.
(define-map told-at {meter: (buff 16), epoch: uint} {since: uint, ended: uint})
;; From when an owner gets minted energy again.
(define-map waits principal uint)

(define-private (is-registrar) (contract-call? .roles has-role "registrar" contract-caller))

;; Note a deed in the audit log. An entry that cannot be added, for the log is paused,
;; stops nobody: the event below tells it as well.
(define-private (note-deed (action (string-ascii 32)) (subject (buff 32)) (amount uint))
  (is-ok (contract-call? .audit-log append-entry contract-caller action subject amount)))

(define-private (register (part uint) (profile (buff 32)))
  (begin
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (len profile) u32) ERR-LENGTH)
    (asserts! (map-insert users contract-caller {part: part, profile: profile, verified: false, since: stacks-block-time}) ERR-REGISTERED)
    (var-set user-count (+ (var-get user-count) u1))
    (print {topic: "user-registered", user: contract-caller, part: part, profile: profile})
    (ok true)))

;; Fix the network's id, the hash of its genesis document, once. By the admin of roles.
;; Errors: u100, u111, u113.
(define-public (set-network (id (buff 32)))
  (begin
    (asserts! (is-eq contract-caller (contract-call? .roles get-admin)) ERR-FORBIDDEN)
    (asserts! (is-none (var-get network)) ERR-NETWORK)
    (asserts! (is-eq (len id) u32) ERR-LENGTH)
    (var-set network (some id))
    (print {topic: "network-set", network: id})
    (ok true)))

;; Register the caller; `profile` is the hash of a salted profile kept elsewhere.
;; By anybody, once. Errors: u101, u102, u113.
(define-public (register-producer (profile (buff 32))) (register PRODUCER profile))
(define-public (register-consumer (profile (buff 32))) (register CONSUMER profile))
(define-public (register-provider (profile (buff 32))) (register PROVIDER profile))

;; Replace the caller's profile hash; what was verified has to be verified again.
;; By the user. Errors: u101, u103, u113.
(define-public (set-profile (profile (buff 32)))
  (let ((user (unwrap! (map-get? users contract-caller) ERR-UNKNOWN-USER)))
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-eq (len profile) u32) ERR-LENGTH)
    (map-set users contract-caller (merge user {profile: profile, verified: false}))
    (print {topic: "profile-set", user: contract-caller, profile: profile})
    (ok true)))

;; Say whether `who` was verified. By the role "registrar". Errors: u100, u103.
(define-public (verify-user (who principal) (verified bool))
  (let ((user (unwrap! (map-get? users who) ERR-UNKNOWN-USER)))
    (asserts! (is-registrar) ERR-FORBIDDEN)
    (map-set users who (merge user {verified: verified}))
    (print {topic: "user-verified", user: who, verified: verified})
    (ok true)))

;; Ask for a binding of `meter` to the caller. By a registered user.
;; Errors: u101, u103, u106, u109, u113.
(define-public (request-meter (meter (buff 16)) (key (buff 33)) (p256 bool) (from-seq uint))
  (begin
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-some (map-get? users contract-caller)) ERR-UNKNOWN-USER)
    (asserts! (and (is-eq (len meter) u16) (is-eq (len key) u33)) ERR-LENGTH)
    (asserts! (and (> from-seq u0) (< from-seq MAX-SEQ)) ERR-SEQ)
    (asserts! (is-none (map-get? meters meter)) ERR-BOUND)
    (map-set requests {meter: meter, owner: contract-caller} {key: key, p256: p256, from-seq: from-seq})
    (print {topic: "meter-requested", meter: meter, owner: contract-caller, key: key, from-seq: from-seq})
    (ok true)))

;; Bind `meter` to `owner` and the key he asked for; `signature` is the seal key's over
;; {meter, network, owner, valid-from} (SIP-018). By the role "registrar".
;; Errors: u100, u101, u106 to u108, u111, u112.
(define-public (bind-meter (meter (buff 16)) (owner principal) (signature (buff 65)))
  (let (
    (asked (unwrap! (map-get? requests {meter: meter, owner: owner}) ERR-NOT-ASKED))
    (hash (unwrap! (binding-hash meter owner (get from-seq asked)) ERR-NETWORK)))
    (asserts! (is-registrar) ERR-FORBIDDEN)
    (asserts! (contract-call? .roles is-running) ERR-PAUSED)
    (asserts! (is-verified owner) ERR-UNVERIFIED)
    (asserts! (contract-call? .seals is-signed hash signature (get key asked) (get p256 asked)) ERR-SIGNATURE)
    (asserts! (map-insert meters meter {owner: owner, epoch: u0, revoked-from: none, mints-from: u0}) ERR-BOUND)
    (map-set keys {meter: meter, epoch: u0} (merge asked {until: none}))
    (map-delete requests {meter: meter, owner: owner})
    (note-deed "meter-bound" (sha256 meter) (get from-seq asked))
    (print {topic: "meter-bound", meter: meter, owner: owner, key: (get key asked), from-seq: (get from-seq asked)})
    (ok true)))

;; Give the meter a new key from `from-seq` on; both keys sign {key, meter, network,
;; valid-from} (SIP-018). By the owner or the role "registrar", also while paused.
;; Errors: u100, u105, u108 to u110, u113.
(define-public (rotate-meter-key (meter (buff 16)) (key (buff 33)) (p256 bool) (from-seq uint) (old-signature (buff 65)) (new-signature (buff 65)))
  (let (
    (bound (unwrap! (map-get? meters meter) ERR-UNKNOWN-METER))
    (old (unwrap! (map-get? keys {meter: meter, epoch: (get epoch bound)}) ERR-UNKNOWN-METER))
    (hash (unwrap! (rotation-hash meter key from-seq) ERR-NETWORK)))
    (asserts! (or (is-eq contract-caller (get owner bound)) (is-registrar)) ERR-FORBIDDEN)
    (asserts! (is-none (get revoked-from bound)) ERR-REVOKED)
    (asserts! (is-eq (len key) u33) ERR-LENGTH)
    (asserts! (and (> from-seq (get from-seq old)) (< from-seq MAX-SEQ)) ERR-SEQ)
    (asserts! (contract-call? .seals is-signed hash old-signature (get key old) (get p256 old)) ERR-SIGNATURE)
    (asserts! (contract-call? .seals is-signed hash new-signature key p256) ERR-SIGNATURE)
    (put-key meter bound key p256 from-seq (get mints-from bound))))

;; Ask for a new key when the old one is lost; nothing changes until replace-meter-key.
;; By the owner, also while paused. Errors: u100, u105, u109, u113.
(define-public (request-new-key (meter (buff 16)) (key (buff 33)) (p256 bool) (from-seq uint))
  (let ((bound (unwrap! (map-get? meters meter) ERR-UNKNOWN-METER)))
    (asserts! (is-eq contract-caller (get owner bound)) ERR-FORBIDDEN)
    (asserts! (is-eq (len key) u33) ERR-LENGTH)
    (asserts! (and (> from-seq u0) (< from-seq MAX-SEQ)) ERR-SEQ)
    (map-set requests {meter: meter, owner: contract-caller} {key: key, p256: p256, from-seq: from-seq})
    (print {topic: "new-key-requested", meter: meter, key: key, from-seq: from-seq})
    (ok true)))

;; Give the meter the key its owner asked for, without the lost one; the new key signs
;; {key, meter, network, valid-from}. Nothing is minted to the owner before `mints-from`,
;; 72 hours on. By the role "registrar", also while paused. Errors: u100, u105, u107 to u109.
(define-public (replace-meter-key (meter (buff 16)) (new-signature (buff 65)))
  (let (
    (bound (unwrap! (map-get? meters meter) ERR-UNKNOWN-METER))
    (asked (unwrap! (map-get? requests {meter: meter, owner: (get owner bound)}) ERR-NOT-ASKED))
    (old (unwrap! (map-get? keys {meter: meter, epoch: (get epoch bound)}) ERR-UNKNOWN-METER))
    (hash (unwrap! (rotation-hash meter (get key asked) (get from-seq asked)) ERR-NETWORK)))
    (asserts! (is-registrar) ERR-FORBIDDEN)
    (asserts! (>= (get from-seq asked) (default-to (+ u1 (get from-seq old)) (get revoked-from bound))) ERR-SEQ)
    (asserts! (contract-call? .seals is-signed hash new-signature (get key asked) (get p256 asked)) ERR-SIGNATURE)
    (map-delete requests {meter: meter, owner: (get owner bound)})
    (map-set waits (get owner bound) (+ stacks-block-time REKEY-DELAY))
    (put-key meter (merge bound {revoked-from: none}) (get key asked) (get p256 asked) (get from-seq asked) (+ stacks-block-time REKEY-DELAY))))

(define-private (put-key (meter (buff 16)) (bound {owner: principal, epoch: uint, revoked-from: (optional uint), mints-from: uint}) (key (buff 33)) (p256 bool) (from-seq uint) (mints-from uint))
  (let ((epoch (+ u1 (get epoch bound))))
    (map-set meters meter (merge bound {epoch: epoch, mints-from: mints-from}))
    (map-set keys {meter: meter, epoch: epoch} {key: key, p256: p256, from-seq: from-seq, until: none})
    (map-set told-at {meter: meter, epoch: epoch} {since: stacks-block-time, ended: u0})
    (note-deed "meter-key-rotated" (sha256 meter) from-seq)
    (print {topic: "meter-key-rotated", meter: meter, epoch: epoch, key: key, from-seq: from-seq})
    (ok epoch)))

;; Let no header of `meter` count from `from-seq` on. It must lie after `anchored`, the
;; last seq the caller saw anchored; and whatever that was, what was anchored before now
;; stands (get-key-as-of).
;; By the owner or the role "registrar", also while paused.
;; Errors: u100, u105, u109, u110.
(define-public (revoke-meter (meter (buff 16)) (anchored uint) (from-seq uint))
  (let (
    (bound (unwrap! (map-get? meters meter) ERR-UNKNOWN-METER))
    (current (unwrap! (map-get? keys {meter: meter, epoch: (get epoch bound)}) ERR-UNKNOWN-METER)))
    (asserts! (or (is-eq contract-caller (get owner bound)) (is-registrar)) ERR-FORBIDDEN)
    (asserts! (is-none (get revoked-from bound)) ERR-REVOKED)
    (asserts! (and (> from-seq anchored) (>= from-seq (get from-seq current)) (< from-seq MAX-SEQ)) ERR-SEQ)
    (map-set meters meter (merge bound {revoked-from: (some from-seq)}))
    (map-set keys {meter: meter, epoch: (get epoch bound)} (merge current {until: (some from-seq)}))
    (map-set told-at {meter: meter, epoch: (get epoch bound)} {since: (get since (told meter (get epoch bound))), ended: stacks-block-time})
    (note-deed "meter-revoked" (sha256 meter) from-seq)
    (print {topic: "meter-revoked", meter: meter, from-seq: from-seq})
    (ok true)))

(define-read-only (get-user (who principal)) (map-get? users who))
(define-read-only (get-profile (who principal)) (get profile (map-get? users who)))
(define-read-only (get-user-count) (var-get user-count))
(define-read-only (get-meter (meter (buff 16))) (map-get? meters meter))
(define-read-only (get-network) (var-get network))
;; From when `owner` gets minted energy (Unix seconds): later than now while 72 hours run
;; since a key of a meter of this owner was replaced without the old one.
(define-read-only (get-mints-from (owner principal)) (default-to u0 (map-get? waits owner)))
(define-read-only (is-verified (who principal))
  (default-to false (get verified (map-get? users who))))
;; Tell whether `who` is a verified producer.
(define-read-only (is-producer (who principal))
  (match (map-get? users who) user (and (get verified user) (is-eq (get part user) PRODUCER)) false))
(define-read-only (get-key (meter (buff 16)) (epoch uint)) (map-get? keys {meter: meter, epoch: epoch}))

;; The key that had to sign header `seq` of `meter`, looking back at most four epochs;
;; none when unknown, older than that, or revoked by then.
(define-read-only (get-key-at (meter (buff 16)) (seq uint))
  (let (
    (bound (unwrap! (map-get? meters meter) none))
    (look (fold key-before BACK {meter: meter, epoch: (get epoch bound), seq: seq, found: none}))
    (found (unwrap! (get found look) none)))
    (if (and (< seq MAX-SEQ) (< seq (default-to MAX-SEQ (get until found)))) (some found) none)))

(define-private (key-before (back uint) (look {meter: (buff 16), epoch: uint, seq: uint, found: (optional {key: (buff 33), p256: bool, from-seq: uint, until: (optional uint)})}))
  (if (or (is-some (get found look)) (> back (get epoch look)))
    look
    (let ((candidate (map-get? keys {meter: (get meter look), epoch: (- (get epoch look) back)})))
      (if (>= (get seq look) (default-to MAX-SEQ (get from-seq candidate)))
        (merge look {found: candidate})
        look))))

(define-private (told (meter (buff 16)) (epoch uint))
  (default-to {since: u0, ended: u0} (map-get? told-at {meter: meter, epoch: epoch})))

;; The key that had to sign header `seq` of `meter` by what was told here until `at` (Unix
;; seconds): rotations and revocations told later are not looked at, so that neither
;; unmakes what was anchored before. None as in get-key-at.
(define-read-only (get-key-as-of (meter (buff 16)) (seq uint) (at uint))
  (let ((bound (unwrap! (map-get? meters meter) none)))
    (if (< seq MAX-SEQ)
      (get found (fold key-as-of BACK {meter: meter, epoch: (get epoch bound), seq: seq, at: at, over: false, found: none}))
      none)))

(define-private (key-as-of (back uint) (look {meter: (buff 16), epoch: uint, seq: uint, at: uint, over: bool, found: (optional {key: (buff 33), p256: bool, from-seq: uint, until: (optional uint)})}))
  (if (or (get over look) (> back (get epoch look)))
    look
    (let (
      (epoch (- (get epoch look) back))
      (candidate (map-get? keys {meter: (get meter look), epoch: epoch}))
      (when (told (get meter look) epoch)))
      (if (and (<= (get since when) (get at look)) (>= (get seq look) (default-to MAX-SEQ (get from-seq candidate))))
        (merge look {over: true, found: (if (or (> (get ended when) (get at look))
                                                (< (get seq look) (default-to MAX-SEQ (get until (unwrap! candidate look)))))
                                          candidate none)})
        look))))

;; What a seal key signs to be bound; none before the network is set.
(define-read-only (binding-hash (meter (buff 16)) (owner principal) (valid-from uint))
  (match (var-get network) id
    (some (contract-call? .seals digest (sha256 (default-to 0x (to-consensus-buff?
      {meter: meter, network: id, owner: owner, valid-from: valid-from})))))
    none))

;; What the old and the new key sign at a rotation; none before the network is set.
(define-read-only (rotation-hash (meter (buff 16)) (key (buff 33)) (valid-from uint))
  (match (var-get network) id
    (some (contract-call? .seals digest (sha256 (default-to 0x (to-consensus-buff?
      {key: key, meter: meter, network: id, valid-from: valid-from})))))
    none))
