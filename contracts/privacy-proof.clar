;; Proofs about commitments, checked without trusting anybody: openings, openings of sums,
;; knowledge of a logarithm (Schnorr) and ranges.
;;
;; A commitment is C = v V + z B on secp256k1, with V = r^-1 H, B = -r^-1 G, r = x(H) and
;; H a point nobody knows the logarithm of. `secp256k1-recover?` of digest z and signature
;; (r, s, recid) is r^-1 (s R - z G), so of (x(H), v, 0) it is C itself: one call opens a
;; commitment, and no scalar is ever multiplied here. The same call gives
;; x(P)^-1 (e P - w G) for any point P, which is all that Schnorr proofs need. Sums of
;; points are checked, not computed: the prover gives each sum and slope, and this
;; contract checks the equations of the curve (SEC 1, 2.2.1) in 56-bit limbs.
;;
;; Everything here is read-only, free to call and keeps nothing. It must never take a
;; point that it has not seen to be on the curve, in canonical coordinates, as an operand.

;; The value and blinding do not open the commitment.
(define-constant ERR-OPENING (err u1100))
;; The Schnorr proof is not one of this point and message.
(define-constant ERR-SCHNORR (err u1101))
;; A point is not on the curve, or its coordinates are not 32 bytes below p each.
(define-constant ERR-POINT (err u1102))
;; A sum or a slope is wrong, or two operands share their x.
(define-constant ERR-SUM (err u1103))
;; The range proof is not one of this commitment and context.
(define-constant ERR-RANGE (err u1104))
;; A range is of 16, 20 or 32 bits, with one step for each.
(define-constant ERR-BITS (err u1105))
;; A scalar is not 32 bytes below the order of the curve.
(define-constant ERR-SCALAR (err u1106))
;; A sum has 1 to 31 commitments.
(define-constant ERR-COUNT (err u1107))

;; x(H), the first SHA-256("meterseal/pedersen/H/v1" || counter) on the curve; y is even.
(define-constant HX 0x99e8a4d98008fc3673c1d8de0673b2fc7a58907f810acdd17a26aedbb7d192c7)
(define-constant ZERO16 0x00000000000000000000000000000000)
;; "meterseal/schnorr/v1" and "meterseal/range/v1", what challenges begin with.
(define-constant SCHNORR-TAG 0x6d657465727365616c2f7363686e6f72722f7631)
(define-constant RANGE-TAG 0x6d657465727365616c2f72616e67652f7631)
;; What a proof that a commitment is to zero signs: nothing but that.
(define-constant ZERO-MESSAGE 0x48dfca83356f4b579427fe3954144e2674bd6de7d494d9b4e2baa390ca6cccbb)
;; The order of the curve, in halves of 128 bits.
(define-constant N-HIGH u340282366920938463463374607431768211454)
(define-constant N-LOW u248144347276217270074328348468568277313)

(define-constant B56 u72057594037927936)
(define-constant M56 u72057594037927935)
(define-constant M32 u4294967295)
;; 2^280 mod p is 2^56 + FOLD280; 2^256 mod p is FOLD256.
(define-constant FOLD280 u16391340032)
(define-constant FOLD256 u4294968273)
;; The lowest limb of p; limbs 1 to 3 are M56 and limb 4 is M32.
(define-constant P0 u72057589742959663)
;; PAD is 2^28 p and QAD 2^26 p, in limbs so large that a limb-wise difference that
;; begins with one of them never falls below zero, which Clarity would abort on.
(define-constant PAD0 u1224978836383334400)
(define-constant PAD1 u1224979098644774879)
(define-constant PAD2 u1224979098644774895)
(define-constant PAD3 u1224979098644774895)
(define-constant PAD4 u1152921504606846959)
(define-constant QAD0 u360287904624279552)
(define-constant QAD1 u360287970189639671)
(define-constant QAD2 u360287970189639675)
(define-constant QAD3 u360287970189639675)
(define-constant QAD4 u288230376151711739)

;; -(2^i V) as x || y, i from 0 to 31.
(define-constant MINUS-POWERS (list
  0xdeb4939a0646e2b0195b635f74101f85cb94f9664e7b93e0d8f7f78f70af4c3cffb59d7cd863126e38e92d4a208e83ca56d827043216ef3282e33d2fe51418a5
  0xfd3526c083826d9d1e6750f406ea4c77d431d23b36f520eb9faddceb343e2b9cce08d00fc7e34eb30562b4ad0888d742994f09068837f0194fb1ad2116fad533
  0x6152f9e853f77288e747bf6df796a77c5646386066a76edcf937b80622605384947862458a9bc76d2151069a43330e5a01b3a849d17fec259da641cf5c0aa82d
  0x29bd7fe761d21080b31f7ac8900956638baaf96e20f50891d7d33d8ab2a23d261cf32c51ab30216993fa3777b6b6f558fa81c0f279b60084babc51a7fecfe3b6
  0xad8ee29a59cf841cfc35a35a6f30bc1e62686fb992bf77db17728d27c855d784403e574891fdd6f8f621434300c6b1c86ec3fe0e8d94555a1cc84dee4c64b279
  0x42f6fd26e1606d7ed6267b65312331008ce7fbe85657c6a47d6b0d6f794618a941d63a25465d4ea0a7eab3e64478c0eea26f6b721ac7e377242f9240ca12fe41
  0xd6bfefb225772e81b206896c28e674cfda4ac6dd8c03403b8ce91b1a537262c6519cd1292d6942ae9274a7d363f0fd95aa24c09f8aa7f378765a495b9144c655
  0x8563847ec1430bb77729404d1c8dc8ff699eb6baab8edb0d9b990c4c8ca58afc73820b5ec7044ef1a33eb4e8d520e930a823f3024adbc704f6a16324996b2778
  0xd6954b7e711d281fb41559bdf1d578cab7b03f5cf2de0ace432f93d507981b1d0befa73e94c89d3b25f627639003017da7fd246ab2ed4dfb908e70e48aa00fd0
  0x96e44b18b8baa7857ec84f9d6e741fcf71d7651e2dc0c3ae54ce15b0881bc1e83642c0a744124fd6b16a181f42237e048c90b99c4966664eef4b67db67b65317
  0x26d84aa975ebb49bb285de3c6bfbabe4167aef698674abbfd30d89bd19fa95b033583dd7a164b55445d68469531e5c75ffb6cfa77e9156fad54dd50878060471
  0x340798f13ec7088ab1a2583d0eaa4262a72afdd6ee51e276ed9eb2a9ce08c36b36c324ff2e9f37ffefe5628fa14c150d54e5f6da2dd3e29e426b55e3d2709349
  0x7c0bc7ca7a836c6fa5b0a3cfdee58dd53058f4fe5751a9b343d498ed24d5289e1e2b6322cd080d407de42cd41be7191b395d0c9197df672b3d81c65ee884ec08
  0x8c9a655d020aac8ca840ab267d4b004c166cbd381b382d83aa1f9b77681123184ec48788239db0ca07a4a00ce827b31e70f37abf4b790505ba96684ace60971d
  0x1df23a24adfc52985a5af6afd286958c6ba4e93745d9a6cf2c060a84e14ab76312769df76a4e54885a7dbd31effcab97c2d96c9415f5536c5b1b5697acd345f6
  0x9b69e903cdec5ec682649bb7e7c66786ac5494bcc886a836efe8a6b58207270be770fa4f69606a93420cb51a609463e56a3c0ceeedbf5e957e7700f162b882c4
  0x8ec389ca757267596156bf49850bff00b9486ec286e5aa98bcc3a518e0578b92916db786f9aa5538af6bc97393d8364506519806968b80b164e897fc49b0afd6
  0x5dbe24f4203886fd9cfdc0fe7bf9ba995fac83365ba2c151d23f3781fc32b1f87456cbc167ce88121cb3257649bca73559744e9bd1a9fbb4dc7f55e944ffd1c6
  0x952e926b625982caaab2dcb7c262a2c16abf501ed82ef78d999bba34a9a516705962f9e4e4f43b64c5120fadae0da1d0591414aa38d1505ba3322cbcc949d1fe
  0x99e4507540a4e560a9054e0c9d99eea19e17f870a747bf45e12a1dfa457b705feb2fe84ab2fbe6f3cbef9877e02fae5b42d5a669a117fd943b9bd0a14ebfd006
  0x488a505134c5bc6afc0325522a6a5afa8eb0c4f7c3762ca0e7d220bfd4bd6c4b918d8abdac7ce53bc087a6d5b7f35378ea1aa79f27f6e359a60cc79a4f666f06
  0xab13cb9be464b5103a3ac2b572d2c89b4c73d757782c99b7f557d161f9d4658105b248c572e58742d0ee92e8144d7098969a3e7ec8dd2797c54c12a362657031
  0x0da08111f95438dc46eabd8ff5156a85fc2669d0aecb0ce5b79894a2a5d6f6fceaa458b1b49b1e8c7134f398810cd46cb7058fe7b1f53632fcdcde5267fb4679
  0x01755ba00bfc845706edb054af31bf42e26fc680bbf3ee200d59df2750ec9cb835247d86b5ac6df94c2ddf89ac84c0cbf37a81813ce2be4478f34795d13812e2
  0xebcbaa12bb6e21ea5c32d9b75047c55838937012181f8fe507aae0e51fb5fb345af0cece6e715aceddc37c544194fbf5a3b327b76cc63b722c331c4bbda1dc48
  0xd46121e684703bb30d7d4fa9206f98e55c8396187e08b8e172517dae862c0424de58000d49240634707f5aeb3748705d000c2226fdedf151a14d9f7e111f19a7
  0xe630b258712f99b0d8c2ac41f8c5979eb868d8dfa4ff3342b0c85a730965490829d48f96a605b854d5c1f49dfe03579413dcd6cb3b0558ae8e6d9db453ae9ebd
  0x9d9d1cb00fa9a9334089acf233d8679caaa4546854cd94e8ce8021f749c9aacf3a97b82678b1bac83e2a36400705d7864536d7ff987fce66a2245e5ae6a74522
  0x9425ca560dc2dfb6342894294e5a7fe9d6aacb3c7b842110248d40d7f710505876da709236c13b3b3316c0a71e3e52c99a035e4cab6c5b0b5870b14b151f257c
  0xdc1f6387429955bfea72117074dff55b9586add2ae9f7a88955a9b4c765f156679c80aecec2b0fd819d401d9e220094408038fdc9ecc3f9d629986aa76cb720d
  0x8ae9b98efcf41de1f04ebb8c1ef4a0c38f6ae16c58afdf45fd5f8c43c89ef340f9f726887e6c689591a83fa816f3611214217a198769f7d2562694783ccd9904
  0x0bd00f5d1ba0e05b317851e7e318a9f197875656682e3aeecdc0b588cbc53e7c3791926fb325efb2e9ef04143a87a50f48978d768b259977d5b33c600c589216))

;; Halves of 32 bytes as numbers; of fewer bytes, nothing that any check accepts.
(define-private (hi128 (b (buff 32)))
  (buff-to-uint-be (default-to 0x (as-max-len? (default-to 0x (slice? b u0 u16)) u16))))
(define-private (lo128 (b (buff 32)))
  (buff-to-uint-be (default-to 0x (as-max-len? (default-to 0x (slice? b u16 u32)) u16))))
(define-private (xs (p (buff 64))) (default-to 0x (as-max-len? (default-to 0x (slice? p u0 u32)) u32)))
(define-private (ys (p (buff 64))) (default-to 0x (as-max-len? (default-to 0x (slice? p u32 u64)) u32)))
(define-private (x-of (p (buff 33))) (default-to 0x (as-max-len? (default-to 0x (slice? p u1 u33)) u32)))
(define-private (parity-of (p (buff 33))) (if (is-eq (element-at? p u0) (some 0x03)) 0x01 0x00))
;; 16 bytes, big endian, of a number.
(define-private (be16 (v uint))
  (default-to 0x (as-max-len? (default-to 0x (slice? (default-to 0x (to-consensus-buff? v)) u1 u17)) u16)))

(define-private (is-scalar (b (buff 32)))
  (and (is-eq (len b) u32)
       (or (< (hi128 b) N-HIGH) (and (is-eq (hi128 b) N-HIGH) (< (lo128 b) N-LOW)))))

;; Below p.
(define-private (is-canonical (b (buff 32)))
  (and (is-eq (len b) u32)
       (or (< (hi128 b) u340282366920938463463374607431768211455)
           (< (lo128 b) u340282366920938463463374607427473243183))))

;; x(P)^-1 (e P - w G); none where that is infinity or an argument is out of range.
(define-private (combined (p (buff 33)) (e (buff 32)) (w (buff 32)))
  (if (and (is-scalar w) (is-eq (len e) u32))
    (match (secp256k1-recover? w (concat (concat (x-of p) e) (parity-of p))) found (some found) code none)
    none))

;; Tell whether nine limb products, each below 2^125, are zero modulo p: carry, fold what
;; is above 2^280 and 2^256, and compare with p, since the rest is below 2p and, as every sum
;; here begins with a multiple of p, above 0.
(define-private (fold-zero (k0 uint) (k1 uint) (k2 uint) (k3 uint) (k4 uint) (k5 uint) (k6 uint) (k7 uint) (k8 uint))
  (let ((t1 (+ k1 (/ k0 B56))) (t2 (+ k2 (/ t1 B56))) (t3 (+ k3 (/ t2 B56))) (t4 (+ k4 (/ t3 B56)))
        (t5 (+ k5 (/ t4 B56))) (t6 (+ k6 (/ t5 B56))) (t7 (+ k7 (/ t6 B56))) (t8 (+ k8 (/ t7 B56)))
        (r5 (mod t5 B56)) (r6 (mod t6 B56)) (r7 (mod t7 B56)) (r8 (mod t8 B56)) (r9 (/ t8 B56))
        ;; Limbs 5 to 9 weigh 2^280 and more.
        (s0 (+ (mod k0 B56) (* r5 FOLD280)))
        (s1 (+ (mod t1 B56) (* r6 FOLD280) r5 (/ s0 B56)))
        (s2 (+ (mod t2 B56) (* r7 FOLD280) r6 (/ s1 B56)))
        (s3 (+ (mod t3 B56) (* r8 FOLD280) r7 (/ s2 B56)))
        (s4 (+ (mod t4 B56) (* r9 FOLD280) r8 (/ s3 B56)))
        ;; All above bit 256.
        (h (+ (* (+ r9 (/ s4 B56)) u16777216) (/ (mod s4 B56) u4294967296)))
        (w0 (+ (mod s0 B56) (* h FOLD256)))
        (w1 (+ (mod s1 B56) (/ w0 B56)))
        (w2 (+ (mod s2 B56) (/ w1 B56)))
        (w3 (+ (mod s3 B56) (/ w2 B56)))
        (w4 (+ (mod s4 u4294967296) (/ w3 B56)))
        (v0 (mod w0 B56)))
    (and (is-eq v0 P0) (is-eq (mod w1 B56) M56) (is-eq (mod w2 B56) M56) (is-eq (mod w3 B56) M56) (is-eq w4 M32))))

;; a b = c modulo p, for limbs below 2^61.
(define-private (mul-eq (a0 uint) (a1 uint) (a2 uint) (a3 uint) (a4 uint)
                        (b0 uint) (b1 uint) (b2 uint) (b3 uint) (b4 uint)
                        (c0 uint) (c1 uint) (c2 uint) (c3 uint) (c4 uint))
  (fold-zero
    (+ (* a0 b0) (- PAD0 c0))
    (+ (* a0 b1) (* a1 b0) (- PAD1 c1))
    (+ (* a0 b2) (* a1 b1) (* a2 b0) (- PAD2 c2))
    (+ (* a0 b3) (* a1 b2) (* a2 b1) (* a3 b0) (- PAD3 c3))
    (+ (* a0 b4) (* a1 b3) (* a2 b2) (* a3 b1) (* a4 b0) (- PAD4 c4))
    (+ (* a1 b4) (* a2 b3) (* a3 b2) (* a4 b1))
    (+ (* a2 b4) (* a3 b3) (* a4 b2))
    (+ (* a3 b4) (* a4 b3))
    (* a4 b4)))

;; Tell whether (x, y) is a point: both below p and y^2 = x^3 + 7. `q` is x^2 modulo p.
(define-read-only (on-curve (x (buff 32)) (y (buff 32)) (q (buff 32)))
  (let ((xh (hi128 x)) (xl (lo128 x)) (yh (hi128 y)) (yl (lo128 y)) (qh (hi128 q)) (ql (lo128 q))
        (x0 (bit-and xl M56)) (x1 (bit-and (bit-shift-right xl u56) M56))
        (x2 (bit-and (+ (bit-shift-right xl u112) (bit-shift-left xh u16)) M56))
        (x3 (bit-and (bit-shift-right xh u40) M56)) (x4 (bit-shift-right xh u96))
        (y0 (bit-and yl M56)) (y1 (bit-and (bit-shift-right yl u56) M56))
        (y2 (bit-and (+ (bit-shift-right yl u112) (bit-shift-left yh u16)) M56))
        (y3 (bit-and (bit-shift-right yh u40) M56)) (y4 (bit-shift-right yh u96))
        (q0 (bit-and ql M56)) (q1 (bit-and (bit-shift-right ql u56) M56))
        (q2 (bit-and (+ (bit-shift-right ql u112) (bit-shift-left qh u16)) M56))
        (q3 (bit-and (bit-shift-right qh u40) M56)) (q4 (bit-shift-right qh u96))
        (n0 (- PAD0 x0)) (n1 (- PAD1 x1)) (n2 (- PAD2 x2)) (n3 (- PAD3 x3)) (n4 (- PAD4 x4)))
    (and (is-canonical x) (is-canonical y)
      (mul-eq x0 x1 x2 x3 x4 x0 x1 x2 x3 x4 q0 q1 q2 q3 q4)
      ;; y y + (PAD - x) q - 7 = 0
      (fold-zero
        (+ (* y0 y0) (* n0 q0) (- PAD0 u7))
        (+ (* u2 y0 y1) (* n0 q1) (* n1 q0) PAD1)
        (+ (* u2 y0 y2) (* y1 y1) (* n0 q2) (* n1 q1) (* n2 q0) PAD2)
        (+ (* u2 y0 y3) (* u2 y1 y2) (* n0 q3) (* n1 q2) (* n2 q1) (* n3 q0) PAD3)
        (+ (* u2 y0 y4) (* u2 y1 y3) (* y2 y2) (* n0 q4) (* n1 q3) (* n2 q2) (* n3 q1) (* n4 q0) PAD4)
        (+ (* u2 y1 y4) (* u2 y2 y3) (* n1 q4) (* n2 q3) (* n3 q2) (* n4 q1))
        (+ (* u2 y2 y4) (* y3 y3) (* n2 q4) (* n3 q3) (* n4 q2))
        (+ (* u2 y3 y4) (* n3 q4) (* n4 q3))
        (+ (* y4 y4) (* n4 q4))))))

;; Tell whether A + B = T. A and B must be known points; T is one then. `l` is the slope.
;; With A = B the slope would be free and T anything, so operands differ in x.
(define-read-only (adds-to (a (buff 64)) (b (buff 64)) (t (buff 64)) (l (buff 32)))
  (let ((ax (xs a)) (ay (ys a)) (bx (xs b)) (by (ys b)) (tx (xs t)) (ty (ys t))
        (ah (hi128 ax)) (al (lo128 ax)) (bh (hi128 bx)) (bl (lo128 bx)) (th (hi128 tx)) (tl (lo128 tx))
        (lh (hi128 l)) (ll (lo128 l))
        (ch (hi128 ay)) (cl (lo128 ay)) (dh (hi128 by)) (dl (lo128 by)) (eh (hi128 ty)) (el (lo128 ty))
        (a0 (bit-and al M56)) (a1 (bit-and (bit-shift-right al u56) M56))
        (a2 (bit-and (+ (bit-shift-right al u112) (bit-shift-left ah u16)) M56))
        (a3 (bit-and (bit-shift-right ah u40) M56)) (a4 (bit-shift-right ah u96))
        (b0 (bit-and bl M56)) (b1 (bit-and (bit-shift-right bl u56) M56))
        (b2 (bit-and (+ (bit-shift-right bl u112) (bit-shift-left bh u16)) M56))
        (b3 (bit-and (bit-shift-right bh u40) M56)) (b4 (bit-shift-right bh u96))
        (t0 (bit-and tl M56)) (t1 (bit-and (bit-shift-right tl u56) M56))
        (t2 (bit-and (+ (bit-shift-right tl u112) (bit-shift-left th u16)) M56))
        (t3 (bit-and (bit-shift-right th u40) M56)) (t4 (bit-shift-right th u96))
        (l0 (bit-and ll M56)) (l1 (bit-and (bit-shift-right ll u56) M56))
        (l2 (bit-and (+ (bit-shift-right ll u112) (bit-shift-left lh u16)) M56))
        (l3 (bit-and (bit-shift-right lh u40) M56)) (l4 (bit-shift-right lh u96))
        (c0 (bit-and cl M56)) (c1 (bit-and (bit-shift-right cl u56) M56))
        (c2 (bit-and (+ (bit-shift-right cl u112) (bit-shift-left ch u16)) M56))
        (c3 (bit-and (bit-shift-right ch u40) M56)) (c4 (bit-shift-right ch u96))
        (d0 (bit-and dl M56)) (d1 (bit-and (bit-shift-right dl u56) M56))
        (d2 (bit-and (+ (bit-shift-right dl u112) (bit-shift-left dh u16)) M56))
        (d3 (bit-and (bit-shift-right dh u40) M56)) (d4 (bit-shift-right dh u96))
        (e0 (bit-and el M56)) (e1 (bit-and (bit-shift-right el u56) M56))
        (e2 (bit-and (+ (bit-shift-right el u112) (bit-shift-left eh u16)) M56))
        (e3 (bit-and (bit-shift-right eh u40) M56)) (e4 (bit-shift-right eh u96)))
    (and (not (is-eq ax bx)) (is-canonical tx) (is-canonical ty)
      ;; l (bx - ax) = by - ay
      (mul-eq l0 l1 l2 l3 l4
              (- (+ PAD0 b0) a0) (- (+ PAD1 b1) a1) (- (+ PAD2 b2) a2) (- (+ PAD3 b3) a3) (- (+ PAD4 b4) a4)
              (- (+ QAD0 d0) c0) (- (+ QAD1 d1) c1) (- (+ QAD2 d2) c2) (- (+ QAD3 d3) c3) (- (+ QAD4 d4) c4))
      ;; l^2 = ax + bx + tx
      (mul-eq l0 l1 l2 l3 l4 l0 l1 l2 l3 l4 (+ a0 b0 t0) (+ a1 b1 t1) (+ a2 b2 t2) (+ a3 b3 t3) (+ a4 b4 t4))
      ;; l (ax - tx) = ay + ty
      (mul-eq l0 l1 l2 l3 l4
              (- (+ PAD0 a0) t0) (- (+ PAD1 a1) t1) (- (+ PAD2 a2) t2) (- (+ PAD3 a3) t3) (- (+ PAD4 a4) t4)
              (+ c0 e0) (+ c1 e1) (+ c2 e2) (+ c3 e3) (+ c4 e4)))))

;; The 33 bytes of a point given as x || y; nothing where y is missing.
(define-read-only (compressed (p (buff 64)))
  (concat (if (is-eq (mod (lo128 (ys p)) u2) u0) 0x02 0x03) (xs p)))

;; The same of up to 31 points at once.
(define-read-only (compressed-all (points (list 31 (buff 64)))) (map compressed points))

;; Tell whether 33 bytes are a point: 02 or 03, then an x on the curve. A signature of the
;; digest 0 whose r and s are x recovers the point itself.
(define-read-only (is-point (p (buff 33)))
  (and (is-eq (len p) u33)
       (or (is-eq (element-at? p u0) (some 0x02)) (is-eq (element-at? p u0) (some 0x03)))
       (is-eq (combined p (x-of p) (concat ZERO16 ZERO16)) (some p))))

;; The commitment to `v` (1 and more) under the blinding `z`; none where there is none.
(define-read-only (committed (v uint) (z (buff 32)))
  (if (is-scalar z)
    (match (secp256k1-recover? z (concat (concat HX (concat ZERO16 (be16 v))) 0x00)) found (some found) code none)
    none))

;; Check a proof that whoever made it knows x with p = x G, bound to `message` (32 bytes).
;; e = SHA-256(tag || p || a || message); a = k G; w = e x - x(p) k modulo n.
;; Anybody may call. Errors: u1101, u1106.
(define-read-only (verify-schnorr-proof (p (buff 33)) (a (buff 33)) (w (buff 32)) (message (buff 32)))
  (begin
    (asserts! (is-scalar w) ERR-SCALAR)
    (asserts! (and (is-eq (len p) u33) (is-eq (len a) u33) (is-eq (len message) u32)) ERR-SCHNORR)
    (asserts! (is-eq (combined p (sha256 (concat (concat (concat SCHNORR-TAG p) a) message)) w) (some a)) ERR-SCHNORR)
    (ok true)))

;; Check that the commitment `c` is to `v`. Where v > 0, `z` is the blinding and `a` empty.
;; No signature has s = 0, so v = 0 is shown by a Schnorr proof (a, z) under c itself of
;; ZERO-MESSAGE, whose secret is -z / r. Anybody may call. Errors: u1100, u1101, u1106.
(define-read-only (verify-proof (c (buff 33)) (v uint) (z (buff 32)) (a (buff 33)))
  (if (is-eq v u0)
    (verify-schnorr-proof c a z ZERO-MESSAGE)
    (begin
      (asserts! (is-scalar z) ERR-SCALAR)
      (asserts! (is-eq a 0x) ERR-OPENING)
      (asserts! (is-eq (committed v z) (some c)) ERR-OPENING)
      (ok true))))

(define-private (sum-step (t {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)}) (acc (response (buff 64) uint)))
  (let ((so-far (try! acc)) (p (get p t)) (s (get s t)))
    (asserts! (on-curve (xs p) (ys p) (get q t)) ERR-POINT)
    (asserts! (if (is-eq so-far 0x) (is-eq s p) (adds-to so-far p s (get l t))) ERR-SUM)
    (ok s)))

;; The sum of 1 to 31 commitments, as 33 bytes. Each step gives the point `p` as x || y,
;; `q` = x^2, the sum so far `s` and the slope `l` that led to it; the first step's s is p.
;; Anybody may call. Errors: u1102, u1103, u1107.
(define-read-only (sum-of (steps (list 31 {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)})))
  (begin
    (asserts! (> (len steps) u0) ERR-COUNT)
    (ok (compressed (try! (fold sum-step steps (ok 0x)))))))

;; Check that 1 to 31 commitments add to `v` under `z` and `a`, as in verify-proof.
;; Answers the sum. Anybody may call. Errors: u1100 to u1103, u1106, u1107.
(define-read-only (verify-sum-proof
    (steps (list 31 {p: (buff 64), q: (buff 32), s: (buff 64), l: (buff 32)}))
    (v uint) (z (buff 32)) (a (buff 33)))
  (let ((sum (try! (sum-of steps))))
    (try! (verify-proof sum v z a))
    (ok sum)))

;; One bit i: either c or d = c - 2^i V is a multiple of B (an OR of two Schnorr proofs
;; whose challenges are an exclusive or apart; CRYPTO '94, Cramer, Damgard, Schoenmakers).
(define-private (range-step
    (t {c: (buff 64), q: (buff 32), d: (buff 64), dl: (buff 32), s: (buff 64), sl: (buff 32),
        e: (buff 32), w0: (buff 32), w1: (buff 32)})
    (acc (response {i: uint, s: (buff 64), eh: uint, el: uint, h: (buff 32)} uint)))
  (let (
    (so-far (try! acc)) (i (get i so-far)) (c (get c t)) (d (get d t)) (s (get s t)) (e (get e t))
    (power (unwrap! (element-at? MINUS-POWERS i) ERR-BITS))
    (short-c (compressed c)) (short-d (compressed d))
    (other (concat (be16 (bit-xor (hi128 e) (get eh so-far))) (be16 (bit-xor (lo128 e) (get el so-far))))))
    (asserts! (on-curve (xs c) (ys c) (get q t)) ERR-POINT)
    (asserts! (adds-to c power d (get dl t)) ERR-SUM)
    (asserts! (if (is-eq i u0) (is-eq s c) (adds-to (get s so-far) c s (get sl t))) ERR-SUM)
    (ok {i: (+ i u1), s: s, eh: (get eh so-far), el: (get el so-far),
         h: (sha256 (concat (concat (concat (concat (get h so-far) short-c) short-d)
              (unwrap! (combined short-c e (get w0 t)) ERR-RANGE))
              (unwrap! (combined short-d other (get w1 t)) ERR-RANGE)))})))

;; Check that the value of the commitment `c` is below 2^bits without learning it, bound
;; to `context` (32 bytes). `e` is the challenge, the hash that the steps end in; the
;; steps are from bit 0 on. Anybody may call. Errors: u1102 to u1106.
(define-read-only (verify-range-proof (c (buff 33)) (context (buff 32)) (e (buff 32)) (bits uint)
    (steps (list 32 {c: (buff 64), q: (buff 32), d: (buff 64), dl: (buff 32), s: (buff 64), sl: (buff 32),
                     e: (buff 32), w0: (buff 32), w1: (buff 32)})))
  (begin
    (asserts! (and (is-some (index-of? (list u16 u20 u32) bits)) (is-eq (len steps) bits)) ERR-BITS)
    (asserts! (is-eq (len e) u32) ERR-SCALAR)
    (asserts! (is-eq (len context) u32) ERR-RANGE)
    (let ((end (try! (fold range-step steps (ok {
            i: u0, s: 0x, eh: (hi128 e), el: (lo128 e),
            h: (sha256 (concat (concat (concat RANGE-TAG (be16 bits)) context) c))})))))
      (asserts! (is-eq (compressed (get s end)) c) ERR-SUM)
      (asserts! (is-eq (get h end) e) ERR-RANGE)
      (ok true))))
