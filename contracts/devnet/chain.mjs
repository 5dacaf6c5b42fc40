// The devnet's chain: a simulation, the pool before it, the blocks behind it, and the
// journal from which all three come back after any end.
//
// What was answered is in the journal first. A transaction that breaks its
// post-conditions cannot be undone in the simulation, so a new one is brought to the
// place before it by the journal. Callers go one at a time: this class must never be
// entered while a promise of it is open.
import { Cl } from "@stacks/transactions";
import { createHash } from "node:crypto";
import { Refused, admit, needs, parse } from "./admission.mjs";
import { Holdings } from "./holdings.mjs";
import { Journal, forget } from "./journal.mjs";
import { Pool } from "./pool.mjs";
import { keeps } from "./postconditions.mjs";
import { Broken, Simulation, hexOf } from "./simulation.mjs";

const FORMAT = 1;
/** Empty blocks made at once: a week and a half of Bitcoin blocks; more in several calls. */
export const MAX_PASS = 20_000;
/** What a transaction answers that failed without answering. */
const FAILED = Cl.error(Cl.none());
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

export class Chain {
  #journal;
  #genesis;
  /** The journal's lines that changed the simulation, for rollbacks. */
  #deeds = [];
  #nonces = new Map();
  pool = new Pool();
  holdings = new Holdings();
  /** txid -> what is known of a transaction. */
  transactions = new Map();
  /** Blocks by height - 1; the first is the genesis block. */
  blocks = [];
  #byHash = new Map();
  /** contract id -> its prints and the assets it moved: [record, event index]. */
  #told = new Map();

  /**
   * The chain of the journal at `path`, or a new one: clock from `time` (Unix seconds),
   * `balances` {address: micro-STX}; `fresh` forgets what was there.
   */
  static async open({ path, time, balances, fresh = false }) {
    const chain = new Chain();
    chain.#journal = new Journal(path);
    if (fresh) {
      chain.#journal.close();
      forget(path);
      chain.#journal = new Journal(path);
    }
    try {
      await chain.#replay(chain.#lines(time, balances));
    } catch (error) {
      chain.close();
      throw error;
    }
    return chain;
  }

  /** The journal's lines, the first of them written where there was none. */
  #lines(time, balances) {
    const lines = this.#journal.read();
    if (lines.length) return lines;
    const amounts = Object.fromEntries(Object.entries(balances).map(([address, amount]) => [address, String(amount)]));
    const genesis = { k: "genesis", format: FORMAT, time, balances: amounts };
    this.#journal.append(genesis);
    return [genesis];
  }

  async #replay([genesis, ...lines]) {
    if (genesis.k !== "genesis" || genesis.format !== FORMAT) throw new Error(`${this.#journal.path} is no journal of this devnet: begin anew with --fresh`);
    this.#genesis = genesis;
    this.simulation = await Simulation.start(genesis.time, genesis.balances);
    this.#close([]);
    for (const [index, line] of lines.entries()) {
      if (line.k === "seen") this.#wait(parse(Buffer.from(line.raw, "hex")), line.at);
      else if (line.k === "pass") this.#pass(line.n, line.burn);
      else {
        const record = this.transactions.get(line.id);
        this.#settle(record, this.#run(record.one, line.bare), line);
        if (this.height !== line.h || record.status !== line.s || record.result !== line.r)
          throw new Error(`${this.#journal.path} does not lead to the same chain at line ${index + 2}: begin anew with --fresh`);
      }
    }
  }

  get height() { return this.simulation.height; }
  get tip() { return this.blocks[this.blocks.length - 1]; }
  get genesisTime() { return this.#genesis.time; }

  nonce(principal) { return this.#nonces.get(principal) ?? 0n; }
  balance(principal) { return this.simulation.balance(principal); }
  contract(id) { return this.simulation.contract(id); }
  pooled(principal, nonce) { return this.pool.at(principal, nonce); }
  block(which) { return typeof which === "string" ? this.#byHash.get(which) : this.blocks[which - 1]; }
  /** [record, event index] of what contract `id` printed and moved, oldest first. */
  told(id) { return this.#told.get(id) ?? []; }

  /** Take a transaction's bytes into the pool; answers its txid. `at` is Unix seconds. Throws Refused. */
  submit(bytes, at) {
    const one = parse(bytes);
    // Somebody who heard no answer sends the same again, and is told the same.
    const known = this.transactions.get(one.txid);
    if (known && known.status !== "dropped_replace_by_fee") return one.txid;
    admit(one, this);
    if (this.pool.isFull) throw new Refused("ServerFailureOther", { message: "the mempool is full" }, one.txid);
    this.#journal.append({ k: "seen", raw: Buffer.from(bytes).toString("hex"), at });
    this.#wait(one, at);
    return one.txid;
  }

  #wait(one, at) {
    const order = this.transactions.get(one.txid)?.order ?? this.transactions.size;
    for (const replaced of this.pool.add(one)) {
      const record = this.transactions.get(replaced.txid);
      Object.assign(record, { status: "dropped_replace_by_fee", replacedBy: one.txid });
    }
    this.transactions.set(one.txid, { one, at, order, status: "pending", events: [] });
  }

  /** Mine up to `most` of what waits, each in a block of its own; answers how many. */
  async mine(most = Infinity) {
    const isDue = (one) => this.nonce(one.origin) === one.nonce && (!one.sponsored || this.nonce(one.payer) === one.payerNonce)
      && this.balance(one.payer) >= needs(one);
    let mined = 0;
    for (let one; mined < most && (one = this.pool.next(isDue)); mined++) await this.#mineOne(one);
    if (mined > 0) this.#journal.sync();
    return mined;
  }

  async #mineOne(one) {
    let done = this.#runOrFall(one), bare = false;
    // A plain transfer has no post-conditions: its amount is all it says.
    if (done.status === "success" && one.deed.kind !== "transfer" && !keeps(one.tx, one.origin, done.events)) {
      await this.#rollBack();
      bare = true;
      done = { ...this.#run(one, true), status: "abort_by_post_condition", result: done.result, costs: done.costs };
    }
    const line = { k: "tx", id: one.txid, bare, s: done.status, r: hexOf(done.result), h: this.height, ...(bare && { costs: done.costs }) };
    this.#journal.append(line);
    this.#settle(this.transactions.get(one.txid), done, line);
  }

  /** Do a transaction's deed; where the simulator falls over, note for the next process that it failed. */
  #runOrFall(one) {
    try { return this.#run(one); } catch (error) {
      if (error instanceof Broken) this.#journal.append({ k: "tx", id: one.txid, bare: true, s: "abort_by_response", r: hexOf(FAILED), h: this.tip.height + 1, error: "the simulator fell over" });
      throw error;
    }
  }

  /** Do a transaction's deed, or with `bare` only take its fee. */
  #run(one, bare = false) {
    const deed = bare || (one.deed.kind === "deploy" && this.contract(`${one.origin}.${one.deed.name}`)) ? undefined : one.deed;
    const done = this.simulation.block(one.payer, one.fee, deed);
    // A name taken while the deployment waited: the simulator falls over, a node aborts.
    return !bare && !deed ? { ...done, status: "abort_by_response", result: FAILED, error: "the contract exists" } : done;
  }

  /** Keep what became of a transaction; a journal's line says so where only the fee was taken. */
  #settle(record, done, line) {
    const { one } = record, said = line.bare ? { ...done, status: line.s, events: [], error: line.error, costs: line.costs } : done;
    this.pool.remove(one);
    this.#nonces.set(one.origin, one.nonce + 1n);
    if (one.sponsored) this.#nonces.set(one.payer, one.payerNonce + 1n);
    this.#deeds.push({ one, bare: line.bare });
    const block = this.#close([one.txid]);
    Object.assign(record, {
      status: said.status, result: line.bare ? line.r : hexOf(said.result), events: said.events, error: said.error, costs: said.costs, block,
    });
    this.holdings.add(record.events);
    record.events.forEach(({ event, data }, index) => {
      const id = event === "print_event" ? data.contract_identifier : data.asset_identifier?.split("::")[0];
      if (!id) return;
      if (!this.#told.has(id)) this.#told.set(id, []);
      this.#told.get(id).push([record, index]);
    });
  }

  /** Bring a new simulation to where the last kept deed left the old one. */
  async #rollBack() {
    this.simulation = await Simulation.start(this.#genesis.time, this.#genesis.balances);
    for (const { one, bare, n, burn } of this.#deeds)
      if (one) this.#run(one, bare);
      else this.simulation.pass(n, burn);
  }

  /** Let `n` empty blocks pass, ten seconds each; ten minutes each with `burn`. */
  pass(n, burn) {
    if (!Number.isSafeInteger(n) || n < 1 || n > MAX_PASS) throw new RangeError(`1 to ${MAX_PASS} blocks at once`);
    this.#journal.append({ k: "pass", n, burn });
    this.#pass(n, burn);
  }

  /** Let time pass until the clock shows `time` (Unix seconds), by Bitcoin blocks and then by others. */
  passUntil(time) {
    const gap = () => time - this.simulation.time;
    for (let n; (n = Math.min(MAX_PASS, Math.floor(gap() / 600))) > 0;) this.pass(n, true);
    if (gap() > 0) this.pass(Math.ceil(gap() / 10), false);
  }

  #pass(n, burn) {
    const { height: before, time, burnHeight } = this.simulation;
    this.simulation.pass(n, burn);
    this.#deeds.push({ n, burn });
    const made = this.height - before, span = (this.simulation.time - time) / made;
    for (let i = 1; i <= made; i++)
      this.#close([], { height: before + i, time: time + Math.round(i * span), burnHeight: burn ? burnHeight + i : burnHeight });
  }

  /** Close a block over `txids`; its hash covers all before it. */
  #close(txids, { height, time, burnHeight } = this.simulation) {
    const parent = this.tip?.hash ?? `0x${"0".repeat(64)}`;
    const hash = `0x${sha256(parent, `${height}|${burnHeight}|${time}|`, ...txids)}`;
    const block = { height, hash, parent, time, burnHeight, burnHash: `0x${sha256("burn", String(burnHeight))}`, txids };
    this.blocks[height - 1] = block;
    this.#byHash.set(hash, block);
    return block;
  }

  close() { this.#journal.close(); }
}
