import { contentSuite } from '../../conformance/content.ts'
import { startTwoStores } from '../../support/stores.ts'

contentSuite('written to in one process and read in another', async () => {
  const stores = await startTwoStores()
  return { ingest: stores.here.ingest, content: stores.there.content, [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose]() }
})
