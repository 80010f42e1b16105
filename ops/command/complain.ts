import { Failure, failures } from '../../messages/grammar/failure.ts'
import { printable } from './printable.ts'

/** Say on standard error, in one line, why a program failed; the exit code its failure asks for. */
export function complain(name: string, error: unknown): number {
  const failure = Failure.from(error)
  process.stderr.write(`${name}: ${printable(failure.message)}\n`)
  if (process.env['GANTRY_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  return failures[failure.code].exit
}
