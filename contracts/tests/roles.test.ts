import { Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { Chain, ok, plain, refused, topics, wait } from "./support";

let chain: Chain;
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const role = (name: string, verb: string, holder = who(1), sender = chain.deployer) =>
  chain.call("roles", verb, [Cl.stringAscii(name), holder], sender);
const pausing = (verb: string, sender = chain.deployer) => chain.call("roles", verb, [Cl.principal(chain.contract("marketplace"))], sender);

beforeAll(async () => { chain = await Chain.wired(); });

describe("roles", () => {
  it("are given and taken by the admin", () => {
    expect(topics(role("oracle", "grant"))).toEqual(["role-granted"]);
    expect(plain(chain.read("roles", "has-role", [Cl.stringAscii("oracle"), who(1)]))).toBe(true);
    refused(role("oracle", "grant"), 11);
    expect(topics(role("oracle", "revoke"))).toEqual(["role-revoked"]);
    refused(role("oracle", "revoke"), 11);
  });
  it("u10, u12: are not given by others, and governance neither by itself nor over guardians", () => {
    refused(role("oracle", "grant", who(1), chain.wallet(1)), 10);
    refused(role("oracle", "revoke", who(1), chain.wallet(1)), 10);
    ok(role("governor", "grant", who(2)));
    for (const name of ["governor", "guardian"])
      for (const verb of ["grant", "revoke"]) refused(role(name, verb, who(2), chain.wallet(2)), 12);
    ok(role("operator", "grant", who(3), chain.wallet(2)));
    ok(role("operator", "revoke", who(3), chain.wallet(2)));
  });
  it("u14: have a name", () => refused(role("", "grant", who(1)), 14));
  it("u10: are not given through a contract the admin calls", () => {
    const middle = chain.deploy("roles-middle", `(define-public (go) (contract-call? '${chain.contract("roles")} grant "oracle" '${chain.wallet(1)}))`);
    refused(chain.call(middle, "go"), 10);
  });
  it("u10, u11: a guardian alone pauses and resumes, once", () => {
    refused(pausing("pause", chain.wallet(2)), 10);
    refused(pausing("resume", chain.wallet(2)), 10);
    refused(pausing("resume"), 11);
    expect(topics(pausing("pause"))).toEqual(["paused"]);
    refused(pausing("pause"), 11);
    expect(plain(chain.read("roles", "is-paused", [Cl.principal(chain.contract("marketplace"))]))).toBe(true);
    expect(topics(pausing("resume"))).toEqual(["resumed"]);
  });
  it("u10, u13: the admin's place passes to who accepts it, and is never empty", () => {
    refused(chain.call("roles", "offer-admin", [who(4)], chain.wallet(4)), 10);
    refused(chain.call("roles", "accept-admin", [], chain.wallet(4)), 13);
    expect(topics(chain.call("roles", "offer-admin", [who(4)]))).toEqual(["admin-offered"]);
    refused(chain.call("roles", "accept-admin", [], chain.wallet(5)), 13);
    expect(topics(chain.call("roles", "accept-admin", [], chain.wallet(4)))).toEqual(["admin-changed"]);
    expect(plain(chain.read("roles", "get-admin"))).toBe(chain.wallet(4));
    refused(role("oracle", "grant"), 10);
    refused(chain.call("roles", "accept-admin", [], chain.wallet(4)), 13);
  });
});

describe("parameters", () => {
  const set = (value: number | bigint, from: number, name = "trade-fee", sender = chain.deployer) =>
    chain.call("parameters", "set-parameter", [Cl.stringAscii(name), Cl.uint(value), Cl.uint(from)], sender);
  const get = () => plain(chain.read("parameters", "get-parameter", [Cl.stringAscii("trade-fee")]));
  it("hold from their time on, and what held before holds until then", () => {
    expect(get()).toBeNull();
    expect(topics(set(5, chain.now() + 30))).toEqual(["parameter-set"]);
    wait(chain, 60);
    expect(get()).toBe(5n);
    ok(set(9, chain.now() + 3600));
    expect(get()).toBe(5n);
    expect(plain(chain.read("parameters", "get-change", [Cl.stringAscii("trade-fee")]))).toMatchObject({ now: 5n, next: 9n });
    wait(chain, 4200);
    expect(get()).toBe(9n);
  });
  it("u23: are never so large that who reads them would overflow", () => {
    for (const value of [1n << 48n, (1n << 128n) - 1n]) refused(set(value, chain.now() + 3600), 23);
    ok(set((1n << 48n) - 1n, chain.now() + 3600, "largest"));
  });
  it("u20 to u22: are set by operators and governance, for the future, by name", () => {
    refused(set(1, chain.now() + 3600, "trade-fee", chain.wallet(6)), 20);
    refused(set(1, chain.now() - 3600), 21);
    refused(set(1, chain.now() + 3600, ""), 22);
  });
});
