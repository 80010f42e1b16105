/** Sees what the machine lacks for a purpose and, as root on Debian, installs it; otherwise says exactly what to type. Run by setup.sh. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installCommand, missing, type Need, type Purpose, purposes } from './needs.ts'

const purpose = purposes.find((one) => one === process.argv[2])
if (!purpose) throw new Error(`setup: say one of ${purposes.join(', ')}`)
process.exitCode = prepare(purpose)

/** The exit code: 0 when the machine has all it needs, or what it lacks has been said and may be lacking. */
function prepare(purpose: Purpose): number {
  const lacking = missing(purpose, onPath)
  if (lacking.length === 0) return 0
  if (!isDebian())
    return refuse(
      `this Linux is not Debian; install with its own package manager: ${lacking.map((need) => need.anyOf.join(' or ')).join(', ')}`,
    )
  if (process.getuid?.() !== 0) return leaveOut(lacking)
  console.log(`setup: ${installCommand(lacking)}`)
  return install(lacking) ? 0 : refuse(`that failed; run it by hand to see why`)
}

/** Debian keeps servers in sbin, which is not on everybody's path. */
function onPath(command: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return directories.some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

/** The package lists may be as old as the machine: they are fetched anew only if the first try finds something missing in them. */
function install(lacking: readonly Need[]): boolean {
  const apt = (command: string) =>
    spawnSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
      .status === 0
  return apt(`${installCommand(lacking)} 2>/dev/null`) || (apt('apt-get update') && apt(installCommand(lacking)))
}

function leaveOut(lacking: readonly Need[]): number {
  console.log('setup: some packages are missing, and only root can install them:')
  console.log(`  sudo ${installCommand(lacking)}`)
  console.log('Until then this is left out:')
  for (const need of lacking) console.log(`  ${need.anyOf.join(' or ')}: ${need.for}`)
  return 0
}

function refuse(why: string): number {
  console.error(`setup: ${why}`)
  return 1
}
