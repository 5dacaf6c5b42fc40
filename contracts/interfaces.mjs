// Print the public functions of every contract as the simulated chain deploys them: names,
// argument names and types, answers. Our bindings in Python are held to this.
//
//   node interfaces.mjs > ../proto/vectors/interfaces.json
import { readFileSync } from "node:fs";
import { accountsOf } from "./devnet/accounts.mjs";
import { Simulation } from "./devnet/simulation.mjs";
import { inOrder } from "./plan.mjs";

const here = new URL("./", import.meta.url);
const TIME = 1_790_000_000;
const CLARITY = 5;
const FUNDS = 1_000_000_000_000;

const [deployer] = accountsOf(readFileSync(new URL("settings/Devnet.toml", here), "utf8"));
const chain = await Simulation.start(TIME, { [deployer.address]: FUNDS });
const lines = [];
for (const name of inOrder()) {
  const code = readFileSync(new URL(`${name}.clar`, here), "utf8");
  const { status, error } = chain.block(deployer.address, 1n, { kind: "deploy", from: deployer.address, name, code, version: CLARITY });
  if (status !== "success") throw new Error(`${name} could not be deployed: ${error}`);
  for (const { access, name: functionName, args, outputs } of chain.contract(`${deployer.address}.${name}`).functions) {
    if (access !== "public") continue;
    const { ok, error: refused } = outputs.type.response;
    lines.push(` ${JSON.stringify(`${name}.${functionName}`)}: ${JSON.stringify({ arguments: args.map((one) => [one.name, one.type]), ok, error: refused })}`);
  }
}
process.stdout.write(`{\n${lines.sort().join(",\n")}\n}\n`, () => process.exit(0));
