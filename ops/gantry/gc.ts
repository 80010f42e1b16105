import type { Command } from 'commander'
import type { gc as gcProtocol, Unneeded } from '../../messages/gc.ts'
import { Failure } from '../../messages/grammar/index.ts'
import { collect } from '../command/collecting.ts'
import { milliseconds } from '../command/globals.ts'
import { type Column, listing, print, size } from '../command/output.ts'
import { asking, type Session } from '../command/session.ts'

interface GcOptions {
  readonly plan?: boolean
  readonly at?: string
}

/** `gantry gc [--plan [--at TIME]]`: take away what nothing needs any more, or only say what that is. */
export function gc(command: Command): void {
  command
    .option('--plan', 'take nothing away: list what would go, and why')
    .option('--at <time>', 'with --plan: what would go then; 2026-11-21T12:00:00Z, or from now 36h')
    .action(
      asking<GcOptions>(async (session, { options: { plan = false, at } }) => {
        if (at !== undefined && !plan) throw new Failure('invalid_argument', 'collect at another time: only --plan looks ahead')
        if (plan) return await planned(session, at === undefined ? {} : { at: timeOf(at) })
        const { exit, failed, ...ran } = await collect('gantry', session)
        print(listing([{ ...ran, failed: failed.length }], ranColumns, session.listing))
        return exit
      }),
    )
}

async function planned({ ask, listing: how }: Session, request: { at?: string }): Promise<void> {
  const rows = await Array.fromAsync(ask<typeof gcProtocol>('gc').plan(request))
  print(listing(rows, planColumns, how))
}

/** A time, or how long from now. */
function timeOf(text: string): string {
  const at = /^\d+(\.\d+)?(ms|s|m|h|d)?$/.test(text) ? Date.now() + milliseconds(text) : Date.parse(text)
  if (Number.isNaN(at)) throw new Failure('invalid_argument', `look ahead to ${JSON.stringify(text)}: neither a time nor a duration`)
  return new Date(at).toISOString()
}

interface Ran {
  readonly collected: number
  readonly freed: number
  readonly spared: number
  readonly failed: number
}

const ranColumns: Column<Ran>[] = [
  { head: 'COLLECTED', value: ({ collected }) => collected },
  { head: 'FREED', value: ({ freed }) => freed, shown: ({ freed }) => size(freed) },
  { head: 'SPARED', value: ({ spared }) => spared },
  { head: 'FAILED', value: ({ failed }) => failed },
]

const planColumns: Column<Unneeded>[] = [
  { head: 'KIND', value: ({ kind }) => kind },
  { head: 'KEY', value: ({ key }) => key },
  { head: 'SIZE', value: (row) => row.size, shown: (row) => (row.size === undefined ? '-' : size(row.size)) },
  { head: 'WHY', value: ({ why }) => why },
]
