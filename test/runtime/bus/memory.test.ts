import { memoryBus } from '../../../runtime/bus/memory.ts'
import { busConformance } from '../../conformance/bus.ts'

busConformance('memory', async () => {
  const bus = memoryBus()
  return { near: bus, far: bus, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() }
})
