import { Failure } from '../../messages/grammar/index.ts'
import type { NatsAddress } from '../../runtime/bus/nats-address.ts'

/**
 * Read `[nats://][user:password@]host[:port]`, or several of them with commas: user and password leave the URLs, so that those can be shown. The first that has them
 * has them for all. `tls://` demands TLS. Fails with invalid_argument.
 */
export function natsAddress(given: string): NatsAddress {
  const urls = given
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
    .map(read)
  const [first] = urls
  if (!first) throw new Failure('invalid_argument', 'reach NATS: no URL is given')
  const known = urls.find(({ user }) => user !== '')
  return {
    url: urls.length === 1 ? first.url : urls.map(({ url }) => url),
    ...(known && { user: decodeURIComponent(known.user), password: decodeURIComponent(known.password) }),
    ...(urls.some(({ url }) => url.startsWith('tls:')) && { tls: {} }),
  }
}

/** URLs as they can be shown. */
export function withoutPasswords(given: string): string {
  return given.replace(/(^|,|\/\/)([^@/,]*):[^@/,]*@/g, '$1$2:***@')
}

function read(given: string): { url: string; user: string; password: string } {
  const text = given.includes('://') ? given : `nats://${given}`
  if (!URL.canParse(text)) throw new Failure('invalid_argument', `reach NATS at ${JSON.stringify(withoutPasswords(given))}: not a URL`)
  const url = new URL(text)
  const { username: user, password } = url
  url.username = ''
  url.password = ''
  return { url: url.href, user, password }
}
