import type { gc } from '../../messages/gc.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { complain } from './complain.ts'
import type { Session } from './session.ts'

/** A run may have much to take away. */
const patienceMs = 600_000

/** Collect now. What could not be taken away is complained of, a line each; then the exit code is not 0. */
export async function collect(program: string, { ask }: Session) {
  const ran = await ask<typeof gc>('gc').run({}, { timeoutMs: patienceMs })
  const codes = ran.failed.map(({ kind, key, why }) => complain(program, new Failure('unavailable', `collect ${kind} ${key}: ${why}`)))
  return { ...ran, exit: codes[0] ?? 0 }
}
