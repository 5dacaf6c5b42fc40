// A devnet as one thing: its chain, the HTTP in front of it and the blocks it makes.
// It listens on the loopback address only, and must never be reachable from elsewhere:
// its keys are published.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { accountsOf } from "./accounts.mjs";
import { MAX_BYTES } from "./admission.mjs";
import { Chain } from "./chain.mjs";
import { deploy, faucet } from "./deployment.mjs";
import { Answer, answer } from "./routes.mjs";
import { Broken } from "./simulation.mjs";

const SETTINGS = new URL("../settings/Devnet.toml", import.meta.url);
const HOST = "127.0.0.1";
/** A transaction as hex in JSON, and what is around it. */
const MAX_BODY = 2 * MAX_BYTES + 1024;
/** Transactions mined before others are heard: a fifth of a second. */
const MAX_ROUND = 50;
/** Empty blocks after the last transaction, so that who counts confirmations sees them. */
const SETTLING = 8;
/** How far the chain's clock may be behind before Bitcoin blocks catch up. */
const LAG = 600;
const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/** Seconds of this network: METERSEAL_CLOCK=epoch,speed as all programs read it, else real ones. */
export function clock(setting = "") {
  const [epoch, speed] = setting ? setting.split(",").map(Number) : [0, 1];
  if (![epoch, speed].every(Number.isFinite) || speed <= 0) throw new Error(`METERSEAL_CLOCK=${setting}: write epoch,speed, e.g. 1790000000,60`);
  return () => Math.floor(epoch + (Date.now() / 1000 - epoch) * speed);
}

function bodyOf(request) {
  return new Promise((done, failed) => {
    const parts = [];
    let size = 0;
    request.on("data", (part) => {
      size += part.length;
      if (size <= MAX_BODY) parts.push(part);
    }).on("end", () => (size > MAX_BODY ? failed(new Answer(413, "The body is too large")) : done(Buffer.concat(parts)))).on("error", failed);
  });
}

export class Devnet {
  #server;
  #timer;
  /** One request or round at a time: the chain is not entered twice. */
  #turn = Promise.resolve();
  #settling = 0;

  /**
   * Open the chain at `journal` and listen. `blockMs` between blocks, 0 for blocks on
   * demand only; `time` begins a new chain's clock; `fund` {address: micro-STX} beside
   * the accounts of the settings; `bare` deploys nothing, `also` names accounts that
   * publish our contracts a second time, as another network would; `fell` is told when the
   * simulator is past help and the process has to end.
   */
  static async start({ journal, port = 0, blockMs = 0, time, fund = {}, fresh = false, bare = false, also = [], fell, now = clock(process.env.METERSEAL_CLOCK) }) {
    const devnet = new Devnet();
    Object.assign(devnet, { now, blockMs, fell });
    devnet.accounts = accountsOf(readFileSync(SETTINGS, "utf8"));
    devnet.faucet = faucet();
    const balances = Object.fromEntries([...devnet.accounts, devnet.faucet].map(({ address, balance }) => [address, balance]));
    devnet.chain = await Chain.open({ path: journal, time: time ?? now(), balances: { ...balances, ...fund }, fresh });
    devnet.deployer = devnet.accounts.find(({ name }) => name === "deployer");
    try {
      devnet.deployed = 0;
      for (const publisher of bare ? [] : [devnet.deployer, ...also.map((name) => devnet.#account(name))])
        devnet.deployed += await deploy(devnet.chain, publisher, now());
      await devnet.#listen(port);
    } catch (error) {
      devnet.chain.close();
      throw error;
    }
    if (blockMs) devnet.#tick();
    return devnet;
  }

  get url() { return `http://${HOST}:${this.#server.address().port}`; }

  #account(name) {
    const found = this.accounts.find((one) => one.name === name);
    if (!found) throw new Error(`--also ${name}: the settings have ${this.accounts.map((one) => one.name).join(", ")}`);
    return found;
  }

  #listen(port) {
    this.#server = createServer((request, response) => this.#serve(request, response));
    return new Promise((done, failed) => this.#server.once("error", failed).listen(port, HOST, done));
  }

  /** Do `work` when all before it is done. */
  #queue(work) {
    const done = this.#turn.then(work);
    this.#turn = done.catch((error) => { if (error instanceof Broken) this.fell?.(error); });
    return done;
  }

  async #serve(request, response) {
    const origin = request.headers.origin ?? "";
    const headers = { "content-type": "application/json", ...(LOOPBACK.test(origin) && { "access-control-allow-origin": origin, "access-control-allow-headers": "content-type" }) };
    const send = (status, body) => {
      const text = typeof body === "string" && status !== 200;
      response.writeHead(status, { ...headers, ...(text && { "content-type": "text/plain" }) });
      response.end(text ? body : JSON.stringify(body, (_, value) => (typeof value === "bigint" ? String(value) : value)));
    };
    try {
      if (request.method === "OPTIONS") return send(200, {});
      const { pathname: path, searchParams: query } = new URL(request.url, this.url);
      const type = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
      const asked = { method: request.method, path, query, type, body: await bodyOf(request), now: this.now(), faucet: this.faucet };
      send(200, await this.#queue(() => answer(this.chain, asked)));
    } catch (error) {
      if (error instanceof Answer) return send(error.status, error.body);
      console.error(error);
      send(500, { error: "the devnet failed; its log says where" });
    }
  }

  #tick() {
    this.#timer = setTimeout(() => {
      this.#queue(() => this.#round()).catch((error) => console.error(error)).finally(() => this.#timer && this.#tick());
    }, this.blockMs);
  }

  async #round() {
    const behind = this.now() - this.chain.simulation.time;
    if (behind >= LAG) this.chain.passUntil(this.chain.simulation.time + behind - (behind % LAG));
    if (await this.chain.mine(MAX_ROUND)) this.#settling = SETTLING;
    else if (this.#settling > 0) {
      this.#settling -= 1;
      this.chain.pass(1, false);
    }
  }

  /** Stop listening and mining, and let the journal go. */
  async stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    await this.#turn;
    this.chain.close();
  }
}
