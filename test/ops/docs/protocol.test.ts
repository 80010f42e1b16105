import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { protocols } from '../../../messages/index.ts'
import { protocolPage } from '../../../ops/docs/protocol-page.ts'

test('the protocol reference is current: npm run docs makes it', async () => {
  expect(await readFile(join(import.meta.dirname, '../../../ops/docs/protocol.md'), 'utf8')).toBe(protocolPage())
})

test('every verb has its example ready to paste, every event its subject', () => {
  const page = protocolPage()
  for (const [actor, protocol] of Object.entries(protocols)) {
    for (const [verb, { kind }] of Object.entries(protocol)) {
      if (kind === 'event') expect(page).toContain(`\`gantry.event.<node>.${actor}.${verb}\``)
      else expect(page).toMatch(new RegExp(`^nats req .*gantry\\.n1\\.${actor}\\.${verb} '\\{.*\\}'$`, 'm'))
    }
  }
})
