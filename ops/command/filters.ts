import type { Command } from 'commander'

/** What a listing is narrowed to. */
export interface FilterOptions {
  readonly filter?: readonly string[]
}

/** `--filter`, for the listings that can be narrowed. */
export function addFilters(command: Command): Command {
  return command.option(
    '--filter <conditions>',
    'only those that meet them all, such as size>=1000,labels.a==b; repeated: that meet any',
    (value: string, all: string[] = []) => [...all, value],
  )
}

/** The part of a request that says so. */
export const filtersOf = ({ filter }: FilterOptions): { filters?: string[] } => (filter === undefined ? {} : { filters: [...filter] })
