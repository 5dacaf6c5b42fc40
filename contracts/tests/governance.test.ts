import { type ClarityValue, Cl } from "@stacks/transactions";
import { beforeAll, describe, expect, it } from "vitest";
import { DAY } from "./sealed";
import { Chain, filled, ok, plain, refused, topics, wait } from "./support";
import { world } from "./world";

let chain: Chain;
const room = "governance";
const TOKEN = 1_000_000n;
const who = (wallet: number) => Cl.principal(chain.wallet(wallet));
const call = (name: string, args: ClarityValue[], wallet = 0) => chain.call(room, name, args, wallet ? chain.wallet(wallet) : chain.deployer);
type Idea = { kind?: number; mode?: number; name?: string; value?: number; who?: string };
const propose = (idea: Idea = {}, wallet = 1) => call("propose", [
  Cl.uint(idea.kind ?? 3), Cl.uint(idea.mode ?? 2), Cl.buffer(filled(1, 32)), Cl.stringAscii(idea.name ?? "trade-fee"), Cl.uint(idea.value ?? 50),
  idea.who ? Cl.some(Cl.principal(idea.who)) : Cl.none()], wallet);
const proposed = (idea: Idea = {}): number => Number(plain(ok(propose(idea))));
const vote = (number: number, wallet: number, yes = true, weight = 1n) => call("vote", [Cl.uint(number), Cl.bool(yes), Cl.uint(weight)], wallet);
const execute = (number: number) => call("execute", [Cl.uint(number)], 8);
const unlock = (number: number, wallet: number) => call("unlock", [Cl.uint(number)], wallet);
const parameter = (name: string) => plain(chain.read(room, "get-parameter", [Cl.stringAscii(name)]));
const tokens = (address: string): bigint => plain(chain.read("utility-token", "get-balance", [Cl.principal(address)]));
const toEnd = () => wait(chain, 3 * DAY);
const toExecution = () => wait(chain, 2 * DAY);
/** Pass a proposal by three members and wait out its timelock. */
function passed(idea: Idea = {}): number {
  const number = proposed(idea);
  for (const wallet of [1, 2, 3]) ok(vote(number, wallet));
  toEnd();
  toExecution();
  return number;
}

beforeAll(async () => {
  chain = await world();
  chain.grant("rewarder", chain.deployer);
  for (const wallet of [1, 2, 3]) ok(chain.call("utility-token", "mint", [Cl.uint(1000n * TOKEN), who(wallet)]));
});

describe("votes by members", () => {
  it("change a parameter after the timelock, once", () => {
    const answer = propose({ kind: 2, value: 50 });
    expect(topics(answer)).toEqual(["proposed"]);
    const number = Number(plain(ok(answer)));
    expect(topics(vote(number, 1))).toEqual(["voted"]);
    ok(vote(number, 2));
    ok(vote(number, 3, false));
    expect(plain(chain.read(room, "get-vote", [Cl.uint(number), who(3)]))).toMatchObject({ yes: false, weight: 1n });
    refused(execute(number), 908);
    toEnd();
    refused(execute(number), 908);
    toExecution();
    expect(topics(execute(number))).toEqual(["audit-entry", "executed", "parameter-set"]);
    expect(parameter("trade-fee")).toBe(50n);
    expect(plain(chain.read(room, "get-proposal", [Cl.uint(number)]))).toMatchObject({ for: 2n, against: 1n, executed: true });
    refused(execute(number), 910);
  });
  it("give and take roles by an upgrade, but never governance's own or a guardian's", () => {
    const next = chain.contract("payment-next");
    ok(execute(passed({ kind: 4, name: "escrow", value: 1, who: next })));
    const has = () => plain(chain.read("roles", "has-role", [Cl.stringAscii("escrow"), Cl.principal(next)]));
    expect(has()).toBe(true);
    ok(execute(passed({ kind: 4, name: "escrow", value: 0, who: next })));
    expect(has()).toBe(false);
    refused(execute(passed({ kind: 4, name: "governor", value: 0, who: chain.contract(room) })), 911);
    refused(execute(passed({ kind: 4, name: "guardian", value: 0, who: chain.deployer })), 911);
  });
  it("u909: fail without a majority, a quorum, or in their time", () => {
    const split = proposed();
    for (const [wallet, yes] of [[1, true], [2, false], [3, true], [4, false]] as [number, boolean][]) ok(vote(split, wallet, yes));
    const few = proposed();
    ok(vote(few, 1));
    expect(plain(chain.read(room, "has-passed", [Cl.uint(few)]))).toBe(false);
    toEnd();
    toExecution();
    refused(execute(split), 909);
    refused(execute(few), 909);
    const old = passed();
    wait(chain, 14 * DAY);
    refused(execute(old), 909);
  });
});

describe("votes by tokens", () => {
  it("weigh what is locked, and give it back when the vote is over", () => {
    const number = proposed({ kind: 1, mode: 1, name: "feed-in", value: 80_000 });
    ok(vote(number, 1, true, 600n * TOKEN));
    ok(vote(number, 2, false, 500n * TOKEN));
    expect([tokens(chain.wallet(1)), tokens(chain.contract(room))]).toEqual([400n * TOKEN, 1100n * TOKEN]);
    expect(plain(chain.read(room, "get-locked"))).toBe(1100n * TOKEN);
    refused(unlock(number, 1), 908);
    toEnd();
    chain.pause(room);
    expect(topics(unlock(number, 1))[0]).toBe("unlocked");
    chain.resume(room);
    expect(tokens(chain.wallet(1))).toBe(1000n * TOKEN);
    refused(unlock(number, 1), 912);
    refused(unlock(number, 3), 912);
    chain.pause("utility-token");
    refused(unlock(number, 2), 913);
    chain.resume("utility-token");
    ok(unlock(number, 2));
    expect(tokens(chain.contract(room))).toBe(0n);
    toExecution();
    ok(execute(number));
    expect(parameter("feed-in")).toBe(80_000n);
  });
  it("u913: weigh no more than the voter has, and the vote is as if not given", () => {
    const number = proposed({ mode: 1 });
    refused(vote(number, 3, true, 1001n * TOKEN), 913);
    refused(vote(number, 4, true, 1n), 913);
    ok(vote(number, 3, true, 1000n * TOKEN));
  });
});

describe("refusals", () => {
  it("u900, u902, u903: proposals come from verified users, in a known kind and mode, with a value that makes sense", () => {
    refused(propose({}, 5), 900);
    for (const idea of [{ kind: 0 }, { kind: 5 }, { mode: 0 }, { mode: 3 }]) refused(propose(idea), 902);
    refused(call("propose", [Cl.uint(3), Cl.uint(2), Cl.buffer(filled(1, 31)), Cl.stringAscii("x"), Cl.uint(1), Cl.none()], 1), 903);
    refused(call("propose", [Cl.uint(3), Cl.uint(2), Cl.buffer(filled(1, 32)), Cl.stringAscii("x"), Cl.uint(1n << 48n), Cl.none()], 1), 903);
    for (const idea of [{ name: "" }, { kind: 2, value: 1001 }, { kind: 4 }, { kind: 3, who: chain.deployer }, { kind: 4, value: 2, who: chain.deployer },
      { kind: 4, value: 1, name: "a-role-name-too-long-by-far", who: chain.deployer }]) refused(propose(idea), 903);
  });
  it("u900, u904 to u907: a vote is by a verified user, once, in time, of the right weight", () => {
    const number = proposed();
    refused(vote(number, 5), 900);
    refused(vote(9999, 1), 904);
    refused(vote(number, 1, true, 0n), 907);
    refused(vote(number, 1, true, 2n), 907);
    ok(vote(number, 1));
    refused(vote(number, 1, false), 906);
    toEnd();
    refused(vote(number, 2), 905);
  });
  it("u900: a middle contract votes for nobody", () => {
    const number = proposed();
    const middle = chain.deploy("governance-middle", `(define-public (go) (contract-call? '${chain.contract(room)} vote u${number} true u1))`);
    refused(chain.call(middle, "go", [], chain.wallet(1)), 900);
  });
  it("u904, u905, u914, u909: a proposal is withdrawn by its proposer while it is voted on", () => {
    const withdraw = (number: number, wallet: number) => call("withdraw-proposal", [Cl.uint(number)], wallet);
    const number = proposed({ mode: 1 });
    ok(vote(number, 1, true, 1000n * TOKEN));
    refused(withdraw(9999, 1), 904);
    refused(withdraw(number, 2), 914);
    expect(topics(withdraw(number, 1))).toEqual(["proposal-withdrawn"]);
    refused(withdraw(number, 1), 905);
    refused(vote(number, 2, true, 1n), 905);
    ok(unlock(number, 1));
    toEnd();
    toExecution();
    refused(execute(number), 909);
  });
  it("u901, u904: nothing is proposed, voted or executed while paused, nor what is unknown", () => {
    refused(execute(9999), 904);
    refused(unlock(9999, 1), 904);
    const number = passed();
    const open = proposed();
    chain.pause(room);
    refused(propose(), 901);
    refused(vote(open, 1), 901);
    refused(execute(number), 901);
    chain.resume(room);
    ok(execute(number));
    expect(plain(chain.read(room, "get-proposal-count"))).toBeGreaterThan(10n);
  });
});
