import { Buffer } from 'node:buffer'
import { credsAuthenticator, type NodeConnectionOptions, nkeyAuthenticator } from 'nats'

/** A NATS system, and who we are there. */
export interface NatsAddress {
  /** of one server or of several of one system */
  readonly url: string | readonly string[]
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** contents of a .creds file, instead of user and password */
  readonly credentials?: string | undefined
  /** of an nkey, instead of user and password */
  readonly seed?: string | undefined
  /** given, if only as `{}`, nothing is said to a server that has no TLS, or whose certificate is not of an authority that is trusted */
  readonly tls?: NatsTls | undefined
  /** first tokens of the subjects we are answered on; who may listen to no others says so here (`_INBOX.<user>`, and `_INBOX` without one) */
  readonly inbox?: string | undefined
  /** servers of it each stream and bucket is to be kept on; if left out as many as there are, and one for what is made */
  readonly replicas?: number | undefined
}

/** PEM, all of it. */
export interface NatsTls {
  /** authorities that are trusted; those of the system if left out */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** What the client library is told of an address: its servers, who we are there, and where we are answered. */
export function reaching(address: NatsAddress): NodeConnectionOptions {
  return { servers: [address.url].flat(), inboxPrefix: inboxOf(address), ...authentication(address) }
}

/** First tokens of the subjects we are answered on: as is said, or of each user's own where the name of the user can be a token. */
export const inboxOf = ({ inbox, user }: Pick<NatsAddress, 'inbox' | 'user'>): string =>
  inbox ?? (user !== undefined && /^[\w-]+$/.test(user) ? `_INBOX.${user}` : '_INBOX')

/** Its URLs as they can be shown and logged: without users and their passwords. */
export const shown = ({ url }: Pick<NatsAddress, 'url'>): string =>
  [url]
    .flat()
    .map((one) => one.replace(/\/\/[^@/]*@/, '//'))
    .join(', ')

function authentication({ user, password, credentials, seed, tls }: NatsAddress): NodeConnectionOptions {
  return {
    ...(user !== undefined && { user, pass: password ?? '' }),
    ...(credentials !== undefined && { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
    ...(seed !== undefined && { authenticator: nkeyAuthenticator(Buffer.from(seed.trim())) }),
    ...(tls !== undefined && { tls: Object.fromEntries(Object.entries(tls).filter(([, pem]) => pem !== undefined)) }),
  }
}
