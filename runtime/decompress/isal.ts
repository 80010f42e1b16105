import { addressOf, type Foreign, inPool, library } from '../syscalls/index.ts'
import { Damaged, type Decoder, decoder } from './decoder.ts'

/** gzip by Intel's libisal (the library of igzip), half again as quick as zlib. Undefined where it is not installed, or is not what we know. */
export function findIsal(): (() => Decoder) | undefined {
  const c = library('libisal.so.2')
  if (c === undefined) return undefined
  const isal: Isal = {
    init: c('void isal_inflate_init(void *state)'),
    inflate: c('int isal_inflate(void *state)'),
  }
  return isKnown(isal) ? () => openIsal(isal) : undefined
}

interface Isal {
  readonly init: Foreign<[Buffer]>
  readonly inflate: Foreign<[Buffer]>
}

function openIsal(isal: Isal): Decoder {
  const state = begun(isal, Buffer.alloc(roomForState))
  let over = false
  return decoder({
    async run(input, room) {
      if (over) begun(isal, state)
      point(state, input, room)
      const result = await inPool(isal.inflate, state)
      if (result < 0) throw new Damaged(`isal: ${reasons[result] ?? `error ${result}`}`)
      over = isOver(state)
      return { ...left(state, input, room), ended: over }
    },
    free() {},
  })
}

/**
 * `struct inflate_state`. Who uses the library makes room for it, so its layout cannot change while the library is called libisal.so.2; and since a
 * mistake would be one of memory, it is tried before it is used.
 */
const at = { room: 0, roomLeft: 8, input: 16, inputLeft: 32, block: 21160, sums: 21172 }
const stateSize = 87368
const roomForState = 2 ** 17
/** values of `block` and `sums` */
const finished = 5
const gzip = 1

const reasons: Readonly<Record<number, string>> = {
  [-1]: 'an invalid block',
  [-2]: 'an invalid symbol',
  [-3]: 'it refers to before its beginning',
  [-4]: 'an invalid header',
  [-5]: 'an unsupported method',
  [-6]: 'an incorrect sum',
}

function begun(isal: Isal, state: Buffer): Buffer {
  isal.init(state)
  state.writeUInt32LE(gzip, at.sums)
  return state
}

function point(state: Buffer, input: Uint8Array, room: Uint8Array): void {
  state.writeBigUInt64LE(addressOf(input), at.input)
  state.writeUInt32LE(input.length, at.inputLeft)
  state.writeBigUInt64LE(addressOf(room), at.room)
  state.writeUInt32LE(room.length, at.roomLeft)
}

const left = (state: Buffer, input: Uint8Array, room: Uint8Array): { used: number; made: number } => ({
  used: input.length - state.readUInt32LE(at.inputLeft),
  made: room.length - state.readUInt32LE(at.roomLeft),
})

const isOver = (state: Buffer): boolean => state.readUInt32LE(at.block) === finished

/** `gzip -9` of a hundred a's: its header, its blocks, its sums; then a byte of what comes after it. */
const sample = Buffer.from('H4sIAAAAAAACA0tMpD0AAGR6cK9kAAAAeA==', 'base64')

/** Whether the library does with a sample, given in two pieces, what its layout as we know it says, and with a wrong sum as well; and stays within it. */
function isKnown(isal: Isal): boolean {
  const state = begun(isal, Buffer.alloc(roomForState))
  const [first, second] = [sample.subarray(0, 12), sample.subarray(12)].map((piece) => {
    const room = Buffer.alloc(128)
    point(state, piece, room)
    return { result: isal.inflate(state), over: isOver(state), ...left(state, piece, room) }
  })
  if (first === undefined || second === undefined || first.result < 0 || second.result < 0) return false
  const asKnown = !first.over && first.used === 12 && second.over && second.used === sample.length - 13 && first.made + second.made === 100
  return asKnown && refusesWrongSum(isal) && state.subarray(stateSize).every((byte) => byte === 0)
}

function refusesWrongSum(isal: Isal): boolean {
  const wrong = Buffer.from(sample)
  wrong.writeUInt8(0, 16)
  const state = begun(isal, Buffer.alloc(roomForState))
  point(state, wrong, Buffer.alloc(128))
  return isal.inflate(state) === -6
}
