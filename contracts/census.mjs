// Tell whether the tests saw every public function succeed, and fail in every way its
// comment names, and whether ERRORS.md is current. Reads what the last test run noted;
// exits 1 when anything is missing.
// With --forget it only drops those notes, before a new run.
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { errorsDocument } from "./errors.mjs";

const here = new URL("./", import.meta.url);
const records = new URL(".records/", here);

if (process.argv.includes("--forget")) {
  rmSync(records, { recursive: true, force: true });
  process.exit(0);
}

/** The codes of "Errors: u100, u106 to u108." as ["u100", "u106", "u107", "u108"]. */
export function codesOf(comment) {
  const list = comment.split("Errors:")[1];
  if (list === undefined) return null;
  const codes = [];
  for (const [, from, to] of list.matchAll(/u(\d+)(?:\s+to\s+u(\d+))?/g))
    for (let code = Number(from); code <= Number(to ?? from); code++) codes.push(`u${code}`);
  return codes;
}

/** The public functions of a contract with the codes their comments name. */
export function publicFunctions(source) {
  const found = [];
  let comment = "";
  let shared = null;
  for (const line of source.split("\n")) {
    if (line.startsWith(";;")) {
      comment += line.slice(2);
      shared = null;
      continue;
    }
    const name = line.match(/^\(define-public \(([^\s)]+)/)?.[1];
    if (name) {
      // Functions set line below line share the comment above the first.
      const codes = comment ? codesOf(comment) : shared;
      found.push({ name, codes });
      shared = codes;
    } else {
      shared = null;
    }
    comment = "";
  }
  return found;
}

function seen() {
  const all = new Set();
  if (!existsSync(records)) return all;
  for (const file of readdirSync(records))
    for (const { contract, name, answer } of JSON.parse(readFileSync(new URL(file, records), "utf8"))) all.add(`${contract}.${name} ${answer}`);
  return all;
}

const noted = seen();
const missing = [];
let functions = 0;
let errors = 0;
for (const file of readdirSync(here).filter((name) => name.endsWith(".clar")).sort()) {
  const contract = file.replace(".clar", "");
  for (const { name, codes } of publicFunctions(readFileSync(new URL(file, here), "utf8"))) {
    functions += 1;
    if (codes === null) missing.push(`${contract}.${name} does not say its errors`);
    for (const answer of ["ok", ...(codes ?? [])]) {
      if (answer !== "ok") errors += 1;
      if (!noted.has(`${contract}.${name} ${answer}`)) missing.push(`${contract}.${name} was never seen to answer ${answer}`);
    }
  }
}
if (readFileSync(new URL("ERRORS.md", here), "utf8") !== errorsDocument()) missing.push("ERRORS.md is not what the contracts say; npm run errors writes it");
for (const line of missing) console.error(line);
console.log(`census: ${functions} public functions, ${errors} refusals, ${missing.length} not seen by a test`);
process.exit(missing.length ? 1 : 0);
