/** `gantry`: run a node, and look at the nodes there are. */
import { run } from '../command/program.ts'

await run('gantry', 'Container images moved, unpacked and run by actors that talk over NATS', {
  up: { summary: 'run a node in the foreground', load: async () => (await import('./up.ts')).up },
  nodes: { summary: 'list the nodes of the system', load: async () => (await import('./nodes.ts')).nodes },
  events: { summary: 'show what happens, as it happens', load: async () => (await import('./events.ts')).events },
  config: { summary: 'print the configuration a node would run with', load: async () => (await import('./config.ts')).config },
})
