// Run a devnet: node devnet/server.mjs [--port 20443] [--journal FILE] [--block-ms 2000]
// [--fresh] [--bare] [--time SECONDS] [--fund ADDRESS=MICROSTX]... [--also ACCOUNT]... It never
// asks anything: what it needs is on its command line, and Ctrl-C ends it. Started again with the same
// journal, the chain is where it was.
import { validateStacksAddress } from "@stacks/transactions";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const JOURNAL = fileURLToPath(new URL("../../var/devnet.jsonl", import.meta.url));
/** The exit code of sysexits.h for a failure of our own. */
const FELL = 70;
const USAGE = "usage: node devnet/server.mjs [--port N] [--journal FILE] [--block-ms N] [--fresh] [--bare] [--time SECONDS] [--fund ADDRESS=MICROSTX]... [--also ACCOUNT]...";

function settings() {
  const { values } = parsed({
    port: { type: "string", default: "20443" }, journal: { type: "string", default: JOURNAL }, "block-ms": { type: "string", default: "2000" },
    fresh: { type: "boolean", default: false }, bare: { type: "boolean", default: false }, time: { type: "string" }, fund: { type: "string", multiple: true, default: [] }, also: { type: "string", multiple: true, default: [] },
  });
  const whole = (name) => (/^\d+$/.test(values[name]) ? Number(values[name]) : fail(`--${name} ${values[name]} is no number`));
  const fund = Object.fromEntries(values.fund.map((one) => {
    const [address, amount] = one.split("=");
    return /^S[TN]/.test(address) && validateStacksAddress(address) && /^\d{1,15}$/.test(amount ?? "") ? [address, BigInt(amount)] : fail(`--fund ${one}: write ADDRESS=MICROSTX`);
  }));
  return { port: whole("port"), journal: values.journal, blockMs: whole("block-ms"), fresh: values.fresh, bare: values.bare, fund, also: values.also, ...(values.time && { time: whole("time") }) };
}

function parsed(options) {
  try { return parseArgs({ options }); } catch (error) { return fail(error.message); }
}

function fail(why) {
  console.error(`${why}\n${USAGE}`);
  process.exit(2);
}

function fell() {
  console.error("The simulator fell over. Its journal is whole, and what felled it is noted as failed: start the devnet again.");
  process.exit(FELL);
}

const begun = performance.now(), given = settings();
try {
  // The simulator takes a moment to load; who mistyped need not wait for it.
  const { Devnet } = await import("./devnet.mjs");
  const devnet = await Devnet.start({ ...given, fell });
  const { chain, deployer, deployed } = devnet;
  console.log(`devnet at ${devnet.url}: block ${chain.height}, ${chain.transactions.size} transactions, ${deployed} of them new to deploy and wire`);
  console.log(`contracts of ${deployer.address}; ready after ${((performance.now() - begun) / 1000).toFixed(1)} s; Ctrl-C ends it`);
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => devnet.stop().then(() => process.exit(0)));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
