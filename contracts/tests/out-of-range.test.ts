// Every public function with every argument at the edges of its type: an answer of the
// promised shape always comes, and nothing is allowed that nobody meant to allow. The
// functions and their arguments are those the deployed contracts say they have.
import { Cl, type ClarityValue } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { everything } from "./everything";
import { DAY, EXPORT, NETWORK } from "./sealed";
import { type Answer, Chain, filled } from "./support";
import { meterOf, publicOf } from "./world";

const MOST = (1n << 128n) - 1n;
/** Vectors of one function at most: beyond that, one argument at a time is varied. */
const VECTORS = 81;

type Type = string | Record<string, any>;
type Public = { contract: string; name: string; access: string; args: { name: string; type: Type }[] };

let chain: Chain;
let known: Record<string, ClarityValue>, evidence: ClarityValue[];

/** What stands for an argument that is not at an edge: something that is there. */
const usuals: Record<string, () => ClarityValue[]> = {
  meter: () => [Cl.buffer(meterOf(1))], network: () => [Cl.buffer(NETWORK)], key: () => [Cl.buffer(publicOf(9))],
  register: () => [Cl.uint(EXPORT)], kind: () => [Cl.uint(1), Cl.uint(2)], number: () => [Cl.uint(1), Cl.uint(2)],
  most: () => [Cl.uint(10n ** 12n)], role: () => [Cl.stringAscii("tester")], cell: () => [Cl.stringAscii("north")],
  from: () => [Cl.uint(chain.now() + DAY), Cl.uint(900)], to: () => [Cl.uint(chain.now() + 2 * DAY), Cl.uint(1800)],
  price: () => [Cl.uint(1_000)], "price-micro-per-kwh": () => [Cl.uint(1_000)], bond: () => [Cl.uint(2_000_000)],
  header: () => evidence.slice(0, 1), signature: () => evidence.slice(1, 2), index: () => evidence.slice(2, 3),
  path: () => evidence.slice(3, 4), root: () => evidence.slice(4, 5),
};

/** The edges of a type after one or more values that may well be right. */
function edges(type: Type, name: string, usual = usuals[name]?.()): ClarityValue[] {
  if (type === "uint128") return [...usual ?? [Cl.uint(1)], Cl.uint(0), Cl.uint(MOST)];
  if (type === "bool") return [Cl.bool(true), Cl.bool(false)];
  if (type === "principal") return ["wallet", "own", "itself"].map((who) => known[who]);
  if (type === "trait_reference") return [known.coin];
  if (typeof type === "string") throw new Error(`a type without edges: ${type}`);
  if (type.optional !== undefined) return [Cl.none(), ...edges(type.optional, name).map((value) => Cl.some(value))];
  if (type.buffer) return [...usual ?? [Cl.buffer(filled(7, type.buffer.length))], Cl.bufferFromHex(""), Cl.buffer(filled(255, type.buffer.length))];
  if (type["string-ascii"]) return [...usual ?? [Cl.stringAscii("a")], Cl.stringAscii(""), Cl.stringAscii("~".repeat(type["string-ascii"].length))];
  if (type["string-utf8"]) return [Cl.stringUtf8("a"), Cl.stringUtf8(""), Cl.stringUtf8("\u{10ffff}".repeat(type["string-utf8"].length))];
  if (type.list) {
    const of = edges(type.list.type, "");
    return [...usual ?? [Cl.list([of[0]])], Cl.list([]), ...of.slice(1).map((value) => Cl.list(Array(type.list.length).fill(value)))];
  }
  if (type.response) return [];
  const fields: { name: string; type: Type }[] = type.tuple;
  const of = fields.map((field) => edges(field.type, field.name, usual && [(usual[0] as any).value[field.name]]));
  const whole = (at: (all: ClarityValue[], i: number) => ClarityValue) =>
    Cl.tuple(Object.fromEntries(fields.map((field, i) => [field.name, at(of[i], i)])));
  const singles = of.flatMap((all, i) => all.slice(1).map((value) => whole((others, j) => (i === j ? value : others[0]))));
  return [whole((all) => all[0]), ...singles, whole((all) => all[all.length - 2]), whole((all) => all[all.length - 1])];
}

/** All combinations while they are few, else each argument's edges beside usual, least and most others. */
function vectors(all: ClarityValue[][], many: boolean): ClarityValue[][] {
  if (many && all.reduce((count, values) => count * values.length, 1) <= VECTORS)
    return all.reduce<ClarityValue[][]>((rows, values) => rows.flatMap((row) => values.map((value) => [...row, value])), [[]]);
  const picks: ((values: ClarityValue[]) => ClarityValue)[] = [(values) => values[0], (values) => values[1] ?? values[0],
    (values) => values[Math.max(0, values.length - 2)], (values) => values[values.length - 1]];
  return (many ? picks : picks.slice(0, 1)).flatMap((pick) => {
    const row = all.map(pick);
    return [row, ...all.flatMap((values, i) => values.map((value) => row.map((old, j) => (i === j ? value : old))))];
  });
}

/** What ends, takes away or stops something comes after what needs it. */
const ENDS = [/ (cancel|settle|close|return|remove|freeze|hold|decide|finalise|resolve|withdraw|set-)/, / (expire|revoke|deauthorise|verify-user|unlock|unstake|slash|burn|retire|accept)/, /^roles /];
const rank = ({ contract, name }: Public) => ENDS.findLastIndex((ending) => ending.test(`${contract} ${name}`));

function functions(access: string): Public[] {
  const found: Public[] = [];
  for (const [id, contract] of chain.simnet.getContractsInterfaces())
    if (id.startsWith(`${chain.deployer}.`) && !id.endsWith(".coin"))
      for (const of of contract.functions)
        if (of.access === access) found.push({ contract: id.split(".")[1], name: of.name, access, args: of.args as Public["args"] });
  const name = (of: Public) => `${of.contract} ${of.name}`;
  return found.sort((a, b) => rank(a) - rank(b) || (name(a) < name(b) ? -1 : 1));
}

beforeAll(async () => {
  const made = await everything();
  ({ chain, evidence } = made);
  known = { wallet: Cl.principal(chain.wallet(1)), own: Cl.principal(chain.deployer), itself: Cl.principal(chain.contract("marketplace")), coin: Cl.principal(made.coin) };
});

type Seen = { of: Public; args: ClarityValue[]; answer?: Answer; thrown?: string };
const told = ({ of, args, thrown }: Seen) => `${of.contract}.${of.name}(${args.map((arg) => Cl.prettyPrint(arg).slice(0, 60)).join(", ")})${thrown ? `: ${thrown}` : ""}`;

function attempt(of: Public, args: ClarityValue[], sender: string): Seen {
  try {
    const answer = of.access === "public" ? chain.call(of.contract, of.name, args, sender) : { result: chain.read(of.contract, of.name, args, sender), events: [] };
    if (of.name === "pause" && answer.result.type === "ok") chain.call("roles", "resume", args);
    return { of, args, answer };
  } catch (error) {
    return { of, args, thrown: String(error).replaceAll("\n", " ").slice(-200) };
  }
}
const sweep = (sender: string, many = false, access = "public"): Seen[] =>
  functions(access).flatMap((of) => vectors(of.args.map((arg) => edges(arg.type, arg.name)), many).map((args) => attempt(of, args, sender)));
const lost = (seen: Seen[]) => seen.filter((one) => one.thrown !== undefined).map(told);
const allowed = (seen: Seen[]) => seen.filter((one) => one.answer?.result.type === "ok");

/** Whether an argument is at an edge: "most", "zero" or "empty". */
function edge(value: ClarityValue): string | null {
  if (value.type === "uint") return BigInt(value.value) === MOST ? "most" : BigInt(value.value) === 0n ? "zero" : null;
  if (value.type === "some") return edge(value.value);
  return ["0x", '""', 'u""', "(list)"].includes(Cl.prettyPrint(value).trim()) ? "empty" : null;
}
/** "contract.function argument edge" of what was allowed. */
const granted = (seen: Seen[]) => [...new Set(allowed(seen).flatMap(({ of, args }) =>
  args.flatMap((arg, i) => edge(arg) ? [`${of.contract}.${of.name} ${of.args[i].name} ${edge(arg)}`] : [])))].sort();

/** What may stand at an edge, and why nothing comes of it. */
const MEANT = new Set([
  // An amount in the unit of the action, kept as told.
  "audit-log.append-entry amount most", "audit-log.append-entry amount zero",
  // A court may find that nothing is owed; an owner ends a permission, or never does.
  "billing.correct-bill amount zero", "billing.let-provider until most", "billing.let-provider until zero",
  // What was delivered is counted up to what was ordered; a trade's number is looked up when it settles.
  "energy-oracle.confirm-delivery trade most", "energy-oracle.confirm-delivery trade zero",
  "energy-oracle.confirm-delivery delivered most", "energy-oracle.confirm-delivery delivered zero",
  "trade-escrow.decide-trade delivered most", "trade-escrow.decide-trade delivered zero",
  // Numbers that only name a place, a first revision, a time long ago.
  "energy-token.mint meter-point zero", "energy-token.mint register zero", "energy-token.mint revision zero", "energy-token.mint from zero",
  "energy-token.retire from zero", "user-registry.revoke-meter anchored zero",
  // Offers count from 0.
  "marketplace.cancel-offer number zero", "marketplace.return-offer number zero", "marketplace.return-offer quantity zero",
  "marketplace.take-offer number zero", "marketplace.update-offer number zero", "trade-escrow.open-trade offer zero",
  // The most somebody would pay.
  "marketplace.buy-energy-from-user most most", "trade-escrow.open-trade most most", "payment.pay-quoted most most",
  // Nothing is a rate, a fee, a parameter and a production; a parameter may wait for ever.
  "marketplace.set-commission-rate rate zero", "marketplace.set-refund-rate rate zero", "producer-certification.set-certification-fee amount zero",
  "governance.propose value zero", "parameters.set-parameter value zero", "parameters.set-parameter from most",
  "producer-certification.record-production energy zero",
]);
/** What a stranger may do with what is its own. */
const OPEN = new Set(["marketplace.fund-refunds", "reputation.stake", "reputation.request-unstake", "user-registry.register-consumer",
  "user-registry.register-producer", "user-registry.register-provider", "user-registry.request-meter", "user-registry.set-profile"]);

describe("arguments at the edges of their types", () => {
  it("never end a call without an answer, whoever calls", () => {
    const callers = [chain.deployer, ...[1, 4, 6].map((index) => chain.wallet(index))];
    const seen = callers.flatMap((caller, i) => sweep(caller, i === 0));
    expect(seen.length).toBeGreaterThan(5_000);
    expect(lost(seen)).toEqual([]);
    expect(granted(seen).filter((one) => !MEANT.has(one))).toEqual([]);
  });
  it("nor a question", () => {
    const seen = sweep(chain.deployer, false, "read_only");
    expect(lost(seen)).toEqual([]);
  });
  it("open nothing to a stranger", () => {
    const seen = sweep(chain.wallet(8));
    expect(lost(seen)).toEqual([]);
    expect([...new Set(allowed(seen).map(({ of }) => `${of.contract}.${of.name}`))].filter((one) => !OPEN.has(one))).toEqual([]);
  });
});
