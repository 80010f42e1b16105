/** A fact to be told. */
export interface Told {
  readonly actor: string
  readonly fact: string
  /** what it is about: order is kept per entity */
  readonly entity: string
  readonly data: Readonly<Record<string, unknown>>
  /** traceparent of what caused it */
  readonly trace?: string | undefined
}

/** Facts on their way to the bus. */
export interface Outbox extends AsyncDisposable {
  /** Only inside a transaction: told if, and only if, it commits. */
  put(told: Told): void
}
