import { Failure } from '../../messages/grammar/index.ts'
import type { Packet, Sending } from './bus.ts'

/**
 * The replies of one request as they come, for whichever bus: pushed in, taken out in order, one at a time.
 * Fails with deadline_exceeded after `timeoutMs` of silence while somebody waits, with cancelled when the signal fires.
 */
export class Replies implements AsyncDisposable {
  readonly #subject: string
  readonly #sending: Sending
  readonly #done: () => void
  readonly #queue: Packet[] = []
  #failure: Failure | undefined
  #wake: (() => void) | undefined

  /** `done` is called once, when nobody wants replies any more. */
  constructor(subject: string, sending: Sending, done: () => void) {
    this.#subject = subject
    this.#sending = sending
    this.#done = done
    if (sending.signal?.aborted) this.#giveUp()
    else sending.signal?.addEventListener('abort', this.#giveUp)
  }

  push(packet: Packet): void {
    this.#queue.push(packet)
    this.#wake?.()
  }

  /** The first failure counts; replies that came before it are still handed out. */
  fail(failure: Failure): void {
    this.#failure ??= failure
    this.#wake?.()
  }

  async next(): Promise<Packet> {
    if (this.#queue.length === 0 && !this.#failure) await this.#arrival()
    const packet = this.#queue.shift()
    if (packet) return packet
    throw this.#failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sending.signal?.removeEventListener('abort', this.#giveUp)
    this.#done()
  }

  async #arrival(): Promise<void> {
    const { timeoutMs } = this.#sending
    const late = () => this.fail(new Failure('deadline_exceeded', `ask ${this.#subject}: no answer within ${timeoutMs} ms`))
    const timer = Number.isFinite(timeoutMs) ? setTimeout(late, timeoutMs) : undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
    clearTimeout(timer)
  }

  /** What has arrived is of no use to a caller that gave up. */
  readonly #giveUp = (): void => {
    this.#queue.length = 0
    this.fail(new Failure('cancelled', `ask ${this.#subject}: the caller gave up`, { cause: this.#sending.signal?.reason }))
  }
}
