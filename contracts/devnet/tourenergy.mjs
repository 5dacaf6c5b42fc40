// The tour's chapters about who takes part and what was produced: registration,
// certification, meters, anchors, and energy minted by id and by epoch.
import { Cl, cvToHex, privateKeyToPublic } from "@stacks/transactions";
import { buffers, bytes, hash, plain, recoverable, sha256, u, value } from "./walk.mjs";

export const EXPORT = 0x0100020800ffn;
export const IMPORT = 0x0100010800ffn;
export const WH = ["energy-token", "energy"];
export const STEP = 900;
export const owner = ({ address }) => Cl.principal(address);
const later = (to, step) => Math.ceil(to / step) * step;

/** Everything a contract wants of a seal: header, signature, and its place in the anchored log. */
export async function proofOf({ devices, anchored }, seal, key) {
  const { path } = await devices.ask("prove", { index: seal.index });
  return { header: value(seal.header), signature: recoverable(seal.hash, seal.signature, key), place: [u(seal.index), buffers(path), Cl.bufferFromHex(anchored)] };
}

/** Anchor the log as it is. */
export async function anchor(scene) {
  const { size, root } = await scene.devices.ask("checkpoint");
  await scene.walk.call(scene.oracle, "energy-oracle.anchor", [u(size), Cl.bufferFromHex(root)], { note: `${size} entries` });
  scene.anchored = root;
}

export async function network({ walk, admin, oracle, certifier, arbiter, trustees, networkId }) {
  walk.chapter("The network, and who holds which role");
  await walk.call(admin, "user-registry.set-network", [Cl.bufferFromHex(networkId)]);
  await walk.call(admin, "trade-escrow.set-treasury", [owner(admin)]);
  await walk.call(admin, "energy-oracle.offer-oracle", [owner(oracle)]);
  await walk.call(oracle, "energy-oracle.accept-oracle", []);
  await walk.call(admin, "producer-certification.authorise-certifier", [owner(certifier), u(3)]);
  await walk.call(admin, "roles.grant", [Cl.stringAscii("arbiter"), owner(arbiter)]);
  const keys = trustees.map((one) => Cl.bufferFromHex(privateKeyToPublic(one.key)));
  await walk.call(admin, "usage-aggregation.set-trustees", keys);
  await walk.call(oracle, "roles.grant", [Cl.stringAscii("registrar"), owner(oracle)], { refused: 10, note: "only the admin hands roles out" });
}

export async function users({ walk, admin, seller, neighbour, buyer, home, provider }) {
  walk.chapter("Users register, and the registrar verifies them");
  const parts = [[seller, "producer"], [neighbour, "producer"], [buyer, "consumer"], [home, "consumer"], [provider, "provider"]];
  for (const [who, part] of parts) await walk.call(who, `user-registry.register-${part}`, [hash(`profile of ${who.name}`)]);
  await walk.call(buyer, "user-registry.register-consumer", [hash("again")], { refused: 102, note: "once each" });
  for (const [who] of parts) await walk.call(admin, "user-registry.verify-user", [owner(who), Cl.bool(true)]);
}

export async function certify({ walk, seller, neighbour, certifier, oracle }) {
  walk.chapter("Producers are certified for their capacity");
  for (const [who, watts] of [[seller, 9_800], [neighbour, 5_000]]) {
    await walk.call(who, "producer-certification.apply-for-certification", [u(watts), Cl.stringAscii("solar")], { moves: [walk.sends(who, 1_000_000)] });
    await walk.call(certifier, "producer-certification.certify-producer", [owner(who)]);
  }
  await walk.later(3_600, "an hour of sun");
  const to = await walk.now() - 60;
  await walk.call(oracle, "producer-certification.record-production", [owner(seller), u(5_000), u(to - 3_000), u(to)]);
  await walk.call(oracle, "producer-certification.record-production", [owner(seller), u(900_000), u(to), u(to + 30)], { refused: 209, note: "no panel makes so much" });
}

export async function meters(scene) {
  const { walk, devices, admin, seller, neighbour, home } = scene;
  walk.chapter("Meters are bound by registrar, owner and seal key together; their seals by our Python");
  scene.keys = {};
  for (const [who, name] of [[seller, "panel"], [neighbour, "roof"], [home, "house"]]) {
    const { meter, key } = await devices.ask("meter", { meter: name });
    await walk.call(who, "user-registry.request-meter", [Cl.bufferFromHex(meter), Cl.bufferFromHex(key), Cl.bool(false), u(1)]);
    const { signature } = await devices.ask("bind", { meter: name, owner: cvToHex(owner(who)).replace("0x", ""), from: 1 });
    const digest = await walk.read("user-registry.binding-hash", [Cl.bufferFromHex(meter), owner(who), u(1)]);
    await walk.call(admin, "user-registry.bind-meter", [Cl.bufferFromHex(meter), owner(who), recoverable(plain(digest), signature, key)]);
    scene.keys[name] = { meter: Cl.bufferFromHex(meter), key };
  }
}

/** A seal's readings as a contract takes them. */
export const readingsOf = (seal) => seal.records.map(({ record, salt, path }) => ({
  record: Cl.tuple(Object.fromEntries(Object.entries(record).map(([name, number]) => [name, u(number)]))), salt: Cl.bufferFromHex(salt), path: buffers(path),
}));

async function minted(scene, from) {
  const { walk, oracle, seller } = scene;
  const slot = (n, wh, revision = 0) => [owner(seller), u(1), u(EXPORT), u(from + n * STEP), u(from + (n + 1) * STEP), u(revision), u(wh)];
  for (const n of [0, 1]) await walk.call(oracle, "energy-token.mint", slot(n, 20_000));
  await walk.call(oracle, "energy-token.mint", slot(1, 20_000), { refused: 305, note: "a slot is minted once for ever" });
  await walk.call(oracle, "energy-token.mint", slot(1, 500, 1), { note: "a revision posts what is more" });
  const id = plain(await walk.read("energy-token.mint-id", [u(1), u(EXPORT), u(from + STEP)]));
  await walk.call(oracle, "energy-token.reverse", [Cl.bufferFromHex(id), u(1), u(500)], { moves: [walk.sends(seller, 500, WH)] });
  await walk.call(seller, "energy-token.retire", [u(1_000), hash("consumed by a neighbour"), u(from), u(from + STEP)], { moves: [walk.sends(seller, 1_000, WH)] });
}

const leafOf = (walk, claim) => sha256(Uint8Array.of(0), bytes(cvToHex(Cl.tuple({ contract: Cl.principal(walk.contract("energy-token")), ...claim }))));

async function claimed(scene, from) {
  const { walk, oracle, seller, neighbour, buyer } = scene;
  const claims = [seller, neighbour].map((who, index) => ({
    epoch: u(1), index: u(index), owner: owner(who), "meter-point": u(20 + index), register: u(EXPORT), from: u(from), to: u(from + 3_600), wh: u(6_000 + index),
  }));
  const leaves = claims.map((claim) => leafOf(walk, claim)), root = sha256(Uint8Array.of(1), ...leaves);
  await walk.call(oracle, "energy-token.post-epoch", [u(1), Cl.buffer(root), u(2), u(12_001)], { note: "one transaction for any number of producers" });
  const args = ({ epoch, index, owner: who, register, from: begin, to, wh, ...rest }, path) => [epoch, index, who, rest["meter-point"], register, begin, to, wh, path];
  for (const [index, claim] of claims.entries()) await walk.call(buyer, "energy-token.claim", args(claim, Cl.list([Cl.buffer(leaves[1 - index])])), { note: "pays only the owner" });
  await walk.call(buyer, "energy-token.claim", args(claims[0], Cl.list([Cl.buffer(leaves[1])])), { refused: 311, note: "paid before" });
  await walk.call(buyer, "energy-token.claim", args({ ...claims[0], wh: u(6_001) }, Cl.list([Cl.buffer(leaves[1])])), { refused: 310, note: "not in the root" });
}

export async function energy(scene) {
  const { walk, devices, seller, keys } = scene;
  walk.chapter("Readings are anchored and checked; energy is minted by id and by epoch claim");
  const from = later(await walk.now(), STEP);
  await walk.until(from + 3_600, "four quarter hours are metered");
  const seal = await devices.ask("seal", { meter: "panel", register: "export", first: from, deltas: [500, 600, 700, 800], revision: 0 });
  await anchor(scene);
  const { header, signature, place } = await proofOf(scene, seal, keys.panel.key);
  const [first] = readingsOf(seal), leaf = await walk.read("seals.log-leaf", [header, signature]);
  await walk.see("energy-oracle.verify-inclusion", [leaf, ...place], true, "the seal is in the anchored log");
  await walk.see("energy-oracle.verify-reading", [header, signature, first.record, first.salt, first.path], (found) => found.hash === seal.hash && found.owner === seller.address, "a reading sealed by Python, checked by the contract");
  await minted(scene, from);
  await claimed(scene, from);
  await walk.see("energy-token.get-balance", [owner(seller)], 45_000n, "the seller holds 45,000 Wh");
}
