// Write COSTS.md: what the dearest successful call of each function in the last test run
// cost, in each dimension, and its share of a block. Run the tests first; `npm run costs`
// does.
import { writeFileSync } from "node:fs";
import { contracts, functionsOf, notes } from "./sources.mjs";

// What a block of mainnet may cost in each dimension (stacks-core, BLOCK_LIMIT_MAINNET_21).
const LIMITS = { runtime: 5_000_000_000, readCount: 15_000, readLength: 100_000_000, writeCount: 15_000, writeLength: 15_000_000 };
const DIMENSIONS = Object.keys(LIMITS);

/** Function to its costs: in each dimension the most that any call was. */
const dearest = new Map();
for (const { contract, name, answer, costs } of notes()) {
  if (answer !== "ok") continue;
  const key = `${contract}.${name}`;
  const before = dearest.get(key) ?? {};
  dearest.set(key, Object.fromEntries(DIMENSIONS.map((one) => [one, Math.max(costs[one] ?? 0, before[one] ?? 0)])));
}

const names = (source, wanted) => functionsOf(source).filter(({ kind }) => kind === wanted).map(({ name }) => name);
const share = (costs, one) => (100 * costs[one]) / LIMITS[one];
const percent = (value) => (value === 0 ? "0" : value < 0.001 ? "< 0.001" : value.toPrecision(2));
const nearest = (costs) => Math.max(...DIMENSIONS.map((one) => share(costs, one)));
const row = (name, costs) => `| ${[name, ...DIMENSIONS.map((one) => `${costs[one].toLocaleString("en")} (${percent(share(costs, one))})`),
  `**${percent(nearest(costs))} %**`].join(" | ")} |`;

const lines = ["# What calls cost", "", "The dearest successful call of each public function in the tests, measured by `npm run costs` on the",
  "simulated chain (epoch 3.4). In parentheses the share of what a block may cost, in per cent: runtime",
  "5,000,000,000, reads 15,000 of 100,000,000 bytes, writes 15,000 of 15,000,000 bytes. The last column is",
  "the share of whichever limit is nearest: so much of a block one call takes.", ""];
const head = ["| function | runtime | reads | bytes read | writes | bytes written | of a block |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"];
for (const [contract, source] of contracts()) {
  // A test may note a call under "function, what was special" besides.
  const special = (name) => [...dearest.keys()].filter((key) => key.startsWith(`${contract}.${name},`)).map((key) => key.slice(contract.length + 1));
  const rows = names(source, "public").flatMap((name) => [name, ...special(name)]).filter((name) => dearest.has(`${contract}.${name}`))
    .map((name) => row(`\`${name.split(",")[0]}\`${name.slice(name.split(",")[0].length)}`, dearest.get(`${contract}.${name}`)));
  // A check costs a caller who is a contract; plain getters do not need a line.
  const checks = names(source, "read-only").filter((name) => (dearest.get(`${contract}.${name}`)?.runtime ?? 0) >= 20_000)
    .map((name) => row(`\`${name}\` (read-only)`, dearest.get(`${contract}.${name}`)));
  if (rows.length + checks.length) lines.push(`## ${contract}`, "", ...head, ...rows, ...checks, "");
}
writeFileSync(new URL("COSTS.md", import.meta.url), lines.join("\n"));
const top = [...dearest].sort((a, b) => nearest(b[1]) - nearest(a[1])).slice(0, 10);
for (const [name, costs] of top) console.log(`${name}: ${percent(nearest(costs))} % of a block (runtime ${costs.runtime.toLocaleString("en")}, reads ${costs.readCount})`);
