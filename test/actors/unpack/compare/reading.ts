/** A reader of archives as plain as can be, which trusts nothing of ours: what an entry says, field by field. */

export interface Told {
  readonly name: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: number
  readonly size: number
  readonly target: string
  readonly uname: string
  readonly device: string
  readonly pax: Readonly<Record<string, string>>
  readonly content: Buffer
}

export function readTar(bytes: Buffer): Told[] {
  const told: Told[] = []
  let pax: Record<string, string> = {}
  for (let at = 0; ; ) {
    const block = bytes.subarray(at, at + 512)
    if (block.length === 0) throw new Error('the archive does not end')
    if (block.every((byte) => byte === 0)) {
      if (bytes.length !== at + 1024 || bytes.subarray(at).some((byte) => byte !== 0)) throw new Error(`the archive goes on after ${at}`)
      return told
    }
    checkSum(block)
    const size = Number(pax['size'] ?? octal(block, 124, 12))
    const content = bytes.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
    const type = text(block, 156, 1)
    if (type === 'x') {
      pax = records(content)
      continue
    }
    const prefix = text(block, 345, 155)
    told.push({
      name: pax['path'] ?? (prefix ? `${prefix}/` : '') + text(block, 0, 100),
      type,
      mode: octal(block, 100, 8),
      uid: Number(pax['uid'] ?? octal(block, 108, 8)),
      gid: Number(pax['gid'] ?? octal(block, 116, 8)),
      mtime: Number(pax['mtime'] ?? octal(block, 136, 12)),
      size,
      target: pax['linkpath'] ?? text(block, 157, 100),
      uname: text(block, 265, 64),
      device: `${octal(block, 329, 8)}:${octal(block, 337, 8)}`,
      pax,
      content,
    })
    pax = {}
  }
}

const text = (block: Buffer, at: number, length: number): string => {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.subarray(0, end < 0 ? length : end).toString('latin1')
}

function octal(block: Buffer, at: number, length: number): number {
  const digits = text(block, at, length)
  if (!/^[0-7]+$/.test(digits)) throw new Error(`${JSON.stringify(digits)} is no number`)
  return Number.parseInt(digits, 8)
}

function checkSum(block: Buffer): void {
  const said = octal(block, 148, 8)
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
  if (sum !== said) throw new Error(`the sum of a header is ${sum}, not ${said}`)
}

function records(bytes: Buffer): Record<string, string> {
  const found: [string, string][] = []
  for (let rest = bytes.toString('latin1'); rest !== ''; ) {
    const length = Number.parseInt(rest, 10)
    const [, key, value] = /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(rest.slice(0, length)) ?? []
    if (key === undefined || value === undefined) throw new Error(`${JSON.stringify(rest)} is no record`)
    found.push([key, value])
    rest = rest.slice(length)
  }
  return Object.fromEntries(found)
}
