// Write COSTS.md: the dearest successful call of each function in the last test run, and
// its share of a block. Run the tests first; `npm run costs` does.
import { writeFileSync } from "node:fs";
import { contracts, functionsOf, notes } from "./sources.mjs";

// What a block of mainnet may cost in each dimension (stacks-core, BLOCK_LIMIT_MAINNET_21).
const LIMITS = { runtime: 5_000_000_000, readCount: 15_000, readLength: 100_000_000, writeCount: 15_000, writeLength: 15_000_000 };

const dearest = new Map();
for (const { contract, name, answer, costs } of notes()) {
  const key = `${contract}.${name}`;
  if (answer === "ok" && costs.runtime >= (dearest.get(key)?.runtime ?? 0)) dearest.set(key, costs);
}

const names = (source, wanted) => functionsOf(source).filter(({ kind }) => kind === wanted).map(({ name }) => name);
const percent = (costs) => 100 * Math.max(...Object.entries(LIMITS).map(([key, limit]) => (costs[key] ?? 0) / limit));
const row = (name, costs) =>
  `| ${name} | ${costs.runtime.toLocaleString("en")} | ${costs.readCount} | ${costs.writeCount} | ${costs.writeLength.toLocaleString("en")} | ${percent(costs).toPrecision(2)} % |`;

const lines = ["# What calls cost", "", "The dearest successful call of each public function in the tests, measured by `npm run costs` on",
  "the simulated chain (epoch 3.4). The share is of a block's limits: runtime 5,000,000,000, 15,000", "reads, 15,000 writes, 15,000,000 bytes written, whichever is nearest.", ""];
const head = ["| function | runtime | reads | writes | bytes written | share of a block |", "| --- | ---: | ---: | ---: | ---: | ---: |"];
for (const [contract, source] of contracts()) {
  const rows = names(source, "public").filter((name) => dearest.has(`${contract}.${name}`)).map((name) => row(`\`${name}\``, dearest.get(`${contract}.${name}`)));
  // A check costs a caller who is a contract; plain getters do not need a line.
  const checks = names(source, "read-only").filter((name) => (dearest.get(`${contract}.${name}`)?.runtime ?? 0) >= 20_000)
    .map((name) => row(`\`${name}\` (read-only)`, dearest.get(`${contract}.${name}`)));
  if (rows.length + checks.length) lines.push(`## ${contract}`, "", ...head, ...rows, ...checks, "");
}
writeFileSync(new URL("COSTS.md", import.meta.url), lines.join("\n"));
const top = [...dearest].sort((a, b) => b[1].runtime - a[1].runtime).slice(0, 10);
for (const [name, costs] of top) console.log(`${name}: runtime ${costs.runtime.toLocaleString("en")}, ${percent(costs).toPrecision(2)} % of a block`);
