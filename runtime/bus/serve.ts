import type { z } from 'zod'
import { type Call, type Feed, type Handlers, type Log, type Protocol, subject } from '../../messages/grammar/index.ts'
import { Answering, type Handler } from './answer.ts'
import type { Bus, Interest } from './bus.ts'
import { describe, type Endpoint } from './discovery.ts'
import { Inflight } from './inflight.ts'

/** What is served. */
export interface Serving<P extends Protocol> {
  readonly node: string
  readonly actor: string
  readonly protocol: P
  readonly handlers: Handlers<P>
  readonly log: Log
  /** `node`: only requests to this very node are answered, none to `any` or `all` */
  readonly only?: 'node' | undefined
  /** of the actor, for service discovery */
  readonly version?: string | undefined
}

/**
 * Answer for an actor until disposed; then what is at work is aborted and waited for.
 *
 * Every call and feed is answered under the node's name, as one of `any`, and as one of `all`. Requests are checked against the
 * protocol here and nowhere else. Resolves when the bus knows: what is asked after that is answered.
 */
export async function serve<P extends Protocol>(bus: Bus, serving: Serving<P>): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const inflight = stack.use(new Inflight(bus, serving.node))
  const endpoints: Endpoint[] = []
  const interests: Interest[] = []
  const listen = (to: string, endpoint: Endpoint, answering: Answering, queue?: string) => {
    const at = subject(bus.root, to, serving.actor, endpoint.verb)
    interests.push(stack.use(bus.subscribe(at, (delivery) => void answering.answer(delivery), { queue })))
  }
  for (const [verb, definition] of Object.entries(serving.protocol)) {
    if (definition.kind === 'event') continue
    const endpoint = anEndpoint(bus, serving, verb, definition)
    const answering = new Answering({
      ...serving,
      bus,
      endpoint,
      inflight,
      handler: serving.handlers[verb as keyof Handlers<P>] as Handler,
    })
    endpoints.push(endpoint)
    listen(serving.node, endpoint, answering)
    if (serving.only === 'node') continue
    listen('any', endpoint, answering, 'any')
    listen('all', endpoint, answering)
  }
  const discovery = stack.use(describe(bus, { ...serving, version: serving.version ?? '0.0.0', endpoints }))
  await Promise.all([inflight.ready, discovery.ready, ...interests.map(({ ready }) => ready)])
  return stack.move()
}

/** One call that is answered on subjects of its own. */
export interface ServingAt<C extends Call> extends Pick<Serving<Protocol>, 'node' | 'actor' | 'log'> {
  /** what it is called in logs and failures */
  readonly verb: string
  readonly call: C
  readonly handler: (at: string) => Promise<z.input<C['reply']>> | z.input<C['reply']>
}

/** Subjects on which one call is answered. */
export interface ServedAt extends AsyncDisposable {
  /** Answer on one more, until that is disposed of. */
  listen(at: string): Interest
}

/** Answer one call wherever `listen` says, until disposed. */
export async function serveAt<C extends Call>(bus: Bus, serving: ServingAt<C>): Promise<ServedAt> {
  const { verb, call, node, actor, log, handler } = serving
  await using stack = new AsyncDisposableStack()
  const inflight = stack.use(new Inflight(bus, node))
  await inflight.ready
  const done = stack.move()
  return {
    listen(at) {
      const endpoint = { ...anEndpoint(bus, { node, actor }, verb, call), subject: at }
      const answering = new Answering({ bus, node, actor, log, endpoint, inflight, handler: () => handler(at) })
      return bus.subscribe(at, (delivery) => void answering.answer(delivery))
    },
    [Symbol.asyncDispose]: () => done.disposeAsync(),
  }
}

const anEndpoint = (bus: Bus, { node, actor }: { node: string; actor: string }, verb: string, definition: Call | Feed): Endpoint => ({
  verb,
  definition,
  subject: subject(bus.root, node, actor, verb),
  stats: { requests: 0, errors: 0, lastError: '', nanoseconds: 0 },
})
