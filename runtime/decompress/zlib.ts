import { addressOf, inPool, library } from '../syscalls/index.ts'
import { Damaged, type Decoder, decoder } from './decoder.ts'

/** gzip by zlib. Node has one built in, quicker than the system's, and lets others use it; node:zlib would make every chunk anew. */
export function openZlib(): Decoder {
  const z = (found ??= find())
  const stream = Buffer.alloc(streamSize)
  // it looks itself whether its structure is as large as ours
  if (z.init(stream, gzipOnly, version, streamSize) !== ok) throw new Error('start zlib: it is of another kind')
  let over = false
  return decoder({
    async run(input, room) {
      if (over) z.reset(stream)
      stream.writeBigUInt64LE(addressOf(input), at.input)
      stream.writeUInt32LE(input.length, at.inputLeft)
      stream.writeBigUInt64LE(addressOf(room), at.room)
      stream.writeUInt32LE(room.length, at.roomLeft)
      const result = await inPool(z.inflate, stream, 0)
      if (result < 0 && result !== noProgress) throw new Damaged(`zlib: ${reasons[result] ?? `error ${result}`}`)
      over = result === streamEnd
      return {
        used: input.length - stream.readUInt32LE(at.inputLeft),
        made: room.length - stream.readUInt32LE(at.roomLeft),
        ended: over,
      }
    },
    free: () => void z.end(stream),
  })
}

/** z_stream, where pointers have 64 bits. */
const at = { input: 0, inputLeft: 8, room: 24, roomLeft: 32 }
const streamSize = 112

/** only the first digit is looked at */
const version = '1'
/** a window of any size, and a gzip header before it */
const gzipOnly = 15 + 16
const ok = 0
const streamEnd = 1
const noProgress = -5

const reasons: Readonly<Record<number, string>> = { [-3]: 'incorrect data', [-4]: 'no memory' }

let found: ReturnType<typeof find> | undefined

function find() {
  const c = library(null)
  if (c === undefined) throw new Error('start zlib: this process cannot be asked for it')
  return {
    init: c<[Buffer, number, string, number]>('int inflateInit2_(void *stream, int bits, const char *version, int size)'),
    inflate: c<[Buffer, number]>('int inflate(void *stream, int flush)'),
    reset: c<[Buffer]>('int inflateReset(void *stream)'),
    end: c<[Buffer]>('int inflateEnd(void *stream)'),
  }
}
