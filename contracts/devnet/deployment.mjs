// Puts our contracts on a chain as anybody would on a public one: signed transactions of
// the deployer, in the order of the plan, then the roles of wiring.json. What is there
// already is left alone, so a deployment that was interrupted goes on.
import { Cl, makeContractCall, makeContractDeploy, makeSTXTokenTransfer } from "@stacks/transactions";
import { readFileSync } from "node:fs";
import { inOrder } from "../plan.mjs";
import { namedAccount } from "./accounts.mjs";

const here = new URL("../", import.meta.url);
const CLARITY = 5;
/** Bytes of a transaction around what it carries, rounded up: fees are by the byte. */
const AROUND = 400;
const FAUCET_FUNDS = 1_000_000_000_000_000n;
const SIGNED = { network: "testnet", postConditionMode: "deny", postConditions: [] };

/** Who gives away coins on the devnet, and how: {name, key, address, balance, sign(to, amount, nonce)}. */
export function faucet() {
  const account = namedAccount("faucet", FAUCET_FUNDS);
  const sign = async (recipient, amount, nonce) =>
    (await makeSTXTokenTransfer({ recipient, amount, nonce, fee: AROUND, senderKey: account.key, network: "testnet" })).serializeBytes();
  return { ...account, sign };
}

/** What is to be there: [tells whether it is, how to make it, with what]. */
function wanted(chain, { address }) {
  const roles = `${address}.roles`;
  const contracts = inOrder().map((contractName) => {
    const codeBody = readFileSync(new URL(`${contractName}.clar`, here), "utf8");
    const options = { contractName, codeBody, clarityVersion: CLARITY, fee: Buffer.byteLength(codeBody) + AROUND };
    return [() => chain.contract(`${address}.${contractName}`), makeContractDeploy, options];
  });
  const grants = JSON.parse(readFileSync(new URL("wiring.json", here), "utf8")).map(([role, who]) => {
    const args = [Cl.stringAscii(role), Cl.principal(who === "deployer" ? address : `${address}.${who}`)];
    const options = { contractAddress: address, contractName: "roles", functionName: "grant", functionArgs: args, fee: AROUND };
    return [() => chain.contract(roles) && chain.simulation.read(roles, "has-role", args, address).type === "true", makeContractCall, options];
  });
  return [...contracts, ...grants];
}

/** Deploy and wire what is missing; answers how many transactions that took. */
export async function deploy(chain, deployer, now) {
  const steps = wanted(chain, deployer);
  if (steps.every(([isThere]) => isThere())) return 0;
  // What an interrupted deployment sent may still wait.
  await chain.mine();
  let sent = 0;
  for (const [isThere, make, options] of steps) {
    if (isThere()) continue;
    const tx = await make({ ...SIGNED, ...options, senderKey: deployer.key, nonce: chain.nonce(deployer.address) });
    const record = chain.transactions.get(chain.submit(tx.serializeBytes(), now));
    await chain.mine();
    if (record.status !== "success") throw new Error(`${options.contractName} could not be deployed or wired: ${record.error ?? record.status}`);
    sent += 1;
  }
  return sent;
}
