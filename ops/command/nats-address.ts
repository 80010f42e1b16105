import { Failure } from '../../messages/grammar/index.ts'
import type { NatsAddress } from '../../runtime/bus/nats.ts'

/** Read `[nats://][user:password@]host[:port]`: user and password leave the URL, so that it can be shown. Fails with invalid_argument. */
export function natsAddress(given: string): NatsAddress & { url: string } {
  const text = given.includes('://') ? given : `nats://${given}`
  if (!URL.canParse(text)) throw new Failure('invalid_argument', `reach NATS at ${JSON.stringify(given)}: not a URL`)
  const url = new URL(text)
  const { username, password } = url
  url.username = ''
  url.password = ''
  return { url: url.href, ...(username && { user: decodeURIComponent(username), password: decodeURIComponent(password) }) }
}
