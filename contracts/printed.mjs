// Print one event of each kind that the tour makes our contracts print, as consensus bytes.
// Our indexer in Python reads them (tests/unit/test_stacks_events.py).
//
//   node printed.mjs > ../proto/vectors/printed.json
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deserializeCV } from "@stacks/transactions";
import { Devnet } from "./devnet/devnet.mjs";
import { PYTHON, tour } from "./devnet/tour.mjs";
import { inOrder } from "./plan.mjs";

const BEGIN = 1_790_000_000;
const PAGE = 50;

/** All that `contract` printed, newest first. */
async function printed(url, contract) {
  const found = [];
  for (let offset = 0; ; offset += PAGE) {
    const response = await fetch(`${url}/extended/v1/contract/${contract}/events?limit=${PAGE}&offset=${offset}`);
    const { results } = await response.json();
    found.push(...results.filter((event) => event.contract_log).map((event) => event.contract_log.value.hex));
    if (results.length < PAGE) return found;
  }
}

const folder = mkdtempSync(join(tmpdir(), "meterseal-printed-"));
const devnet = await Devnet.start({ journal: join(folder, "journal.jsonl"), time: BEGIN, now: () => BEGIN });
const seen = new Map();
try {
  await tour(devnet.url, PYTHON, () => {});
  for (const name of inOrder())
    for (const hex of await printed(devnet.url, `${devnet.deployer.address}.${name}`)) {
      const value = deserializeCV(hex);
      if (value.type === "tuple") seen.set(`${name} ${value.value.topic.value}`, hex.replace(/^0x/, ""));
    }
  const lines = [...seen].sort().map(([kind, hex]) => ` ${JSON.stringify(kind)}: ${JSON.stringify(hex)}`);
  process.stdout.write(`{\n${lines.join(",\n")}\n}\n`, () => process.exit(0));
} finally {
  await devnet.stop();
  rmSync(folder, { recursive: true, force: true });
}
