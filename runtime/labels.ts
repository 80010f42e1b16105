import { Failure } from '../messages/grammar/index.ts'

/** All labels of one thing: how many, and bytes of keys and values. */
const most = { labels: 256, bytes: 64 * 1024 }

/**
 * Labels after a change: those set to nothing are taken away. Fails with invalid_argument when they would come to more than a thing may have; `attempted` begins
 * what the failure says.
 */
export function mergedLabels(
  before: Readonly<Record<string, string>>,
  change: Readonly<Record<string, string>>,
  attempted: string,
): Record<string, string> {
  const entries = Object.entries({ ...before, ...change }).filter(([, value]) => value !== '')
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  if (entries.length > most.labels || bytes > most.bytes)
    throw new Failure(
      'invalid_argument',
      `${attempted}: it would have ${entries.length} labels of ${bytes} bytes, ${most.labels} of ${most.bytes} are allowed`,
    )
  return Object.fromEntries(entries)
}
