// The tour: every duty of the contracts once, by signed transactions over HTTP.
//
//   node devnet/tour.mjs [--node URL] [--python FILE]
//
// Without --node it starts a devnet of its own, on a new journal and a free port, and
// stops it at the end. What meters sign comes from deploy/chain_meters.py, our Python
// proto. The tour must never look into the simulation: it sees what any client sees. It
// ends with 1 where a step did not end as it should.
import { mkdtempSync, rmSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { accountsOf, namedAccount } from "./accounts.mjs";
import { Devnet } from "./devnet.mjs";
import { bills, community, month } from "./tourbills.mjs";
import { certify, energy, meters, network, users } from "./tourenergy.mjs";
import { court, escrow, market, reputation, stablecoin } from "./tourmarket.mjs";
import { audit, governance } from "./tourvotes.mjs";
import { Meters, Stumbled, Walk } from "./walk.mjs";

const SETTINGS = new URL("../settings/Devnet.toml", import.meta.url);
const SCRIPT = fileURLToPath(new URL("../../deploy/chain_meters.py", import.meta.url));
/** The Python our packages are installed in. */
export const PYTHON = process.env.METERSEAL_PYTHON ?? fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));
/** The network's id: the hash of a genesis document, here of a tour's name. */
export const NETWORK = "6d".repeat(32);
/** 2026-09-21 14:13:20 UTC: the same tour makes the same transactions. */
const BEGIN = 1_790_000_000;

/** Who does what; all are accounts of settings/Devnet.toml. */
const PARTS = { admin: "deployer", seller: "wallet_1", neighbour: "wallet_2", buyer: "wallet_3", home: "wallet_4", provider: "wallet_5", certifier: "wallet_6", arbiter: "wallet_7", oracle: "wallet_8" };

const CHAPTERS = [network, users, certify, meters, energy, market, escrow, stablecoin, court, reputation, month, bills, governance, community, audit];

/** Walk every chapter on the devnet at `url`; answers how many transactions it took. */
export async function tour(url, python = PYTHON, print = console.log) {
  const accounts = new Map(accountsOf(readFileSync(SETTINGS, "utf8")).map((account) => [account.name, account]));
  const people = Object.fromEntries(Object.entries(PARTS).map(([name, account]) => [name, { ...accounts.get(account), name }]));
  people.trustees = [1, 2, 3].map((index) => namedAccount(`trustee-${index}`, 0));
  const walk = new Walk(url, people.admin.address, print), devices = new Meters(python, SCRIPT, NETWORK);
  const scene = { walk, devices, ...people, networkId: NETWORK };
  try {
    for (const chapter of CHAPTERS) await chapter(scene);
  } finally {
    devices.end();
  }
  return walk.steps;
}

async function main() {
  const { values } = parseArgs({ options: { node: { type: "string" }, python: { type: "string", default: PYTHON } } });
  const folder = mkdtempSync(join(tmpdir(), "meterseal-tour-")), begun = performance.now();
  const devnet = values.node ? undefined : await Devnet.start({ journal: join(folder, "journal.jsonl"), time: BEGIN, now: () => BEGIN });
  const ready = performance.now(), seconds = (ms) => (ms / 1000).toFixed(1);
  try {
    const steps = await tour(values.node ?? devnet.url, values.python);
    console.log(`\nThe tour is complete: ${steps} signed transactions in ${seconds(performance.now() - ready)} s, after ${seconds(ready - begun)} s to deploy ${devnet?.deployed ?? 0}.`);
  } catch (error) {
    if (!(error instanceof Stumbled)) throw error;
    console.error(`\nThe tour stumbled: ${error.message}`);
    process.exitCode = 1;
  } finally {
    await devnet?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
