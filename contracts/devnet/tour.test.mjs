import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { accountsOf } from "./accounts.mjs";
import { started } from "./testing.mjs";
import { PYTHON, tour } from "./tour.mjs";

// What devices sign comes from our Python packages; without them there is nothing to bring.
const python = existsSync(PYTHON);
if (!python && process.env.CI !== "true") console.warn(`the tour is skipped: there is no ${PYTHON}; make test prepares it, or set METERSEAL_PYTHON`);

describe("the tour", () => {
  it.skipIf(!python && process.env.CI !== "true")("walks every duty, and headers and commitments of Python are taken byte for byte", async () => {
    const node = await started({ bare: false }), lines = [];
    try {
      const steps = await tour(node.url, PYTHON, (line) => lines.push(line));
      expect(steps).toBeGreaterThan(150);
      expect(lines.filter((line) => /0x[0-9a-f]{64}/.test(line))).toHaveLength(steps);
      expect(node.chain.transactions.size).toBe(steps + node.deployed);
      const called = new Set([...node.chain.transactions.values()].filter(({ status }) => status === "success").map(({ one }) => one.deed.contract?.split(".")[1]));
      for (const contract of ["roles", "parameters", "user-registry", "producer-certification", "energy-token", "energy-oracle", "marketplace", "trade-escrow", "reputation",
        "dispute-resolution", "governance", "meter-data", "usage-aggregation", "billing", "payment"]) expect(called).toContain(contract);
    } finally {
      await node.stop();
    }
  });
});

describe("accounts of the settings", () => {
  it("have the addresses that their published phrases lead to", () => {
    const [account] = accountsOf('[accounts.deployer]\nmnemonic = "twice kind fence tip hidden tilt action fragile skin nothing glory cousin green tomorrow spring wrist shed math olympic multiply hip blue scout claw"\nbalance = 1_000\n');
    expect(account).toMatchObject({ name: "deployer", address: "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM", balance: 1000n });
    expect(account.key).toBe("753b7cc01a1a2e86221266a154af739463fce51219d97e4f856cd7200c3bd2a601");
  });
  it("need a phrase and a balance", () => expect(() => accountsOf('[accounts.x]\nbalance = 5\n')).toThrow("needs a mnemonic"));
});
