import { contentSuite } from '../../conformance/content.ts'
import { startStore } from '../../support/content.ts'
import { startNats } from '../../support/nats.ts'

contentSuite('on a bus in memory', () => startStore())

contentSuite('on a real bus', async () => {
  await using stack = new AsyncDisposableStack()
  const nats = stack.use(await startNats())
  const store = stack.use(await startStore({ bus: await nats.connect() }))
  const scope = stack.move()
  return { ...store, [Symbol.asyncDispose]: () => scope.disposeAsync() }
})
