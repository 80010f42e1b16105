import { Failure } from '../../messages/grammar/index.ts'
import type { Reference } from '../../messages/words/index.ts'
import { originOf, redacted, redirectOf, urlOf } from './addresses.ts'
import { refusal } from './answers.ts'
import { parseChallenges } from './challenge.ts'
import type { Patience } from './patience.ts'
import type { Tokens } from './token.ts'
import { headerOf, type Response, type Transport } from './transport.ts'

/** What is asked of a registry. `attempted` is how a failure's message begins. */
export interface Question {
  readonly method: 'GET' | 'HEAD'
  readonly reference: Reference
  /** within the repository: `manifests/latest`, `blobs/sha256:…` */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly attempted: string
  readonly signal: AbortSignal
}

/** A 2xx, and where it came from in the end. Its body has to be read to its end, or discarded. */
export interface Opened {
  readonly response: Response
  readonly url: URL
}

/** Registries, spoken to as the distribution specification says: tokens fetched, redirects followed, errors told, retried while that may help, and not asked while they want to be left alone. */
export interface Registries {
  /** Ask, up to the headers of the answer. Fails by its status unless that is 2xx. */
  open(question: Question): Promise<Opened>
  /** Ask, and make something of the answer; a body that fails is asked for again. */
  ask<T>(question: Question, use: (response: Response) => Promise<T>): Promise<T>
}

/** Does something again when its failure says that may help, waiting longer each time. */
export type Retry = <T>(work: () => Promise<T>, options: { signal: AbortSignal }) => Promise<T>

/** A registry asked not to be asked again before then. */
export interface Throttled {
  readonly registry: string
  readonly until: number
  readonly status: number
}

export interface RegistriesComponents {
  readonly transport: Transport
  readonly tokens: Tokens
  readonly retry: Retry
  readonly patience: Patience
  /** Told of what was not known of a registry's patience. */
  readonly throttled: (throttled: Throttled) => void
  readonly now: () => number
}

const maxHops = 10

export function openRegistries({ transport, tokens, retry, patience, throttled, now }: RegistriesComponents): Registries {
  const minded = (error: Failure, { host: registry }: URL, status: number): Failure => {
    const asked = error.details?.['retryAfterMs']
    const until = [429, 503].includes(status) && typeof asked === 'number' ? patience.asked(registry, now() + asked) : undefined
    if (until !== undefined) throttled({ registry, until, status })
    return error
  }
  const once = async (question: Question): Promise<Opened> => {
    const { reference, path, method, attempted } = question
    const origin = originOf(reference.host)
    const purpose = { origin, scope: `repository:${reference.repository}:pull` }
    let url = urlOf(reference, path)
    let token = tokens.held(purpose)
    let refused = false
    for (let hops = 0; hops <= maxHops; ) {
      const ours = url.origin === origin
      await patience.give(url.host, question)
      const response = await transport.send({
        ...question,
        url,
        headers: { ...question.headers, ...(ours && token && { authorization: `Bearer ${token}` }) },
      })
      if (response.status >= 200 && response.status < 300) return { response, url }
      if (response.status === 401 && ours && !refused) {
        refused = true
        response.discard()
        token = await tokens.obtain(purpose, parseChallenges(response.headers['www-authenticate']), { ...question, refused: token })
      } else if ([301, 302, 303, 307, 308].includes(response.status)) {
        hops++
        response.discard()
        url = redirectOf(url, headerOf(response, 'location'), attempted)
      } else throw minded(await refusal(response, url, method, attempted), url, response.status)
    }
    throw new Failure('unimplemented', `${attempted}: ${redacted(urlOf(reference, path))} redirects more than ${maxHops} times`)
  }

  return {
    open: (question) => retry(() => once(question), { signal: question.signal }),
    ask: (question, use) =>
      retry(
        async () => {
          const { response } = await once(question)
          try {
            return await use(response)
          } finally {
            response.discard()
          }
        },
        { signal: question.signal },
      ),
  }
}
