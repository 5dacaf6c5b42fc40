// How the tour walks: wallets that sign, a node they talk to over HTTP, and a line for
// each transaction. It must never reach a chain but through the node's RPC.
import { Cl, Pc, PostConditionMode, broadcastTransaction, cvToHex, deserializeCV, fetchCallReadOnlyFunction, fetchNonce, makeContractCall, makeContractDeploy, publicKeyFromSignatureRsv } from "@stacks/transactions";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { createHash } from "node:crypto";

/** Bytes of a transaction around what it carries, post-conditions among them. */
const AROUND = 900;
export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
export const bytes = (hex) => Uint8Array.from(Buffer.from(hex.replace(/^0x/, ""), "hex"));
export const hash = (text) => Cl.buffer(sha256(text));
export const u = (number) => Cl.uint(number);
export const buffers = (hexes) => Cl.list(hexes.map((one) => Cl.bufferFromHex(one)));
export const value = (hex) => deserializeCV(hex);

/** A Clarity value as plain JavaScript: numbers as bigint, buffers as hex, none as null. */
export function plain(cv) {
  switch (cv.type) {
    case "uint": case "int": return BigInt(cv.value);
    case "true": return true;
    case "false": return false;
    case "none": return null;
    case "some": case "ok": case "err": return plain(cv.value);
    case "list": return cv.value.map(plain);
    case "tuple": return Object.fromEntries(Object.entries(cv.value).map(([key, inner]) => [key, plain(inner)]));
    default: return cv.value;
  }
}

/** A step that did not end as it should. */
export class Stumbled extends Error {}

export class Walk {
  #steps = 0;
  constructor(url, deployer, print) {
    Object.assign(this, { url, deployer, print, client: { baseUrl: url } });
  }

  get steps() { return this.#steps; }

  async get(path, init) {
    const response = await fetch(`${this.url}${path}`, init);
    if (!response.ok) throw new Stumbled(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  contract(name) { return name.includes(".") ? name : `${this.deployer}.${name}`; }
  chapter(title) { this.print(`\n${title}`); }
  say(what) { this.print(`     ${what}`); }

  async now() { return (await this.get("/devnet")).time; }
  async mine(query = "") { return this.get(`/devnet/mine${query}`, { method: "POST" }); }
  /** Let the chain's clock show `time` (Unix seconds) or later. */
  async until(time, why) {
    await this.mine(`?until=${time}`);
    this.say(`time passes until ${new Date(time * 1000).toISOString().slice(0, 16)}Z: ${why}`);
  }
  async later(seconds, why) { await this.until((await this.now()) + seconds, why); }

  /**
   * Sign a call of `what` ("contract.function"), send it, see it mined. `moves` are its
   * post-conditions in Deny mode: nothing else may move. `refused` is the error code it
   * has to end with; `broken`, that its post-conditions have to stop it. Answers {value,
   * txid, events}.
   */
  async call(who, what, args, { moves = [], refused, broken = false, note = "" } = {}) {
    const [, contract, functionName] = what.match(/^(.+)\.([^.]+)$/), [contractAddress, contractName] = this.contract(contract).split(".");
    const tx = await makeContractCall({ contractAddress, contractName, functionName, functionArgs: args, postConditions: moves, ...(await this.#signed(who, args)) });
    const wanted = broken ? "abort_by_post_condition" : refused ? "abort_by_response" : "success";
    return this.#send(who, tx, { what, note, wanted, answer: refused && `(err u${refused})` });
  }

  async deploy(who, contractName, codeBody) {
    const { fee, ...signed } = await this.#signed(who, []);
    const tx = await makeContractDeploy({ contractName, codeBody, clarityVersion: 5, ...signed, fee: fee + codeBody.length });
    return this.#send(who, tx, { what: `deploy ${contractName}`, note: "", wanted: "success" });
  }

  async #signed(who, args) {
    const fee = AROUND + args.reduce((sum, arg) => sum + cvToHex(arg).length / 2, 0);
    const nonce = await fetchNonce({ address: who.address, client: this.client });
    return { senderKey: who.key, network: "testnet", client: this.client, nonce, fee: Math.ceil(fee), postConditionMode: PostConditionMode.Deny };
  }

  async #send(who, transaction, { what, note, wanted, answer }) {
    const sent = await broadcastTransaction({ transaction, network: "testnet", client: this.client });
    if (sent.error) throw new Stumbled(`${who.name} ${what}: ${sent.reason} ${JSON.stringify(sent.reason_data)}`);
    await this.mine();
    const found = await this.get(`/extended/v1/tx/0x${sent.txid}`), repr = found.tx_result?.repr ?? "";
    this.#steps += 1;
    const shown = wanted === "abort_by_post_condition" ? "post-condition" : repr.length > 26 ? `${repr.slice(0, 23)}...` : repr;
    this.print(`${String(this.#steps).padStart(4)} ${who.name.padEnd(10)} ${what.padEnd(47)} ${shown.padEnd(26)} 0x${sent.txid}${note && `  ${note}`}`);
    if (found.tx_status !== wanted || (answer && repr !== answer))
      throw new Stumbled(`${what} by ${who.name} ended ${found.tx_status} ${repr} ${found.vm_error ?? ""}, not ${wanted} ${answer ?? ""}`);
    return { value: deserializeCV(found.tx_result.hex), txid: sent.txid, events: found.events, fee: BigInt(found.fee_rate) };
  }

  /** What a read-only function answers. */
  async read(what, args = []) {
    const [contract, functionName] = what.split("."), [contractAddress, contractName] = this.contract(contract).split(".");
    return fetchCallReadOnlyFunction({ contractAddress, contractName, functionName, functionArgs: args, senderAddress: this.deployer, network: "testnet", client: this.client });
  }

  /** Read, compare and say so. */
  async see(what, args, expected, note) {
    const found = await this.read(what, args), shown = typeof expected === "function" ? expected(plain(found)) : plain(found) === expected;
    if (!shown) throw new Stumbled(`${what} answers ${JSON.stringify(plain(found), (_, v) => (typeof v === "bigint" ? String(v) : v))}`);
    this.say(`${what}: ${note}`);
    return found;
  }

  async balance(principal) { return BigInt((await this.get(`/v2/accounts/${principal}?proof=0`)).balance); }

  /** That `who` sends exactly `amount` micro-STX, or units of our token `[contract, asset]`. */
  sends(who, amount, token) {
    const principal = Pc.principal(who.address ?? this.contract(who)).willSendEq(amount);
    return token ? principal.ft(this.contract(token[0]), token[1]) : principal.ustx();
  }
}

/** The meters: a Python process of ours that signs as devices do and keeps the log. */
export class Meters {
  #waiting = [];
  #process;

  constructor(python, script, network) {
    this.#process = spawn(python, [script, network], { stdio: ["pipe", "pipe", "inherit"] });
    this.#process.once("error", (error) => this.#fail(new Stumbled(`${python} cannot be started: ${error.message}`)));
    this.#process.once("exit", (code) => this.#fail(new Stumbled(`the meters ended with ${code}`)));
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#waiting.shift()?.done(JSON.parse(line)));
  }

  #fail(error) { for (const one of this.#waiting.splice(0)) one.failed(error); }

  /** Ask for `act` (a function of deploy/chain_meters.py). */
  ask(act, request = {}) {
    return new Promise((done, failed) => {
      this.#waiting.push({ done, failed });
      this.#process.stdin.write(`${JSON.stringify({ do: act, ...request })}\n`, (error) => error && failed(error));
    });
  }

  end() { this.#process.stdin.end(); }
}

/** A device's 64 signature bytes with the recovery byte that a chain wants behind them. */
export function recoverable(digest, signature, key) {
  for (const byte of ["00", "01"])
    if (publicKeyFromSignatureRsv(digest.replace(/^0x/, ""), signature + byte) === key) return Cl.bufferFromHex(signature + byte);
  throw new Stumbled("the signature is not by the meter's key");
}
