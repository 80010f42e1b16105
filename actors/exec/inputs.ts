import { type Input, openInput } from './input.ts'

/** What a terminal takes for the end of input, at the start of a line. */
const endOfTransmission = Buffer.of(4)

/** ms a write waits for room: less than a call has, so that the caller hears why. */
const patienceMs = 4_000

/** The standard inputs that are being written to, by id; each is opened when first written to. */
export class Inputs implements Disposable {
  readonly #directory: (id: string) => string
  readonly #open = new Map<string, Input>()

  constructor(directory: (id: string) => string) {
    this.#directory = directory
  }

  /** See {@link Input}. The input of a terminal has no end of its own: it is typed. */
  async write(id: string, bytes: Uint8Array, options: { end: boolean; terminal: boolean; signal: AbortSignal }): Promise<void> {
    const { end, terminal, signal } = options
    const input = this.#open.get(id) ?? openInput({ id, directory: this.#directory(id) })
    this.#open.set(id, input)
    const all = end && terminal ? Buffer.concat([bytes, endOfTransmission]) : bytes
    if (all.length > 0) await input.write(all, { signal, patienceMs })
    if (end && !terminal) input.end()
  }

  close(id: string): void {
    this.#open.get(id)?.[Symbol.dispose]()
    this.#open.delete(id)
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#open.keys()]) this.close(id)
  }
}
