import { randomInt } from 'node:crypto'
import { Failure } from '../../messages/grammar/index.ts'
import type { Bucket } from '../../runtime/bus/bucket.ts'
import { given } from '../../runtime/given.ts'
import { limit } from '../../runtime/limit.ts'

/** Pieces `from` up to `to` that a node reads from the registry. `beat` goes up while it does. */
export interface Claim {
  readonly node: string
  readonly from: number
  readonly to: number
  readonly beat: number
}

/** Pieces a node had when it last claimed, or let go of, anything; a bit a piece. */
export interface Held {
  readonly node: string
  readonly pieces: Uint8Array
}

/** What the cluster agrees on of one blob. */
export interface Agreement {
  readonly claims: readonly Claim[]
  /** Who has not been heard saying what it has is asked before that is read again. */
  readonly held?: readonly Held[]
  /** the registry sends the whole or nothing: it is read by one node, from where nobody has it to the end */
  readonly whole?: boolean
}

/** The right to read pieces of one blob from its registry. */
export interface Claims {
  /** What was agreed when last looked at. */
  readonly agreed: Agreement
  /**
   * Claim what `choose` wants, in view of what others have. It may be asked more than once, because others claim too. Answers what is ours now; undefined when it wants
   * nothing.
   */
  take(
    choose: (others: readonly Claim[], agreement: Agreement) => Range | undefined,
    options: { signal: AbortSignal },
  ): Promise<Taken | undefined>
  /** Let go of what is ours, read or not; a bucket that does not answer is not waited for. */
  release(): Promise<void>
  /** Say to everybody that this registry has no ranges. */
  whole(): Promise<void>
}

export interface Range {
  readonly from: number
  readonly to: number
}

export interface Taken extends Range {
  /** Aborted when it turns out that we were taken for gone, and another has claimed some of it since. */
  readonly lost: AbortSignal
}

export interface ClaimsInit {
  /** Where everybody agrees; undefined where there is no such thing, and everybody may read everything. */
  readonly bucket: () => Promise<Bucket<Agreement> | undefined>
  /** of the blob */
  readonly key: string
  readonly node: string
  /** What this node has, a bit a piece. */
  readonly held: () => Uint8Array
  /** Whether somebody who claims is known to be gone. */
  readonly gone: (node: string) => boolean
  readonly now: () => number
  /** ms a bucket that does not answer is waited for, before what is wanted is read without asking (8,000) */
  readonly aloneMs?: number
}

/** ms without a beat after which who claims is taken for frozen or gone */
export const silenceMs = 6_000
/** ms between two beats */
export const beatMs = 1_000
/** ms a bucket has to take note that we let go; else our silence says so */
const releaseMs = 500
/** ms before a bucket that did not answer is asked again */
const againMs = 250

/**
 * Claims of one blob, all in one value, so that two can never overlap (ADR 0020). Who cannot be heard for `silenceMs` has lost its claims to whoever wants them: the worst
 * that comes of a wrong guess is that some pieces are read twice. Without a bucket, or when it has not answered for a while, everything may be had.
 */
export function claims({ bucket: open, key, node, held, gone, now, aloneMs = 8_000 }: ClaimsInit): Claims {
  let agreed: Agreement = { claims: [] }
  let revision: number | undefined
  /** since when a claim of another has not moved, by our own clock */
  const heard = new Map<string, { readonly beat: string; readonly at: number }>()
  let mine: Claim | undefined
  let losing = new AbortController()
  /** One change at a time: a beat that is slow must not put back what was ours before. */
  const turn = limit(1)
  const { signal: ever } = new AbortController()
  let beating: NodeJS.Timeout | undefined
  // Never twice the same, also after a restart: a claim that is new must not look like one that stood still.
  let beats = randomInt(2 ** 40)

  const lives = (claim: Claim): boolean => {
    const last = heard.get(claim.node)
    return !gone(claim.node) && (last === undefined || now() - last.at < silenceMs)
  }

  function saw(value: Agreement | undefined, at: number | undefined): void {
    agreed = sound(value)
    revision = at
    for (const { node: other, from, beat } of agreed.claims) {
      const last = heard.get(other)
      if (last?.beat !== `${from}.${beat}`) heard.set(other, { beat: `${from}.${beat}`, at: now() })
    }
  }

  async function look(bucket: Bucket<Agreement>): Promise<void> {
    const entry = await bucket.get(key)
    saw(entry?.value, entry?.value === undefined ? undefined : entry.revision)
  }

  /** Change what is agreed, on top of whatever others have made of it. Answers false where nothing can be agreed on. */
  async function change(to: (agreement: Agreement) => Agreement | undefined): Promise<boolean> {
    const bucket = await open()
    if (!bucket) return false
    for (let first = true; ; first = false) {
      if (!first) await look(bucket)
      const wanted = to(agreed)
      // What we have seen last may be old: that there is nothing to do is believed only of what is so now.
      if (!wanted && first) continue
      if (!wanted) return true
      const at = revision === undefined ? await bucket.create(key, wanted) : await bucket.update(key, wanted, revision)
      if (at === undefined) continue
      saw(wanted, at)
      return true
    }
  }

  const others = (agreement: Agreement): Claim[] => agreement.claims.filter((claim) => claim.node !== node && lives(claim))
  const withMine = (agreement: Agreement, claim = mine): Agreement => ({
    ...agreement,
    claims: [...others(agreement), ...(claim ? [claim] : [])],
    held: [...(agreement.held ?? []).filter((one) => one.node !== node && !gone(one.node)), { node, pieces: held() }],
  })

  function beat(): void {
    const beaten = async (): Promise<void> => {
      if (mine) mine = { ...mine, beat: ++beats }
      await change((agreement) => mine && (isTaken(agreement) ? lose() : withMine(agreement)))
    }
    // A beat that is lost is made up for by the next.
    turn(beaten, { signal: ever }).catch(() => {})
  }

  /** Whether what is ours is not said to be, but to be another's. */
  function isTaken(agreement: Agreement): boolean {
    if (!mine) return false
    const { from, to } = mine
    const isSaid = agreement.claims.some((claim) => claim.node === node && claim.from === from && claim.to === to)
    return !isSaid && others(agreement).some((claim) => claim.from < to && from < claim.to)
  }
  function lose(): undefined {
    mine = undefined
    losing.abort(new Failure('cancelled', 'read pieces from a registry: another does'))
  }

  return {
    get agreed() {
      return agreed
    },
    async take(choose, { signal }) {
      signal.throwIfAborted()
      let chosen: Range | undefined
      const claim = (agreement: Agreement): Agreement | undefined => {
        chosen = choose(others(agreement), agreement)
        return chosen && withMine(agreement, { node, ...chosen, beat: ++beats })
      }
      const ours = (): void => void (mine = chosen && { node, ...chosen, beat: beats })
      const claimed = async (): Promise<boolean> => {
        const isAgreed = await change(claim)
        if (isAgreed) ours()
        return isAgreed
      }
      const began = now()
      while (
        !(await given(
          signal,
          turn(claimed, { signal }).catch(() => false),
        ))
      ) {
        // Nobody to agree with: read it anyway, content addressing makes it safe.
        if (
          (await given(
            signal,
            open().catch(() => null),
          )) === undefined ||
          now() - began >= aloneMs
        ) {
          claim({ claims: [], ...(agreed.whole && { whole: true }) })
          ours()
          break
        }
        await given(signal, new Promise<void>((resolve) => void setTimeout(resolve, againMs).unref()))
      }
      if (!chosen) return undefined
      losing = new AbortController()
      beating ??= setInterval(beat, beatMs).unref()
      return { ...chosen, lost: losing.signal }
    },
    async release() {
      clearInterval(beating)
      beating = undefined
      if (!mine && !agreed.claims.some((claim) => claim.node === node)) return
      mine = undefined
      const without = (agreement: Agreement) => (agreement.claims.some((claim) => claim.node === node) ? withMine(agreement) : undefined)
      const signal = AbortSignal.timeout(releaseMs)
      await given(
        signal,
        turn(() => change(without), { signal }),
      ).catch(() => {})
    },
    async whole() {
      const saying = (agreement: Agreement): Agreement => {
        if (isTaken(agreement)) lose()
        return { ...withMine(agreement), whole: true }
      }
      const said = () => change((agreement) => (agreement.whole ? undefined : saying(agreement)))
      await turn(said, { signal: ever }).catch(() => {})
      agreed = { ...agreed, whole: true }
    },
  }
}

/** What others wrote, as far as it is what somebody agrees on. */
function sound(value: Agreement | undefined): Agreement {
  const { claims, held, whole }: Partial<Agreement> = value ?? {}
  const all: readonly Claim[] = Array.isArray(claims) ? claims.slice(0, most) : []
  const holders: readonly Held[] = Array.isArray(held) ? held.slice(0, most) : []
  const isClaim = (claim: Partial<Claim> | undefined): boolean =>
    typeof claim?.node === 'string' && [claim.from, claim.to, claim.beat].every((number) => Number.isSafeInteger(number))
  const isHeld = (one: Partial<Held> | undefined): boolean => typeof one?.node === 'string' && one.pieces instanceof Uint8Array
  return { claims: all.filter(isClaim), held: holders.filter(isHeld), ...(whole === true && { whole }) }
}

/** Claims of one blob. */
const most = 1_000
