import { Failure } from '../../messages/grammar/index.ts'
import { shared } from '../../runtime/shared.ts'
import { redacted } from './addresses.ts'
import { refusal } from './answers.ts'
import type { Challenge } from './challenge.ts'
import { networkFailure, type Transport } from './transport.ts'
import { readWhole } from './whole.ts'

/** Right to read one repository of one registry, good for a while. */
interface Token {
  readonly value: string
  readonly until: number
}

/** What a token is for. It is never sent anywhere but to `origin`. */
export interface Purpose {
  readonly origin: string
  /** `repository:library/redis:pull` */
  readonly scope: string
}

/** Anonymous bearer tokens (distribution spec, token authentication), kept until they run out. */
export interface Tokens {
  /** The token at hand for a purpose, if any. */
  held(purpose: Purpose): string | undefined
  /**
   * A token that answers a challenge, other than the one just `refused`; those who ask for the same at the same time share one request.
   * Fails with unauthenticated when the challenge asks for more than anonymity.
   */
  obtain(purpose: Purpose, challenges: readonly Challenge[], options: Obtaining): Promise<string>
}

export interface Obtaining {
  readonly refused: string | undefined
  readonly attempted: string
  readonly signal: AbortSignal
}

/** Most bytes of a token server's answer. */
const maxAnswer = 256 * 1024

export function openTokens({ transport, now }: { transport: Transport; now: () => number }): Tokens {
  const asking = shared<string, Token>()
  const tokens = new Map<string, Token>()
  const keyOf = ({ origin, scope }: Purpose) => `${origin} ${scope}`

  const held = (purpose: Purpose) => {
    const token = tokens.get(keyOf(purpose))
    return token && token.until > now() ? token.value : undefined
  }

  return {
    held,
    async obtain(purpose, challenges, { refused, attempted, signal }) {
      const another = held(purpose)
      if (another !== undefined && another !== refused) return another
      const url = tokenUrl(purpose, challenges, attempted)
      const answering = asking.run(
        keyOf(purpose),
        async (signal) => {
          const token = await ask(transport, url, { attempted, signal, now: now() })
          tokens.set(keyOf(purpose), token)
          return token
        },
        { signal },
      )
      try {
        return (await answering).value
      } catch (error) {
        throw networkFailure(error, `${attempted}: ask ${redacted(url)} for a token`, signal)
      }
    },
  }
}

/** Where to ask, from the first challenge that can be met. */
function tokenUrl({ origin, scope }: Purpose, challenges: readonly Challenge[], attempted: string): URL {
  const refuse = (why: string): never => {
    throw new Failure('unauthenticated', `${attempted}: ${origin} ${why}`)
  }
  const bearer = challenges.find((challenge) => challenge.scheme === 'bearer')
  if (!bearer)
    return refuse(
      challenges.length
        ? `asks for ${challenges.map((one) => one.scheme).join(' or ')} credentials, and there are none`
        : 'refuses without saying what it asks for',
    )
  const { realm = '', service, scope: asked } = bearer.parameters
  if (!URL.canParse(realm)) return refuse('sends for a token to nowhere')
  const url = new URL(realm)
  const encrypted = url.protocol === 'https:' || (url.protocol === 'http:' && origin.startsWith('http:'))
  if (!encrypted) refuse(`sends for a token to ${redacted(url)}, which is not encrypted`)
  if (service) url.searchParams.set('service', service)
  for (const one of (asked || scope).split(' ')) url.searchParams.append('scope', one)
  return url
}

async function ask(
  transport: Transport,
  url: URL,
  { attempted, signal, now }: { attempted: string; signal: AbortSignal; now: number },
): Promise<Token> {
  const doing = `${attempted}: ask ${redacted(url)} for a token`
  const response = await transport.send({ method: 'GET', url, headers: { accept: 'application/json' }, attempted, signal })
  if (response.status !== 200) throw await refusal(response, url, 'GET', attempted)
  const bytes = await readWhole(response, { limit: maxAnswer, attempted: doing, signal })
  const answer = parse(bytes.toString())
  const value = answer['token'] ?? answer['access_token']
  // What goes into a header must not be able to end it.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw new Failure('unauthenticated', `${doing}: the answer has none`)
  return { value, until: now + lifetime(answer['expires_in']) * 1000 }
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Seconds to rely on a token: the specification's 60 unless told, less a margin for clocks and the way. */
function lifetime(seconds: unknown): number {
  const told = typeof seconds === 'number' && seconds >= 0 ? Math.max(seconds, 60) : 60
  return Math.min(told, 24 * 3600) - 10
}
