/**
 * The bus: what actors talk over. Two implementations, one conformance suite: NATS, and one in memory for unit tests.
 *
 * This is the lowest layer: subjects and packets. Actors do not use it directly; they are served by {@link serve}, ask with
 * {@link client}, and tell facts through records or {@link tell}.
 */

/** A message on its way: headers and bytes. */
export interface Packet {
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array
}

/** A packet that arrived, with its subject, and a way to answer when an answer is wanted. */
export interface Delivery extends Packet {
  readonly subject: string
  /** Undefined when nobody waits. Fails with out_of_range when the packet is larger than the bus carries. */
  readonly respond: ((packet: Packet) => void) | undefined
}

/** A standing interest; disposing it ends it at once. */
export interface Interest extends AsyncDisposable {
  /** Resolves when the bus knows of the interest: what is sent after this arrives. */
  readonly ready: Promise<void>
}

/** How a request is sent. */
export interface Sending {
  readonly signal?: AbortSignal | undefined
  /** ms until deadline_exceeded; for many replies: between two of them. */
  readonly timeoutMs: number
}

export interface Bus extends AsyncDisposable {
  /** First tokens of every subject: `gantry` unless configured. */
  readonly root: string
  /** Most bytes of payload a packet may carry. */
  readonly maxPayload: number
  /** Version of the server, `memory` for the one in memory. */
  readonly server: string

  /** Ask and wait for one reply. Fails with unavailable when nobody listens or the connection is lost meanwhile. */
  request(subject: string, packet: Packet, sending: Sending): Promise<Packet>

  /**
   * Ask and receive every reply, until the caller leaves the loop. Ends by itself never: the caller knows the last one.
   * Fails like request.
   */
  requestMany(subject: string, packet: Packet, sending: Sending): AsyncIterable<Packet>

  /** Tell whoever listens. Fails with unavailable while disconnected: nothing is silently lost. */
  publish(subject: string, packet: Packet): void

  /** Be called for what is sent to a subject (wildcards `*` and `>`); with a queue, one of its members is. A handler that throws harms nobody else. */
  subscribe(subject: string, handler: (delivery: Delivery) => void, options?: { queue?: string | undefined }): Interest

  /** Called on loss and return of the connection. */
  onStatus(listener: (status: 'connected' | 'disconnected') => void): Disposable

  /** Resolves when everything published has reached the server. */
  flush(options?: { signal?: AbortSignal }): Promise<void>
}
