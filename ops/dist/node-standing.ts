import type { Step } from '../../messages/pull.ts'
import type { NodeProgress, Sources } from '../screen/nodes.ts'

/** All that is known of a pull on one node. */
export interface NodeStanding {
  readonly progress: NodeProgress
  /** of the target, once resolved */
  readonly digest: string | undefined
  learn(news: { state: string; digest?: string | undefined; steps: readonly Step[] }): void
  /** A blob came, for whatever pull. */
  brought(blob: Sources & { digest: string }): void
  /** It has ended, `badly` as failed or cancelled. Resolves when it is known from where everything came, or that is not told. */
  end(badly: 'failed' | 'cancelled' | undefined, options: { signal: AbortSignal }): Promise<void>
}

/** Blobs up to this come in one message, and nothing is told of them. */
const toldBytes = 512 * 1024
/** ms in which what is told of the last blob comes */
const lateMs = 1_000

export function standing(node: string): NodeStanding {
  const steps = new Map<string, Step>()
  /** had before */
  const had = new Set<string>()
  const from = new Map<string, Sources>()
  const began = performance.now()
  let ended: number | undefined
  let state = 'resolving'
  let digest: string | undefined
  let news = Promise.withResolvers<void>()

  const brought = () => [...steps.values()].filter((step) => !had.has(step.descriptor.digest))
  const untold = () =>
    brought().some(({ descriptor, status }) => status === 'done' && descriptor.size > toldBytes && !from.has(descriptor.digest))

  return {
    get progress() {
      const its = brought()
      return {
        node,
        state: state === 'fetching' && its.some(isUnpacked) && its.every(isHere) ? 'unpacking' : state,
        bytes: its.reduce((sum, { offset }) => sum + offset, 0),
        total: its.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
        elapsedMs: Math.round((ended ?? performance.now()) - began),
        sources: sum(its.flatMap((step) => from.get(step.descriptor.digest) ?? [])),
      }
    },
    get digest() {
      return digest
    },
    learn(item) {
      state = item.state
      digest = item.digest ?? digest
      for (const step of item.steps) {
        // what is met as here already was not brought; what was brought is seen on its way first
        if (step.status === 'exists' && !isOnItsWay(steps.get(step.descriptor.digest))) had.add(step.descriptor.digest)
        steps.set(step.descriptor.digest, step)
      }
    },
    brought({ digest: blob, origin, peers }) {
      from.set(blob, { origin, peers })
      news.resolve()
      news = Promise.withResolvers()
    },
    async end(badly, { signal }) {
      state = badly ?? 'done'
      ended = performance.now()
      if (badly) return
      const late = AbortSignal.any([signal, AbortSignal.timeout(lateMs)])
      const over = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve(), { once: true }))
      while (untold() && !late.aborted) await Promise.race([news.promise, over])
    },
  }
}

const isOnItsWay = (step: Step | undefined): boolean => step !== undefined && step.offset > 0
const isUnpacked = ({ status }: Step): boolean => status === 'unpacking'
const isHere = ({ descriptor, offset }: Step): boolean => offset >= descriptor.size

function sum(all: readonly Sources[]): Sources {
  const peers: Record<string, number> = {}
  for (const one of all) for (const [node, bytes] of Object.entries(one.peers)) peers[node] = (peers[node] ?? 0) + bytes
  return { origin: all.reduce((total, { origin }) => total + origin, 0), peers }
}
