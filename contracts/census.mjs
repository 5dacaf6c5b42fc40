// Tell whether the tests saw every public function succeed, and fail in every way its
// comment names, and whether ERRORS.md is current. Reads what the last test run noted;
// exits 1 when anything is missing.
// With --forget it only drops those notes, before a new run.
import { readFileSync, rmSync } from "node:fs";
import { errorsDocument } from "./errors.mjs";
import { contracts, functionsOf, notes, records } from "./sources.mjs";

if (process.argv.includes("--forget")) {
  rmSync(records, { recursive: true, force: true });
  process.exit(0);
}

const noted = new Set(notes().map(({ contract, name, answer }) => `${contract}.${name} ${answer}`));
const missing = [];
let functions = 0;
let errors = 0;
for (const [contract, source] of contracts()) {
  for (const { name, codes } of functionsOf(source).filter(({ kind }) => kind === "public")) {
    functions += 1;
    if (codes === null) missing.push(`${contract}.${name} does not say its errors`);
    for (const answer of ["ok", ...(codes ?? [])]) {
      if (answer !== "ok") errors += 1;
      if (!noted.has(`${contract}.${name} ${answer}`)) missing.push(`${contract}.${name} was never seen to answer ${answer}`);
    }
  }
}
if (readFileSync(new URL("ERRORS.md", import.meta.url), "utf8") !== errorsDocument()) missing.push("ERRORS.md is not what the contracts say; npm run errors writes it");
for (const line of missing) console.error(line);
console.log(`census: ${functions} public functions, ${errors} refusals, ${missing.length} not seen by a test`);
process.exit(missing.length ? 1 : 0);
