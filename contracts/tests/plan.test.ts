import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
// @ts-expect-error a script without types
import { inOrder, plan } from "../plan.mjs";

const text = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

describe("the deployment plan", () => {
  const order: string[] = inOrder();
  it("publishes every contract of Clarinet.toml once, after all it calls", () => {
    const listed = [...text("Clarinet.toml").matchAll(/^\[contracts\.([a-z-]+)\]/gm)].map((match) => match[1]);
    expect([...order].sort()).toEqual(listed.sort());
    order.forEach((name, place) => {
      for (const [, called] of text(`${name}.clar`).matchAll(/\(contract-call\? \.([a-z-]+)/g))
        expect(order.indexOf(called), `${name} calls ${called}`).toBeLessThan(place);
    });
  });
  it("is the one that is committed, with every role handed out, in batches a mempool takes", () => {
    const address = "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM";
    const made: string = plan("testnet", address);
    expect(text("deployments/default.testnet-plan.yaml")).toBe(made);
    expect(made.match(/method: grant/g)).toHaveLength(JSON.parse(text("wiring.json")).length);
    for (const batch of made.split(/- id: \d+\n/).slice(1)) expect(batch.match(/- contract-/g)!.length).toBeLessThanOrEqual(25);
  });
});
