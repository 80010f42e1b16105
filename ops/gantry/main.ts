/** `gantry`: run a node, look at the nodes there are, and at what they keep. */
import { run } from '../command/program.ts'

await run('gantry', 'Container images moved, unpacked and run by actors that talk over NATS', {
  up: { summary: 'run a node in the foreground', load: async () => (await import('./up.ts')).up },
  nodes: { summary: 'list the nodes of the system', load: async () => (await import('./nodes.ts')).nodes },
  health: { summary: 'say whether every thread of every node answers', load: async () => (await import('./health.ts')).health },
  drain: { summary: 'have nodes take nothing new', load: async () => (await import('./drain.ts')).drain },
  events: { summary: 'show what happens, as it happens', load: async () => (await import('./events.ts')).events },
  gc: { summary: 'take away what nothing needs any more', load: async () => (await import('./gc.ts')).gc },
  why: { summary: 'say what keeps a thing', load: async () => (await import('./why.ts')).why },
  scrub: { summary: 'look at blobs and snapshots again', load: async () => (await import('./scrub.ts')).scrub },
  accounts: { summary: 'write the accounts and permissions of a NATS server', load: async () => (await import('./accounts.ts')).accounts },
  streams: { summary: 'make what NATS keeps for the nodes', load: async () => (await import('./streams.ts')).streams },
  config: { summary: 'print the configuration a node would run with', load: async () => (await import('./config.ts')).config },
})
