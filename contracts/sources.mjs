// The contracts' sources and what the last test run noted, for the scripts beside this one.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const here = new URL("./", import.meta.url);
export const records = new URL(".records/", here);

/** [name, source] of every contract, by name. */
export const contracts = () => readdirSync(here).filter((file) => file.endsWith(".clar")).sort()
  .map((file) => [file.replace(".clar", ""), readFileSync(new URL(file, here), "utf8")]);

/** {contract, name, answer, costs} of the calls that the last test run saw. */
export const notes = () => (existsSync(records) ? readdirSync(records) : []).filter((file) => file.endsWith(".json"))
  .flatMap((file) => JSON.parse(readFileSync(new URL(file, records), "utf8")));

/** The codes of "Errors: u100, u106 to u108." as ["u100", "u106", "u107", "u108"]; null where none are said. */
function codesOf(comment) {
  const list = comment.split("Errors:")[1];
  if (list === undefined) return null;
  const codes = [];
  for (const [, from, to] of list.matchAll(/u(\d+)(?:\s+to\s+u(\d+))?/g))
    for (let code = Number(from); code <= Number(to ?? from); code++) codes.push(`u${code}`);
  return codes;
}

/** {name, kind, codes} of a contract's functions: "public" or "read-only", and the codes their comments name. */
export function functionsOf(source) {
  const found = [];
  let comment = "";
  let shared = null;
  for (const line of source.split("\n")) {
    if (line.startsWith(";;")) {
      comment += line.slice(2);
      shared = null;
      continue;
    }
    const [, kind, name] = line.match(/^\(define-(public|read-only) \(([^\s)]+)/) ?? [];
    // Functions set line below line share the comment above the first.
    const codes = comment ? codesOf(comment) : shared;
    if (name) found.push({ name, kind, codes });
    shared = name ? codes : null;
    comment = "";
  }
  return found;
}
