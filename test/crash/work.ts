/** What processes do that are to be killed while they do it. */
import { open } from 'node:fs/promises'
import { isFailure } from '../../messages/grammar/index.ts'
import { digestOf, type Store } from '../support/content.ts'

interface WorkInit {
  /** of who works */
  readonly name: string
  /** whose blobs and references it works with */
  readonly owner: string
  readonly say: (line: string) => void
}

interface Blob {
  readonly digest: string
  readonly bytes: Buffer
}

type Step = (blob: Blob, reference: string) => Promise<void>

/**
 * Do one thing after the other, at random, without end. `has <digest>` is said once it is certain that the store has a blob, `drops <digest>` before it is
 * asked to remove it. Fails with what no bad luck explains.
 */
export async function work(store: Store, init: WorkInit): Promise<never> {
  const [blobs, steps] = [blobsOf(init.owner), stepsOf(store, init)]
  for (;;) {
    const [blob, step] = [anyOf(blobs), anyOf(steps)]
    await step(blob, `${init.owner} ${below(2)}`).catch((error: unknown) => {
      if (!isFailure(error, 'already_exists', 'not_found', 'failed_precondition', 'unavailable', 'out_of_range')) throw error
    })
  }
}

/** Some small blobs nobody else has, of sizes from nothing to several pieces. */
function blobsOf(owner: string): Blob[] {
  return [0, 1, 100, 4_096, 5_000, 20_000, 70_000].map((size, index) => {
    const bytes = Buffer.alloc(size, `blob ${index} of ${owner} `)
    return { digest: digestOf(bytes), bytes }
  })
}

function stepsOf({ ingest, content }: Store, { name, say }: WorkInit): Step[] {
  const put: Step = async ({ digest, bytes }) => {
    await ingest.put({ digest, bytes })
    say(`has ${digest}`)
  }

  /** With the right to write, given back when something fails. */
  async function holding(
    asked: Parameters<typeof ingest.open>[0],
    use: (lent: { token: string; path: string; offset: number }) => Promise<unknown>,
  ) {
    const lent = await ingest.open(asked)
    try {
      await use(lent)
    } catch (error) {
      await ingest.close({ token: lent.token }).catch(() => {})
      throw error
    }
  }

  const send: Step = async ({ digest, bytes }, reference) => {
    await holding({ reference, expected: digest, total: bytes.length }, async ({ token, offset }) => {
      for (let at = offset; at < bytes.length; at += 9_000) await ingest.write({ token, offset: at, bytes: bytes.subarray(at, at + 9_000) })
      await ingest.commit({ token, labels: { by: name } })
    })
    say(`has ${digest}`)
  }

  const leaveUnfinished: Step = ({ digest, bytes }, reference) =>
    holding({ reference, expected: digest, total: bytes.length }, async ({ token, path, offset }) => {
      const to = offset + below(bytes.length - offset + 1)
      {
        await using file = await open(path, 'r+')
        await file.write(bytes, offset, to - offset, offset)
      }
      await ingest.advance({ token, offset: to })
      if (below(3) === 0) await ingest.truncate({ token, offset: below(to + 1) })
      await ingest.close({ token })
    })

  const bringWrong: Step = ({ digest, bytes }, reference) =>
    holding({ reference }, async ({ token }) => {
      await ingest.truncate({ token, offset: 0 })
      await ingest.write({ token, offset: 0, bytes: Buffer.from('something else') })
      await ingest.commit({ token, digest, size: bytes.length })
    })

  const throwAway: Step = async (_, reference) => void (await ingest.abort({ reference }))

  const label: Step = async ({ digest }) => void (await content.label({ digest, labels: { by: name, at: `${below(100)}` } }))

  const remove: Step = async ({ digest }) => {
    say(`drops ${digest}`)
    await content.remove({ digest })
  }

  return [put, send, send, leaveUnfinished, bringWrong, throwAway, label, remove, remove]
}

const below = (limit: number): number => Math.floor(Math.random() * limit)

function anyOf<T>(all: readonly T[]): T {
  const one = all[below(all.length)]
  if (one === undefined) throw new Error('there is nothing to choose from')
  return one
}
