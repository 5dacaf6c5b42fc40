// In a file of its own: a simulator that fell takes every other of its process with it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Chain } from "./chain.mjs";
import { Broken } from "./simulation.mjs";
import { TIME, bob, publish, serve } from "./testing.mjs";

const folder = mkdtempSync(join(tmpdir(), "meterseal-fall-")), path = join(folder, "journal.jsonl");
afterAll(() => rmSync(folder, { recursive: true }));

describe("a transaction that fells the simulator", () => {
  it("is noted as failed, so that the next process goes past it", async () => {
    const chain = await Chain.open({ path, time: TIME, balances: { [bob.address]: bob.balance } });
    const txids = [];
    for (const nonce of [0, 1]) txids.push(chain.submit((await publish(bob, "twice", "(define-read-only (x) u1)", nonce)).serializeBytes(), TIME));
    // The one way known to fell it is a contract published twice, which the chain prevents.
    chain.contract = () => undefined;
    await expect(chain.mine()).rejects.toThrow(Broken);
    chain.close();
    expect(readFileSync(path, "utf8").trimEnd().split("\n").at(-1)).toContain(txids[1]);
    const { child, node } = await serve(path, "--block-ms", "0", "--bare");
    try {
      expect((await node.tx(txids[0])).tx_status).toBe("success");
      expect(await node.tx(txids[1])).toMatchObject({ tx_status: "abort_by_response", vm_error: "the simulator fell over", tx_result: { repr: "(err none)" } });
      expect(await node.nonce(bob)).toBe(2);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
