/**
 * `npm run bench -- answers IMAGE…`: how fast a node answers, idle and while it pulls.
 * `npm run bench -- apply BLOB…`: layers, files of gzip, into directories: every decoder there is, beside tar.
 * `npm run bench -- cluster [waves|capped|flat|reads|tags]…`: nodes that share, all on this machine, and what their registry sends.
 * `npm run bench -- ingest`: blobs into our content store and into containerd's, small and large, one and eight at a time.
 * `npm run bench -- make-layers REGISTRY`: push an image of 60 small layers to measure with.
 * `npm run bench -- snapshots`: lives of snapshots with each driver, ours and containerd's: what each question takes, and mounting what it answers.
 * `npm run bench -- pull IMAGE…`: us and containerd in alternate runs, each cold, against a registry on loopback; medians with least and most, as a table and, with
 * `--json FILE`, as JSON. Run as root on a machine with nothing else to do.
 */
import { writeFile } from 'node:fs/promises'
import { cpus, freemem, release, tmpdir } from 'node:os'
import { Argument, Command } from 'commander'
import { answersTable, measureAnswers } from './answers.ts'
import { applyTable, measureApply } from './apply.ts'
import { cluster, workloads } from './cluster.ts'
import { containerdVersion, pullWithContainerd } from './containerd.ts'
import { pullWithGantry } from './gantry.ts'
import { freshGround } from './ground.ts'
import { measureIngests } from './ingest.ts'
import { ingestTable } from './ingest-table.ts'
import { limitsOf } from './limits.ts'
import { pushManyLayers } from './many-layers.ts'
import { type PullOptions, run, warmMemory } from './measure.ts'
import { measureSnapshots } from './snapshots.ts'
import { snapshotsTable } from './snapshots-table.ts'
import { type Measured, table } from './table.ts'

const program = new Command('bench')
program
  .command('pull')
  .argument('<images...>', 'references of a registry on loopback')
  .option('--runs <n>', 'runs of each', Number, 5)
  .option('--first <image>', 'pulled by each before every run, not counted: a small one, so that no daemon is measured at its first steps')
  .option('--json <file>', 'write everything measured there')
  .option('--scratch <directory>', 'where the file system to work on is made', tmpdir())
  .action(pull)
program
  .command('answers')
  .argument('<images...>', 'pulled at once meanwhile')
  .option('--runs <n>', 'of the command', Number, 11)
  .option('--scratch <directory>', 'where the file system to work on is made', tmpdir())
  .action(answers)
program
  .command('apply')
  .argument('<blobs...>', 'files of layers')
  .option('--runs <n>', 'of each', Number, 3)
  .option('--scratch <directory>', 'where the file system to work on is made', tmpdir())
  .action(applyLayers)
program
  .command('cluster')
  .addArgument(new Argument('[workloads...]', 'all if left out').choices(workloads))
  .option('--nodes <n>', 'that share', Number, 10)
  .option('--sizes <megabytes...>', 'of images (10 and 100)', numbers, [])
  .option('--layers <n...>', 'they are made of (1 and 4)', numbers, [])
  .option('--large', 'images of 1 GB too', false)
  .option('--unpack', 'unpack what is pulled', false)
  .option('--json <file>', 'write everything measured there')
  .option('--scratch <directory>', 'where the file systems to work on are made', tmpdir())
  .action(cluster)
program
  .command('ingest')
  .option('--runs <n>', 'runs of each', Number, 5)
  .option('--sizes <bytes...>', 'of blobs', numbers, [])
  .option('--json <file>', 'write everything measured there')
  .option('--scratch <directory>', 'where the file systems to work on are made', tmpdir())
  .action(ingest)
program
  .command('snapshots')
  .option('--runs <n>', 'runs of each', Number, 5)
  .option('--lives <n>', 'in each run, one after the other, and as many again eight at a time', Number, 50)
  .option('--layers <n>', 'below each of them', Number, 10)
  .option('--files <n>', 'in each layer', Number, 20)
  .option('--json <file>', 'write everything measured there')
  .option('--scratch <directory>', 'where the file system to work on is made', tmpdir())
  .action(snapshots)
program
  .command('make-layers')
  .argument('<registry>', 'host:port on loopback')
  .option('--count <n>', 'of layers', Number, 60)
  .action(async (host: string, options: { count: number }) => console.log(await pushManyLayers(host, options.count)))
await program.parseAsync()

function numbers(text: string, before: readonly number[]): number[] {
  return [...before, Number(text)]
}

async function answers(images: string[], options: { runs: number; scratch: string }): Promise<void> {
  await using ground = await freshGround(options.scratch)
  console.log(answersTable(await measureAnswers(images, { runs: options.runs, scratch: ground.path })))
}

async function applyLayers(blobs: string[], options: { runs: number; scratch: string }): Promise<void> {
  await using ground = await freshGround(options.scratch)
  console.log(applyTable(await measureApply(blobs, { runs: options.runs, scratch: ground.path })))
}

async function ingest(options: { runs: number; sizes: readonly number[]; json?: string; scratch: string }): Promise<void> {
  const peer = await containerdVersion()
  console.error(machine(peer))
  const sizes = options.sizes.length > 0 ? options.sizes : [2 ** 10, 2 ** 16, 2 ** 20, 2 ** 26]
  const measured = await measureIngests({ ...options, sizes, withPeer: peer !== undefined })
  console.log(ingestTable(measured))
  if (options.json) await writeFile(options.json, JSON.stringify({ date: new Date().toISOString(), peer, ...measured }, undefined, 2))
}

async function snapshots(options: {
  runs: number
  lives: number
  layers: number
  files: number
  json?: string
  scratch: string
}): Promise<void> {
  const peer = await containerdVersion()
  console.error(machine(peer))
  const lived = await measureSnapshots({ ...options, withPeer: peer !== undefined })
  console.log(snapshotsTable(lived))
  if (options.json) await writeFile(options.json, JSON.stringify({ date: new Date().toISOString(), peer, lived }, undefined, 2))
}

async function pull(images: string[], options: { runs: number; first?: string; json?: string; scratch: string }): Promise<void> {
  const peer = await containerdVersion()
  console.error(machine(peer))
  await warmMemory(Math.min(8e9, freemem() * 0.6))
  const measured: Measured[] = []
  for (const reference of images) {
    await using ground = await freshGround(options.scratch)
    measured.push(await measure(reference, { ...options, scratch: ground.path, withPeer: peer !== undefined }))
  }
  console.log(table(measured, peer))
  if (options.json) await writeFile(options.json, JSON.stringify({ date: new Date().toISOString(), peer, measured }, undefined, 2))
}

function machine(peer: string | undefined): string {
  return `${cpus().length} × ${cpus()[0]?.model}; Linux ${release()}; Node ${process.version}; ${peer ?? 'no containerd on PATH'}`
}

/**
 * Nothing is deleted before all is measured: ext4 goes out of its way not to use inodes again that were freed a moment ago, and the next run would pay. One run of each that is not counted fills the registry's page cache; then they take turns.
 */
async function measure(
  reference: string,
  { runs, withPeer, ...options }: PullOptions & { runs: number; withPeer: boolean },
): Promise<Measured> {
  const ours = []
  const peer = []
  const limits = await limitsOf(reference, options)
  for (let i = 0; i <= runs; i++) {
    console.error(`${reference}: run ${i} of ${runs}`)
    await run('sync', [])
    const mine = await pullWithGantry(reference, options)
    await run('sync', [])
    const theirs = withPeer ? await pullWithContainerd(reference, options) : undefined
    if (i === 0) continue
    ours.push(mine)
    if (theirs) peer.push(theirs)
  }
  return { reference, ours, peer, limits }
}
