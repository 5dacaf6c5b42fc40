// A fresh chain per test file, and short ways to call contracts and read answers.
import { initSimnet, type Simnet } from "@stacks/clarinet-sdk";
import { Cl, type ClarityValue, ResponseOkCV, ResponseErrorCV } from "@stacks/transactions";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";
import wiring from "../wiring.json" with { type: "json" };

const manifest = fileURLToPath(new URL("../Clarinet.toml", import.meta.url));

// Every call is noted - what answered what, at which cost - for census.mjs and costs.mjs.
type Note = { contract: string; name: string; answer: string; costs: Record<string, number> };
const notes = new Map<string, Note>();
let testFile = "unnamed";
const records = fileURLToPath(new URL("../.records/", import.meta.url));

function note(contract: string, name: string, call: { result: ClarityValue; costs: any }): void {
  testFile = (expect.getState().testPath ?? testFile).split("/").pop() ?? testFile;
  const { result } = call;
  const inner = result.type === "err" ? (result as ResponseErrorCV).value : undefined;
  const answer = inner ? `u${inner.type === "uint" ? inner.value : "?"}` : "ok";
  const key = `${contract}.${name} ${answer}`;
  const costs: Record<string, number> = call.costs?.total ?? {};
  const before = notes.get(key)?.costs ?? {};
  // The dearest in each dimension, of whatever call that was.
  const dearest = Object.fromEntries(Object.entries(costs).map(([dimension, cost]) => [dimension, Math.max(cost, before[dimension] ?? 0)]));
  notes.set(key, { contract, name, answer, costs: dearest });
}

/** Lines that ran, for coverage.mjs: only where COVERAGE is set, since it takes time. */
const covering = process.env.COVERAGE !== undefined;
const chains: Simnet[] = [];

afterAll(() => {
  if (notes.size === 0) return;
  mkdirSync(records, { recursive: true });
  writeFileSync(`${records}${testFile}.json`, JSON.stringify([...notes.values()]));
  if (!covering) return;
  const reports = chains.map((simnet) => simnet.collectReport(false, "").coverage);
  mkdirSync(`${records}lines/`, { recursive: true });
  writeFileSync(`${records}lines/${testFile}.lcov`, reports.join("\n"));
});

export type Answer = { result: ClarityValue; events: { event: string; data: any }[] };

/** A chain with every contract deployed; `wired` also hands out the roles of wiring.json. */
export class Chain {
  readonly deployer: string;
  private constructor(readonly simnet: Simnet, private readonly accounts: Map<string, string>) {
    this.deployer = simnet.deployer;
  }

  static async bare(): Promise<Chain> {
    const simnet = await initSimnet(manifest, true, { trackCosts: true, trackCoverage: covering });
    chains.push(simnet);
    return new Chain(simnet, simnet.getAccounts());
  }

  static async wired(): Promise<Chain> {
    const chain = await Chain.bare();
    for (const [role, who] of wiring as [string, string][]) {
      const holder = who === "deployer" ? chain.deployer : chain.contract(who);
      ok(chain.call("roles", "grant", [Cl.stringAscii(role), Cl.principal(holder)]));
    }
    return chain;
  }

  /** The address of test account 1 to 8. */
  wallet(index: number): string {
    const found = this.accounts.get(`wallet_${index}`);
    if (!found) throw new Error(`there is no wallet ${index}`);
    return found;
  }

  contract(name: string): string {
    return `${this.deployer}.${name}`;
  }

  call(contract: string, name: string, args: ClarityValue[] = [], sender = this.deployer): Answer {
    const answer = this.simnet.callPublicFn(contract, name, args, sender);
    note(contract, name, answer);
    return answer as Answer;
  }

  /** Note what a call cost under a name of its own, for COSTS.md: "function, what was special". */
  cost(contract: string, name: string, answer: Answer): Record<string, number> {
    note(contract, name, answer as any);
    return (answer as any).costs.total;
  }

  read(contract: string, name: string, args: ClarityValue[] = [], sender = this.deployer): ClarityValue {
    const answer = this.simnet.callReadOnlyFn(contract, name, args, sender);
    note(contract, name, answer);
    return answer.result;
  }

  grant(role: string, who: string): void {
    ok(this.call("roles", "grant", [Cl.stringAscii(role), Cl.principal(who)]));
  }

  pause(contract: string): void {
    ok(this.call("roles", "pause", [Cl.principal(this.contract(contract))]));
  }

  resume(contract: string): void {
    ok(this.call("roles", "resume", [Cl.principal(this.contract(contract))]));
  }

  /** Deploy a contract of a test, such as a middle contract that phishes. */
  deploy(name: string, source: string, sender = this.deployer): string {
    this.simnet.deployContract(name, source, { clarityVersion: 5 }, sender);
    return `${sender}.${name}`;
  }

  /** The block time a call in the next block sees, in Unix seconds. */
  now(): number {
    const time = this.simnet.execute("stacks-block-time").result as unknown as { value: bigint };
    return Number(time.value);
  }
}

/** Let time pass until the chain's clock shows `seconds` more; a Bitcoin block is ten minutes here. */
export function wait(chain: Chain, seconds: number): void {
  for (const end = chain.now() + seconds; chain.now() < end;)
    chain.simnet.mineEmptyBurnBlocks(Math.max(1, Math.ceil((end - chain.now()) / 600)));
}

/** Assert an (ok ...) and give what is inside. */
export function ok(answer: Answer): ClarityValue {
  expect(answer.result.type, Cl.prettyPrint(answer.result)).toBe("ok");
  return (answer.result as ResponseOkCV).value;
}

/** Assert an (err uCODE). */
export function refused(answer: Answer, code: number): void {
  expect(Cl.prettyPrint(answer.result)).toBe(Cl.prettyPrint(Cl.error(Cl.uint(code))));
}

/** A Clarity value as plain JavaScript: numbers as bigint, buffers as hex, none as null. */
export function plain(value: ClarityValue): any {
  switch (value.type) {
    case "uint": case "int": return BigInt(value.value);
    case "true": return true;
    case "false": return false;
    case "none": return null;
    case "some": case "ok": case "err": return plain(value.value);
    case "list": return value.value.map(plain);
    case "tuple":
      return Object.fromEntries(Object.entries(value.value).map(([key, inner]) => [key, plain(inner as ClarityValue)]));
    default: return (value as { value: unknown }).value;
  }
}

/** The {topic: ...} prints of an answer. */
export function topics(answer: Answer): string[] {
  return answer.events
    .filter((event) => event.event === "print_event")
    .map((event) => plain(event.data.value)?.topic)
    .filter((topic) => topic !== undefined);
}

export const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
export const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
