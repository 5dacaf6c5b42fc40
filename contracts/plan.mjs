// Write a deployment plan in Clarinet's form: every contract after those it calls, then
// the roles of wiring.json. Usage: node plan.mjs testnet|mainnet ADDRESS
// A mempool takes 25 transactions of one sender in a row, so batches stay below that.
import { readFileSync, writeFileSync } from "node:fs";
import { contracts } from "./sources.mjs";

const here = new URL("./", import.meta.url);
const BATCH = 20;
const NODES = { testnet: "https://api.testnet.hiro.so", mainnet: "https://api.hiro.so" };

/** Contract names in an order in which each finds what it calls. */
export function inOrder() {
  const sources = new Map(contracts());
  const done = [];
  const visit = (name) => {
    if (done.includes(name)) return;
    const code = sources.get(name).replace(/;;.*$/gm, "");
    for (const other of sources.keys()) if (other !== name && new RegExp(`[ (]\\.${other}[\\s)]`).test(code)) visit(other);
    done.push(name);
  };
  [...sources.keys()].forEach(visit);
  return done;
}

/** The plan's text for a network and the deploying address. */
export function plan(network, address) {
  const wiring = JSON.parse(readFileSync(new URL("wiring.json", here), "utf8"));
  const principal = (who) => `'${address}${who === "deployer" ? "" : `.${who}`}`;
  const transactions = [
    ...inOrder().map((name) => ["contract-publish:", `  contract-name: ${name}`, `  expected-sender: ${address}`, "  cost: 500000", `  path: ${name}.clar`, "  anchor-block-only: true", "  clarity-version: 5"]),
    ...wiring.map(([role, who]) => ["contract-call:", `  contract-id: ${address}.roles`, `  expected-sender: ${address}`, "  method: grant", "  parameters:",
      `    - '"${role}"'`, `    - "${principal(who)}"`, "  cost: 10000", "  anchor-block-only: true"]),
  ];
  const lines = ["---", "id: 0", `name: Meterseal on ${network}`, `network: ${network}`, `stacks-node: ${NODES[network]}`, "plan:", "  batches:"];
  for (let from = 0; from < transactions.length; from += BATCH) {
    lines.push(`    - id: ${from / BATCH}`, "      transactions:");
    for (const [first, ...rest] of transactions.slice(from, from + BATCH)) lines.push(`        - ${first}`, ...rest.map((line) => `          ${line}`));
    lines.push('      epoch: "3.4"');
  }
  return `${lines.join("\n")}\n`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [network, address] = process.argv.slice(2);
  if (!NODES[network] || !/^S[PTMN][0-9A-Z]{38,40}$/.test(address ?? "")) {
    console.error("usage: node plan.mjs testnet|mainnet ADDRESS (the deployer's Stacks address)");
    process.exit(2);
  }
  writeFileSync(new URL(`deployments/default.${network}-plan.yaml`, here), plan(network, address));
}
