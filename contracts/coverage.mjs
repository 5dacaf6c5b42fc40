// Tell which lines and branches of each contract the tests ran, from what the last run with
// COVERAGE set noted; `npm run coverage` does both. Exits 1 when a line was never run.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { contracts, records } from "./sources.mjs";

const folder = new URL("lines/", records);
/** Contract name to {lines, branches}: how often each ran, by line, and by line and branch. */
const seen = new Map(contracts().map(([name]) => [name, { lines: new Map(), branches: new Map() }]));

for (const file of existsSync(folder) ? readdirSync(folder) : []) {
  let of;
  for (const row of readFileSync(new URL(file, folder), "utf8").split("\n")) {
    const [kind, rest = ""] = row.split(/:(.*)/);
    if (kind === "SF") of = seen.get(rest.split("/").pop().replace(".clar", ""));
    const parts = rest.split(",");
    const count = Number(parts.at(-1)) || 0;
    const [map, key] = kind === "DA" ? [of?.lines, Number(parts[0])] : kind === "BRDA" ? [of?.branches, parts.slice(0, 3).join(",")] : [];
    if (map) map.set(key, (map.get(key) ?? 0) + count);
  }
}

const share = (map) => [[...map.values()].filter(Boolean).length, map.size];
const percent = ([ran, all]) => `${((100 * ran) / Math.max(1, all)).toFixed(1).padStart(5)} % (${ran}/${all})`;
const total = { lines: [0, 0], branches: [0, 0] };
let never = 0;
for (const [name, of] of seen) {
  for (const kind of ["lines", "branches"]) share(of[kind]).forEach((count, i) => (total[kind][i] += count));
  const missing = [...of.lines].filter(([, count]) => !count).map(([line]) => line).sort((a, b) => a - b);
  never += missing.length;
  const half = [...of.branches].filter(([, count]) => !count).map(([key]) => key.split(",")[0]);
  console.log(`${name.padEnd(24)} lines ${percent(share(of.lines)).padEnd(18)} branches ${percent(share(of.branches))}`);
  if (missing.length) console.log(`  never run: lines ${missing.join(", ")}`);
  if (half.length) console.log(`  one side only: lines ${[...new Set(half)].join(", ")}`);
}
console.log(`${"all".padEnd(24)} lines ${percent(total.lines).padEnd(18)} branches ${percent(total.branches)}`);
process.exit(never || total.lines[1] === 0 ? 1 : 0);
