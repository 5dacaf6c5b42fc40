import { defineConfig } from "vitest/config";

// Starting a chain takes three seconds of processor time, so timeouts are generous.
// Every file starts a chain of its own; two at a time suit a two-core machine.
export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts", "devnet/**/*.test.mjs"],
    silent: "passed-only",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
