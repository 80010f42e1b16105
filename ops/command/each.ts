import { Failure } from '../../messages/grammar/index.ts'
import { complain } from './complain.ts'

/** Do the same to each of several things: one that fails is complained of and the rest is still done. The exit code of the first failure, or 0. */
export async function each(program: string, things: readonly string[], act: (thing: string) => Promise<void>): Promise<number> {
  let exit = 0
  for (const thing of things) {
    try {
      await act(thing)
    } catch (error) {
      if (Failure.from(error).code === 'cancelled') throw error
      const code = complain(program, error)
      exit ||= code
    }
  }
  return exit
}
