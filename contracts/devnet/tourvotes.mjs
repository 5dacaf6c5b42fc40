// The tour's last chapters: proposals, votes and what they change; key rotation while
// paused; and the audit log, whose hashes are computed again here.
import { Cl, cvToHex } from "@stacks/transactions";
import { bytes, hash, plain, recoverable, sha256, u } from "./walk.mjs";

const DAY = 86_400;
const [FEE, PARAMETER] = [2, 3];
const [TOKENS, MEMBERS] = [1, 2];
const VOTE = 3 * DAY;
const TIMELOCK = 2 * DAY;
const UTILITY = ["utility-token", "utility"];
const PAGE = 10;

async function byMembers({ walk, seller, buyer, home, neighbour }) {
  const { value } = await walk.call(buyer, "governance.propose", [u(FEE), u(MEMBERS), hash("half a per cent is enough"), Cl.stringAscii("trade-fee"), u(50), Cl.none()]);
  const number = u(plain(value));
  for (const [who, yes] of [[buyer, true], [home, true], [neighbour, true], [seller, false]]) await walk.call(who, "governance.vote", [number, Cl.bool(yes), u(1)]);
  await walk.call(home, "governance.vote", [number, Cl.bool(true), u(1)], { refused: 906, note: "one member, one vote" });
  await walk.call(home, "governance.execute", [number], { refused: 908, note: "the vote and its timelock" });
  return number;
}

async function byTokens({ walk, admin, home }) {
  await walk.call(admin, "parameters.set-parameter", [Cl.stringAscii("quorum-tokens"), u(1_000_000), u(await walk.now() + 60)], { note: "one token, for the tour" });
  await walk.later(100, "the quorum holds");
  const { value } = await walk.call(home, "governance.propose", [u(PARAMETER), u(TOKENS), hash("twice the reward"), Cl.stringAscii("reward-rate"), u(200), Cl.none()]);
  const number = u(plain(value));
  await walk.call(home, "governance.vote", [number, Cl.bool(true), u(1_000_000)], { moves: [walk.sends(home, 1_000_000, UTILITY)], note: "the tokens are locked" });
  await walk.call(home, "governance.unlock", [number], { refused: 908, note: "until the vote ends" });
  return number;
}

export async function governance(scene) {
  const { walk, home } = scene;
  walk.chapter("Members and tokens vote; what passed changes one parameter after its timelock");
  const members = await byMembers(scene), tokens = await byTokens(scene);
  await walk.later(VOTE + TIMELOCK + 600, "three days to vote, two to leave");
  for (const number of [members, tokens]) await walk.call(home, "governance.execute", [number]);
  await walk.call(home, "governance.execute", [members], { refused: 910, note: "once" });
  await walk.call(home, "governance.unlock", [tokens], { moves: [walk.sends("governance", 1_000_000, UTILITY)] });
  await walk.see("parameters.get-parameter", [Cl.stringAscii("trade-fee")], 50n, "the fee is half a per cent");
  await walk.see("parameters.get-parameter", [Cl.stringAscii("reward-rate")], 200n, "the reward is two per cent");
}

async function rotated({ walk, devices, admin, seller, keys }) {
  const room = Cl.principal(walk.contract("user-registry")), { panel } = keys, from = 100;
  await walk.call(admin, "roles.pause", [room]);
  await walk.call(seller, "user-registry.register-consumer", [hash("late")], { refused: 101, note: "paused" });
  const turn = await devices.ask("rotate", { meter: "panel", from }), key = Cl.bufferFromHex(turn.key);
  const digest = plain(await walk.read("user-registry.rotation-hash", [panel.meter, key, u(from)]));
  const signatures = [recoverable(digest, turn.old, panel.key), recoverable(digest, turn.new, turn.key)];
  await walk.call(seller, "user-registry.rotate-meter-key", [panel.meter, key, Cl.bool(false), u(from), ...signatures], { note: "also while paused; both keys signed" });
  await walk.call(admin, "roles.resume", [room]);
}

export async function audit(scene) {
  const { walk } = scene;
  walk.chapter("A key is rotated while paused, and the audit log is read and checked");
  await rotated(scene);
  const size = Number(plain(await walk.read("audit-log.get-size")));
  let prev = Buffer.from(sha256("meterseal/audit/v1")).toString("hex");
  for (let from = 0; from < size; from += PAGE) {
    const page = await walk.read("audit-log.get-entries", [u(from)]);
    for (const entry of page.value) {
      const { hash: said, ...rest } = entry.type === "some" ? entry.value.value : entry.value;
      if (rest.prev.value !== prev || said.value !== Buffer.from(sha256(bytes(cvToHex(Cl.tuple(rest))))).toString("hex")) throw new Error("the audit log's hashes do not chain");
      prev = said.value;
    }
  }
  await walk.see("audit-log.get-head", [], prev, `${size} entries, each hash over the one before, the last as the contract says`);
  const { balance } = await walk.get(`/v2/accounts/${walk.contract("trade-escrow")}`);
  if (BigInt(balance) !== 0n) throw new Error("the escrow kept money");
  walk.say("the escrow's account is empty");
}
