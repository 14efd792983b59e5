import { defineConfig } from "vitest/config";

// Tests of page logic that needs no DOM; the pages themselves are tested in tests/e2e.
export default defineConfig({
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
