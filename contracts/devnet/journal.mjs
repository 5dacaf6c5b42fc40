// The devnet's memory: one JSON line for each thing that happened, in order.
//
// A line is written before anybody is told of what it says, so whatever was answered
// survives the process, however it ended. A last line without its end was answered to
// nobody and is cut off; any other line that cannot be read is a reason to stop. This
// module must never change a line once written.
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Tell whether the process of a lock is there: signal 0 asks and does nothing. */
function isAlive(pid) {
  try { process.kill(pid, 0); } catch (error) { return error.code === "EPERM"; }
  // In a container nobody may have waited for a killed process; Linux calls that a zombie.
  try { return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1")); } catch { return true; }
}

export class Journal {
  #file;
  #lock;

  /** The journal at `path`, made where there is none. Throws where another devnet writes it. */
  constructor(path) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.#lock = `${path}.lock`;
    if (existsSync(this.#lock)) {
      const holder = Number(readFileSync(this.#lock, "utf8"));
      if (holder && holder !== process.pid && isAlive(holder)) throw new Error(`${path} is written by process ${holder}: stop it, or name another --journal`);
    }
    writeFileSync(this.#lock, String(process.pid));
    this.#file = openSync(path, "a+", 0o600);
  }

  /** The lines so far, parsed; cuts off a last line that was never finished. */
  read() {
    const bytes = readFileSync(this.path), end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) ftruncateSync(this.#file, end);
    return bytes.subarray(0, end).toString("utf8").split("\n").slice(0, -1).map((line, index) => {
      try { return JSON.parse(line); } catch { throw new Error(`${this.path} is damaged at line ${index + 1}: restore it, or begin anew with --fresh`); }
    });
  }

  append(entry) { writeSync(this.#file, `${JSON.stringify(entry)}\n`); }

  /** Hand what was written to the disk itself, so that a power cut keeps it too. */
  sync() { fsyncSync(this.#file); }

  close() {
    this.sync();
    closeSync(this.#file);
    rmSync(this.#lock, { force: true });
  }
}

/** Remove a journal for good. */
export function forget(path) { rmSync(path, { force: true }); }
