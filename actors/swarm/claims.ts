import type { Bucket } from '../../runtime/bus/bucket.ts'

/** Pieces `from` up to `to` that a node reads from the registry. `beat` goes up while it does. */
export interface Claim {
  readonly node: string
  readonly from: number
  readonly to: number
  readonly beat: number
}

/** What the cluster agrees on of one blob. */
export interface Agreement {
  readonly claims: readonly Claim[]
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
  take(choose: (others: readonly Claim[], agreement: Agreement) => Range | undefined): Promise<Range | undefined>
  /** Let go of what is ours, read or not. */
  release(): Promise<void>
  /** Say to everybody that this registry has no ranges. */
  whole(): Promise<void>
}

export interface Range {
  readonly from: number
  readonly to: number
}

export interface ClaimsInit {
  /** Where everybody agrees; undefined where there is no such thing, and everybody may read everything. */
  readonly bucket: () => Promise<Bucket<Agreement> | undefined>
  /** of the blob */
  readonly key: string
  readonly node: string
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
/** ms before a bucket that did not answer is asked again */
const againMs = 250

/**
 * Claims of one blob, all in one value, so that two can never overlap (ADR 0020). Who cannot be heard for `silenceMs` has lost its claims to whoever wants them: the worst
 * that comes of a wrong guess is that some pieces are read twice. Without a bucket, or when it has not answered for a while, everything may be had.
 */
export function claims({ bucket: open, key, node, gone, now, aloneMs = 8_000 }: ClaimsInit): Claims {
  let agreed: Agreement = { claims: [] }
  let revision: number | undefined
  /** since when a claim of another has not moved, by our own clock */
  const heard = new Map<string, { readonly beat: string; readonly at: number }>()
  let mine: Claim | undefined
  let beating: NodeJS.Timeout | undefined

  const lives = (claim: Claim): boolean => {
    const last = heard.get(claim.node)
    return !gone(claim.node) && (last === undefined || now() - last.at < silenceMs)
  }

  function saw(value: Agreement | undefined, at: number | undefined): void {
    agreed = value ?? { claims: [] }
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
      if (!wanted) return true
      const at = revision === undefined ? await bucket.create(key, wanted) : await bucket.update(key, wanted, revision)
      if (at === undefined) continue
      saw(wanted, at)
      return true
    }
  }

  const others = (agreement: Agreement): Claim[] => agreement.claims.filter((claim) => claim.node !== node && lives(claim))
  const withMine = (agreement: Agreement): Agreement => ({ ...agreement, claims: [...others(agreement), ...(mine ? [mine] : [])] })

  function beat(): void {
    if (!mine) return
    mine = { ...mine, beat: mine.beat + 1 }
    // A beat that is lost is made up for by the next.
    change(withMine).catch(() => {})
  }

  return {
    get agreed() {
      return agreed
    },
    async take(choose) {
      let chosen: Range | undefined
      const claim = (agreement: Agreement): Agreement | undefined => {
        chosen = choose(others(agreement), agreement)
        if (!chosen) return undefined
        mine = { node, ...chosen, beat: 0 }
        return withMine(agreement)
      }
      const began = now()
      while (!(await change(claim).catch(() => undefined))) {
        // Nobody to agree with: read it anyway, content addressing makes it safe.
        if ((await open().catch(() => null)) === undefined || now() - began >= aloneMs) {
          claim({ claims: [], ...(agreed.whole && { whole: true }) })
          break
        }
        await new Promise<void>((resolve) => void setTimeout(resolve, againMs).unref())
      }
      if (!chosen) mine = undefined
      else beating ??= setInterval(beat, beatMs).unref()
      return chosen
    },
    async release() {
      clearInterval(beating)
      beating = undefined
      if (!mine) return
      mine = undefined
      await change((agreement) => (agreement.claims.some((claim) => claim.node === node) ? withMine(agreement) : undefined)).catch(() => {})
    },
    async whole() {
      await change((agreement) => (agreement.whole ? undefined : { ...withMine(agreement), whole: true })).catch(() => {})
      agreed = { ...agreed, whole: true }
    },
  }
}
