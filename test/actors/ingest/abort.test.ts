import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { memoryBus } from '../../../runtime/bus/memory.ts'
import type { Tables } from '../../../runtime/tables.ts'
import { startStore } from '../../support/content.ts'
import { tempDirectory } from '../../support/temp.ts'

/** Tables whose next transaction, once `hold` is called, says so and waits to be let on. */
function held() {
  const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let holding = false
  return {
    reached: reached.promise,
    hold: () => {
      holding = true
    },
    release: go.resolve,
    tables: (tables: Tables): Tables => ({
      ...tables,
      async transaction(work) {
        if (holding) {
          holding = false
          reached.resolve()
          await go.promise
        }
        return await tables.transaction(work)
      },
    }),
  }
}

test('what another has opened, since it was seen that nobody held it, is not thrown away', async () => {
  await using directory = await tempDirectory()
  await using bus = memoryBus()
  const gate = held()
  await using here = await startStore({ root: directory.path, node: 'n1', bus })
  await using there = await startStore({ root: directory.path, node: 'n2', bus, tables: gate.tables })
  const { token } = await here.ingest.open({ reference: 'r' })
  await here.ingest.close({ token })
  gate.hold()
  const aborted = there.ingest.abort({ reference: 'r' }).then(
    () => 'aborted',
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  )
  await gate.reached
  const lent = await here.ingest.open({ reference: 'r' })
  gate.release()
  expect(await aborted).toMatch(/^failed_precondition: abort ingest r: process \d+ of node n1 has it since /)
  expect((await stat(lent.path)).size).toBe(0)
  await here.ingest.advance({ token: lent.token, offset: 0 })
})
