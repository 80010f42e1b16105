/** What people put together of our commands for layers and those of the system, as the shell runs it. */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Image, pushImage } from '../../ops/lab/images.ts'
import { startRegistry } from '../../ops/lab/registry.ts'
import { mountedUnder, unmount } from '../../runtime/mounts.ts'
import { fileTree, treeDifference } from '../support/file-tree.ts'
import { command, type Ran, type RunningNode, startNode } from '../support/node.ts'
import { remains } from '../support/remains.ts'
import { richImage } from '../support/rich-image.ts'
import { tempDirectory } from '../support/temp.ts'
import { umociTree } from '../support/umoci.ts'

// each runs many processes, as people do
vi.setConfig({ testTimeout: 120_000 })

const scope = new AsyncDisposableStack()
let home: string
let node: RunningNode
let image: Image
let REF: string

beforeAll(async () => {
  const registry = scope.use(await startRegistry())
  home = scope.use(await tempDirectory()).path
  scope.defer(async () => {
    for (const { at } of await mountedUnder(home)) await unmount(at)
  })
  node = scope.use(await startNode())
  ;({ plain: image } = await richImage())
  REF = await pushImage(registry, 'rich:latest', image)
  expect(await shell('dist pull $REF >/dev/null')).toEqual({ stdout: '', stderr: '', exitCode: 0 })
})
afterAll(() => scope.disposeAsync())

/** Run lines of shell, our commands among those it finds; `$REF`, and `$1` for a directory of its own. */
function shell(line: string, directory = home): Promise<Ran> {
  const path = [command('dist').replace(/\/dist$/, ''), process.env['PATH']].join(':')
  return new Promise((resolve) => {
    const options = { env: { ...process.env, PATH: path, GANTRY_ROOT: node.root, REF } }
    execFile('bash', ['-e', '-o', 'pipefail', '-c', line, 'bash', directory], options, (error, stdout, stderr) =>
      resolve({ stdout, stderr, exitCode: error === null ? 0 : Number(error.code) }),
    )
  })
}

async function place(name: string): Promise<string> {
  const path = join(home, name)
  for (const one of ['from', 'to']) await mkdir(join(path, one), { recursive: true })
  return path
}

test('the layers of an image, applied one after the other, come out as umoci has them', async () => {
  const at = await place('applied')
  const line = `
    dist fetch-object "$REF" | jq -r '.layers[].digest' | while read -r digest; do
      dist fetch-object "\${REF%:*}@$digest" | dist apply "$1/to"
    done`
  const { stdout, stderr, exitCode } = await shell(line, at)
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 })
  expect(stdout.trim().split('\n')).toEqual(image.layers.map(({ diffId }) => diffId))
  expect(treeDifference(await umociTree(image), await fileTree(join(at, 'to')))).toEqual([])
})

test('an image that is mounted is what its snapshot is, and can be copied by what there is', async () => {
  const at = await place('copied')
  const line = `cp -a "$(ctr images mount "$REF" "$1/from")/." "$1/to"; ctr images unmount --rm "$1/from"`
  expect(await shell(line, at)).toEqual({ stdout: `${at}/from\n`, stderr: '', exitCode: 0 })
  expect(treeDifference(await umociTree(image), await fileTree(join(at, 'to')))).toEqual([])
  expect(await remains(node)).toEqual([])
})

test('a snapshot is made on an image, mounted by what is printed, changed, and its difference applied elsewhere', async () => {
  const at = await place('changed')
  const line = `
    top=$(ctr snapshots tree --json | jq -r '.. | objects | select(.children == []).key')
    sh -c "$(ctr snapshots prepare --target "$1/from" changing "$top")"
    echo new > "$1/from/new"
    umount "$1/from"
    ctr snapshots diff changing | dist apply "$1/to" >/dev/null
    cat "$1/to/new"; ls "$1/to"
    ctr snapshots rm changing`
  expect(await shell(line, at)).toEqual({ stdout: 'new\nnew\nchanging\n', stderr: '', exitCode: 0 })
  expect(await remains(node)).toEqual([])
})

test('what snapshots take up is added up', async () => {
  const { stdout } = await shell(`ctr snapshots ls -q | xargs ctr snapshots usage | awk '{ size += $2 } END { print NR, (size > 300000) }'`)
  expect(stdout).toBe(`${image.layers.length} 1\n`)
})
