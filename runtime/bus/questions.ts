import { randomUUID } from 'node:crypto'
import type { Failure } from '../../messages/grammar/index.ts'
import type { Sending } from './bus.ts'
import { Replies } from './replies.ts'

/** A request that waits, the token its replies come under, and what it asked. */
interface Question {
  readonly token: string
  readonly subject: string
  readonly replies: Replies
}

/** The requests of one connection that wait for replies, by token. Nobody can guess one: who was asked nothing cannot answer. */
export class Questions {
  readonly #waiting = new Map<string, Question>()

  /** Wait for replies to one more request, until they are disposed. */
  ask(subject: string, sending: Sending): Question {
    const token = randomUUID()
    const question = { token, subject, replies: new Replies(subject, sending, () => this.#waiting.delete(token)) }
    this.#waiting.set(token, question)
    return question
  }

  /** The request a reply is for; undefined when nobody waits for it any more. */
  get(token: string): Question | undefined {
    return this.#waiting.get(token)
  }

  /** Fail what waits: all of it, or what asked one subject. */
  fail(failure: Failure, subject?: string): void {
    for (const question of this.#waiting.values()) if (subject === undefined || question.subject === subject) question.replies.fail(failure)
  }
}
