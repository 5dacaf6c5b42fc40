// The simulated chain itself: what a block may do to it, and what can be read from it.
//
// Everything here follows from its arguments alone, so the same deeds in the same order
// give the same chain: that is what restarts and rollbacks rest on. It must never decide
// who may do what; signatures, nonces and post-conditions are judged before and after.
import { getSDK } from "@stacks/clarinet-sdk";
import { Cl, serializeCV } from "@stacks/transactions";

const EPOCH = "3.4";
/** Where fees go: the address nobody has the key of. */
const SINK = "ST000000000000000000002AMW42H";
/** The simulator takes amounts as doubles, which are exact up to here. */
export const MAX_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);
const MAX_ERROR = 600;

/** The simulator fell over, and with it every one of this process: only a new process helps. */
export class Broken extends Error {}

/** Run `work` while the simulator, which starts its clock by Date, sees one fixed time. */
async function at(seconds, work) {
  const Real = globalThis.Date;
  globalThis.Date = class extends Real {
    constructor(...given) { super(...(given.length ? given : [seconds * 1000])); }
    static now() { return seconds * 1000; }
  };
  try { return await work(); } finally { globalThis.Date = Real; }
}

/** Run `work` without what the simulator writes to the console: failures are answered, not shouted. */
function quietly(work) {
  const { error, log } = console;
  console.error = console.log = () => {};
  try { return work(); } catch (thrown) {
    throw thrown instanceof WebAssembly.RuntimeError ? new Broken(reason(thrown)) : thrown;
  } finally { Object.assign(console, { error, log }); }
}

const typed = (raw) => ({ event: raw.event, data: raw.data });
const reason = (error) => String(error?.message ?? error).slice(0, MAX_ERROR);

/** What `look` finds; undefined where the simulator says there is nothing. */
function found(look) {
  try { return quietly(look); } catch (error) {
    if (error instanceof Broken || !/value not found/.test(String(error))) throw error;
    return undefined;
  }
}

export class Simulation {
  #simnet;
  #interfaces;

  /** A chain whose clock begins at `time` (Unix seconds) with `balances`: {address: micro-STX}. */
  static async start(time, balances) {
    const simulation = new Simulation();
    simulation.#simnet = await at(time, async () => {
      const simnet = await getSDK({ trackCosts: true, trackCoverage: false });
      await simnet.initEmptySession({ enabled: false });
      simnet.setEpoch(EPOCH);
      return simnet;
    });
    for (const [address, amount] of Object.entries(balances)) simulation.#simnet.mintSTX(address, BigInt(amount));
    return simulation;
  }

  get height() { return this.#simnet.stacksBlockHeight; }
  get burnHeight() { return this.#simnet.burnBlockHeight; }
  get time() { return Number(this.#simnet.getBlockTime()); }

  /**
   * Make one block: `payer` pays `fee` micro-STX, then `deed` is done, if any: {kind:
   * "transfer", from, to, amount}, {kind: "call", from, contract, name, args} or {kind:
   * "deploy", from, name, code, version}. A deed that fails leaves the fee paid.
   * Answers {status, result, events, costs, error}.
   */
  block(payer, fee, deed) {
    const parts = [{ transferSTX: { amount: Number(fee), recipient: SINK, sender: payer } }];
    if (deed) parts.push(this.#part(deed));
    try {
      const [, done] = quietly(() => this.#simnet.mineBlock(parts));
      if (deed?.kind === "deploy") this.#interfaces = undefined;
      if (!done) return { status: "success", result: Cl.ok(Cl.bool(true)), events: [] };
      const { result, events, costs } = done;
      const failed = result.type === "err" || (deed.kind === "transfer" && result.type !== "ok");
      // A contract's deployment answers the value of its last expression, a transaction (ok true).
      const answer = deed.kind === "deploy" ? Cl.ok(Cl.bool(true)) : result;
      return { status: failed ? "abort_by_response" : "success", result: answer, events: failed ? [] : events.map(typed), costs: costs?.total };
    } catch (error) {
      if (error instanceof Broken) throw error;
      return { status: "abort_by_response", result: Cl.error(Cl.none()), events: [], error: reason(error) };
    }
  }

  #part(deed) {
    const sender = deed.from;
    switch (deed.kind) {
      case "transfer": return { transferSTX: { amount: Number(deed.amount), recipient: deed.to, sender } };
      case "call": return { callPublicFn: { contract: deed.contract, method: deed.name, args: deed.args, sender } };
      case "deploy": return { deployContract: { name: deed.name, content: deed.code, options: { clarityVersion: deed.version }, sender } };
      default: throw new Error(`a block knows no ${deed.kind}`);
    }
  }

  /** Make `count` empty blocks, ten seconds each; ten minutes each with `burn`. */
  pass(count, burn) {
    quietly(() => (burn ? this.#simnet.mineEmptyBurnBlocks(count) : this.#simnet.mineEmptyStacksBlocks(count)));
  }

  /** micro-STX held by a principal. */
  balance(principal) { return this.#simnet.getAssetsMap().get("STX")?.get(principal) ?? 0n; }

  /** The interface of contract `id`; undefined where there is none. */
  contract(id) {
    this.#interfaces ??= this.#simnet.getContractsInterfaces();
    return this.#interfaces.get(id);
  }

  source(id) { return this.contract(id) && this.#simnet.getContractSource(id); }

  /** What a read-only function answers; throws an Error that says why it cannot. */
  read(id, name, args, sender) {
    return quietly(() => this.#simnet.callReadOnlyFn(id, name, args, sender)).result;
  }

  /** A data variable's value; undefined where there is none. */
  variable(id, name) { return found(() => this.#simnet.getDataVar(id, name)); }

  /** A map's entry as (some ...), none where the key has none. */
  entry(id, name, key) { return found(() => this.#simnet.getMapEntry(id, name, key)) ?? Cl.none(); }
}

/** A Clarity value's consensus bytes as 0x and hex. */
export const hexOf = (value) => `0x${serializeCV(value).replace(/^0x/, "")}`;
