// Write ERRORS.md from the contracts' own comments; the census checks that it is current.
import { writeFileSync } from "node:fs";
import { contracts } from "./sources.mjs";

/** ERRORS.md as the contracts say it: [code, contract, name, sentence] in order. */
export function errorsDocument() {
  const rows = [];
  for (const [contract, source] of contracts()) {
    let comment = [];
    for (const line of source.split("\n")) {
      const found = line.match(/^\(define-constant (ERR-[A-Z0-9-]+) \(err u(\d+)\)\)/);
      if (found) rows.push([Number(found[2]), contract, found[1], comment.join(" ")]);
      comment = line.startsWith(";;") ? [...comment, line.slice(2).trim()] : [];
    }
  }
  rows.sort((a, b) => a[0] - b[0]);
  const codes = rows.map((row) => row[0]);
  const twice = codes.filter((code, i) => codes.indexOf(code) !== i);
  if (twice.length) throw new Error(`codes used twice: ${twice.join(", ")}`);
  const nameless = rows.filter((row) => !row[3]);
  if (nameless.length) throw new Error(`errors without a sentence: ${nameless.map((row) => `u${row[0]}`).join(", ")}`);
  return [
    "# Errors", "", "What each contract answers when it refuses, every code once. `npm run errors` writes this file",
    "from the contracts.", "", "| code | contract | name | meaning |", "| --- | --- | --- | --- |",
    ...rows.map(([code, contract, name, text]) => `| u${code} | ${contract} | ${name} | ${text} |`), ""].join("\n");
}

if (process.argv[1] === new URL(import.meta.url).pathname) writeFileSync(new URL("ERRORS.md", import.meta.url), errorsDocument());
