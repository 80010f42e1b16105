import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Real servers and kill -9 on a shared machine: what fails twice running has failed. A single failure is shown all the same.
    retry: 1,
  },
})
