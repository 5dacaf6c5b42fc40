import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { Chain, filled, ok, plain, refused, topics } from "./support";
import { bind, world } from "./world";

let chain: Chain;
const entry = (action = "meter-bound", subject = filled(7, 32)) => [
  Cl.principal(chain.wallet(2)), Cl.stringAscii(action), Cl.buffer(subject), Cl.uint(3),
];

beforeAll(async () => {
  chain = await Chain.wired();
  chain.grant("recorder", chain.wallet(1));
});

describe("audit-log", () => {
  it("is written to by registry, certification, oracle and governance, which go on without it", async () => {
    const street = await world();
    const size = () => plain(street.read("audit-log", "get-size"));
    const before = size();
    expect(plain(street.read("audit-log", "get-entry", [Cl.uint(0)]))).toMatchObject({ action: "producer-certified", writer: street.contract("producer-certification") });
    bind(street, 1);
    expect(size()).toBe(before + 1n);
    street.pause("audit-log");
    bind(street, 2);
    expect(size()).toBe(before + 1n);
  });
  it("appends entries whose hashes chain", () => {
    const genesis = plain(chain.read("audit-log", "get-head"));
    const first = chain.call("audit-log", "append-entry", entry(), chain.wallet(1));
    expect(plain(ok(first))).toBe(0n);
    expect(topics(first)).toEqual(["audit-entry"]);
    ok(chain.call("audit-log", "append-entry", entry("meter-revoked"), chain.wallet(1)));
    const page = chain.read("audit-log", "get-entries", [Cl.uint(0)]);
    const rows = plain(page);
    expect(rows).toHaveLength(2);
    expect(rows[0].prev).toBe(genesis);
    expect(rows[1].prev).toBe(rows[0].hash);
    expect(plain(chain.read("audit-log", "get-head"))).toBe(rows[1].hash);
    expect(plain(chain.read("audit-log", "get-size"))).toBe(2n);
  });
  it("answers a page of ten from any index, and nothing past the end", () => {
    for (let i = 0; i < 12; i++) ok(chain.call("audit-log", "append-entry", entry(), chain.wallet(1)));
    expect((chain.read("audit-log", "get-entries", [Cl.uint(1)]) as any).value).toHaveLength(10);
    expect((chain.read("audit-log", "get-entries", [Cl.uint(99)]) as any).value).toHaveLength(0);
    expect(chain.read("audit-log", "get-entry", [Cl.uint(99)]).type).toBe("none");
  });
  it("u1500: nobody without the recorder role appends, be he the deployer", () => {
    refused(chain.call("audit-log", "append-entry", entry()), 1500);
  });
  it("u1500: a contract called by a recorder does not inherit the role", () => {
    const middle = chain.deploy("audit-middle", `
      (define-public (go) (contract-call? '${chain.contract("audit-log")} append-entry tx-sender "x" 0x${"00".repeat(32)} u1))`);
    refused(chain.call(middle, "go", [], chain.wallet(1)), 1500);
  });
  it("u1501: nothing is appended while paused", () => {
    chain.pause("audit-log");
    refused(chain.call("audit-log", "append-entry", entry(), chain.wallet(1)), 1501);
    chain.resume("audit-log");
    ok(chain.call("audit-log", "append-entry", entry(), chain.wallet(1)));
  });
  it("u1502: an entry names an action and its subject by a hash", () => {
    for (const length of [0, 31]) refused(chain.call("audit-log", "append-entry", entry("x", filled(1, length)), chain.wallet(1)), 1502);
    refused(chain.call("audit-log", "append-entry", entry(""), chain.wallet(1)), 1502);
  });
});
