// A devnet for a test: on a journal in a folder that is removed, on a free port, at a
// fixed time, with blocks on demand. Only tests import this.
import { Cl, makeContractCall, makeContractDeploy, makeSTXTokenTransfer } from "@stacks/transactions";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accountsOf } from "./accounts.mjs";
import { Devnet } from "./devnet.mjs";

const SERVER = fileURLToPath(new URL("./server.mjs", import.meta.url));
export const TIME = 1_790_000_000;
export const FEE = 2_000;
export const [deployer, alice, bob, carol] = accountsOf(readFileSync(new URL("../settings/Devnet.toml", import.meta.url), "utf8"));

/** A devnet without our contracts unless asked for; `stop` removes all of it. */
export async function started(options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "meterseal-devnet-")), journal = join(folder, "journal.jsonl");
  let devnet = await Devnet.start({ journal, time: TIME, now: () => TIME, bare: true, ...options });
  const rig = {
    folder, journal,
    get chain() { return devnet.chain; },
    get deployed() { return devnet.deployed; },
    get url() { return devnet.url; },
    get client() { return { baseUrl: devnet.url }; },
    /** End it in order, do `between`, and open its journal again. */
    again: async (between = () => {}, other = {}) => {
      await devnet.stop();
      between();
      devnet = await Devnet.start({ journal, time: TIME + 5_000, now: () => TIME, bare: true, ...options, ...other });
    },
    stop: async () => {
      await devnet.stop();
      rmSync(folder, { recursive: true });
    },
  };
  return Object.assign(rig, requests(() => devnet.url));
}

/** Ways to ask the node at `url()`. */
export function requests(url) {
  const ask = async (path, init) => {
    const response = await fetch(`${url()}${path}`, init), text = await response.text();
    const body = response.headers.get("content-type") === "application/json" ? JSON.parse(text) : text;
    return { status: response.status, body };
  };
  const json = (path, body) => ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const rpc = {
    ask, json,
    get: async (path) => (await ask(path)).body,
    mine: (query = "") => ask(`/devnet/mine${query}`, { method: "POST" }),
    /** Send a transaction's bytes as they are. */
    send: async (tx) => ask("/v2/transactions", { method: "POST", headers: { "content-type": "application/octet-stream" }, body: tx instanceof Uint8Array ? tx : (await tx).serializeBytes() }),
    tx: async (txid) => rpc.get(`/extended/v1/tx/0x${txid}`),
    /** Send, mine and look. */
    mined: async (tx) => {
      const { status, body } = await rpc.send(tx);
      if (status !== 200) throw new Error(JSON.stringify(body));
      await rpc.mine();
      return rpc.tx(body);
    },
    balance: async (who) => BigInt((await rpc.get(`/v2/accounts/${who.address ?? who}?proof=0`)).balance),
    nonce: async (who) => (await rpc.get(`/v2/accounts/${who.address}?proof=0`)).nonce,
  };
  return rpc;
}

/** A server in a process of its own, ready: {child, node, said()}; an Error with what it said where it ends instead. */
export async function serve(journal, ...args) {
  const child = spawn(process.execPath, [SERVER, "--port", "0", "--journal", journal, "--time", String(TIME), ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const url = await new Promise((done, failed) => {
    child.stderr.on("data", (text) => { said += text; });
    child.stdout.on("data", (text) => {
      said += text;
      const found = said.match(/at (http:\S+):[\s\S]*ready/);
      if (found) done(found[1]);
    });
    child.once("exit", () => failed(new Error(said)));
  });
  return { child, node: requests(() => url), said: () => said };
}

const signed = (from, nonce, options) => ({ senderKey: from.key, network: "testnet", nonce, fee: FEE, ...options });
export const transfer = (from, to, amount, nonce, options) => makeSTXTokenTransfer({ recipient: to.address ?? to, amount, ...signed(from, nonce, options) });
export const call = (from, contract, functionName, functionArgs, nonce, options) => {
  const [contractAddress, contractName] = contract.split(".");
  return makeContractCall({ contractAddress, contractName, functionName, functionArgs, ...signed(from, nonce, options) });
};
export const publish = (from, contractName, codeBody, nonce, options) => makeContractDeploy({ contractName, codeBody, clarityVersion: 5, ...signed(from, nonce, options) });

/** A contract that moves STX, its own token and single assets, prints, and fails in two ways. */
export const PURSE = `
(define-fungible-token coin)
(define-non-fungible-token stamp uint)
(define-data-var count uint u0)
(define-map notes uint (string-ascii 10))
(define-public (pay (amount uint) (to principal)) (begin (print {topic: "paid", amount: amount}) (stx-transfer? amount tx-sender to)))
(define-public (keep (amount uint)) (stx-transfer? amount tx-sender current-contract))
(define-public (give (amount uint) (to principal)) (as-contract? ((with-stx amount)) (unwrap-panic (stx-transfer? amount current-contract to))))
(define-public (coins (amount uint)) (ft-mint? coin amount tx-sender))
(define-public (send-coins (amount uint) (to principal)) (ft-transfer? coin amount tx-sender to))
(define-public (stamps (id uint)) (nft-mint? stamp id tx-sender))
(define-public (send-stamp (id uint) (to principal)) (nft-transfer? stamp id tx-sender to))
(define-public (note (id uint) (text (string-ascii 10))) (begin (var-set count (+ u1 (var-get count))) (print id) (ok (map-set notes id text))))
(define-public (refuse) (begin (var-set count u99) (err u7)))
(define-public (divide (by uint)) (ok (/ u1 by)))
(define-read-only (get-count) (var-get count))
(define-read-only (twice (n uint)) (ok (* n u2)))`;
export const u = Cl.uint;
