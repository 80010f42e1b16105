/** How properties are tried: so many times or so long, whichever ends first; more, or one case again, by the environment. */
import type { Parameters } from 'fast-check'

/**
 * For `fc.assert`. `GANTRY_TEST_RUNS` asks for so many runs however long they take, `GANTRY_TEST_SEED` and `GANTRY_TEST_PATH` for those a failure was reported with.
 */
export function bounded<T>({ runs, ms }: { runs: number; ms: number }): Parameters<T> {
  const { GANTRY_TEST_RUNS: asked, GANTRY_TEST_SEED: seed, GANTRY_TEST_PATH: path } = process.env
  return {
    ...(asked === undefined ? { numRuns: runs, interruptAfterTimeLimit: ms } : { numRuns: Number(asked) }),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  }
}
