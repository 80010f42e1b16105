/** What a node and a command assume alike when nothing is said. */

/** Where a node keeps its state. */
export const defaultRoot = '/var/lib/gantry'

/** A node is named after its machine: the first label of the host name, made to fit. */
export function defaultNodeName(hostname: string): string {
  const label = hostname.split('.')[0] ?? ''
  const fitting = label
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 32)
  return /[a-z0-9]/.test(fitting) && !['any', 'all', 'event', 'blob'].includes(fitting) ? fitting : 'node'
}
