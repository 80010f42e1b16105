import { Failure } from '../../messages/grammar/index.ts'

/** The failure, with `attempted` put before what it says, unless it names `subject` already. */
export function about(error: unknown, attempted: string, subject: string): Failure {
  const failure = Failure.from(error)
  if (failure.message.includes(subject)) return failure
  return new Failure(failure.code, `${attempted}: ${failure.message}`, { details: failure.details, cause: error })
}
