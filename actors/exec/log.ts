/** What was written, and to which stream. */
export interface Piece {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Buffer
}

const newline = 0x0a
const space = 0x20
const partial = 'P'.charCodeAt(0)

/**
 * Reads the log conmon keeps (`k8s-file`): records `<time> <stdout|stderr> <F|P> <bytes>`, each ended by a newline, which belongs to the bytes of
 * an F and not to those of a P. Byte exact, whatever was written.
 */
export class LogReader {
  #rest: Buffer = Buffer.alloc(0)

  /** What is told by these bytes of the log and those kept from before; neighbours of one stream are joined. */
  push(bytes: Buffer): Piece[] {
    const buffer = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const parts: Piece[] = []
    let start = 0
    for (let end = buffer.indexOf(newline, start); end >= 0; end = buffer.indexOf(newline, start)) {
      parts.push(record(buffer.subarray(start, end + 1)))
      start = end + 1
    }
    this.#rest = Buffer.from(buffer.subarray(start))
    return joined(parts)
  }
}

/** One record, its newline included. */
function record(line: Buffer): Piece {
  const stream = line.indexOf(space) + 1
  const tag = line.indexOf(space, stream) + 1
  const content = line.indexOf(space, tag) + 1
  const end = line[tag] === partial ? line.length - 1 : line.length
  // stdout and stderr differ in their fourth letter
  return { stream: line[stream + 3] === 'e'.charCodeAt(0) ? 'stderr' : 'stdout', bytes: line.subarray(content, end) }
}

function joined(parts: readonly Piece[]): Piece[] {
  const pieces: { stream: Piece['stream']; parts: Buffer[] }[] = []
  for (const { stream, bytes } of parts) {
    const last = pieces.at(-1)
    if (last?.stream === stream) last.parts.push(bytes)
    else pieces.push({ stream, parts: [bytes] })
  }
  return pieces.map((piece) => ({ stream: piece.stream, bytes: Buffer.concat(piece.parts) }))
}
