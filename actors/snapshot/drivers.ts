import { Failure, isFailure } from '../../messages/grammar/index.ts'
import type { Driver } from './driver.ts'

/** The drivers of a node, and which of them can be used here. */
export interface Drivers {
  readonly all: readonly Driver[]
  /** The driver of a name, the default one without a name; whether it can be used or not. Fails with unimplemented when there is none of that name. */
  find(name: string | undefined): Promise<Driver>
  /** As find, and usable. Fails as its probe does. */
  usable(name: string | undefined): Promise<Driver>
  /** Each driver, the default first, and why it cannot be used, if it cannot. */
  describe(): Promise<{ driver: Driver; why: Failure | undefined }[]>
}

/**
 * The default is the driver configured, else the first that can be used, else the first. A driver is tried when it is first needed.
 * Fails with invalid_argument when there is none of the name configured.
 */
export function chooseDrivers(all: readonly [Driver, ...Driver[]], { configured }: { configured: string | undefined }): Drivers {
  const tried = new Map<Driver, Promise<Failure | undefined>>()
  const names = all.map(({ name }) => name).join(', ')
  const named = (name: string) => all.find((driver) => driver.name === name)
  const chosen = configured === undefined ? undefined : named(configured)
  if (configured !== undefined && !chosen)
    throw new Failure('invalid_argument', `use snapshot driver ${configured} by default: this node has ${names}`)

  function probe(driver: Driver): Promise<Failure | undefined> {
    const known = tried.get(driver)
    if (known) return known
    const trying = driver.probe().then(
      () => undefined,
      (error: unknown) => Failure.from(error),
    )
    tried.set(driver, trying)
    // A disk that was full may have room the next time; a missing right or feature stays missing.
    void trying.then((why) => why && !isFailure(why, 'permission_denied', 'unimplemented') && tried.delete(driver))
    return trying
  }

  async function firstUsable(): Promise<Driver> {
    for (const driver of all) if ((await probe(driver)) === undefined) return driver
    return all[0]
  }

  const drivers: Drivers = {
    all,
    async find(name) {
      if (name === undefined) return chosen ?? (await firstUsable())
      const driver = named(name)
      if (!driver) throw new Failure('unimplemented', `use snapshot driver ${name}: this node has ${names}`)
      return driver
    },
    async usable(name) {
      const driver = await drivers.find(name)
      const why = await probe(driver)
      if (why) throw why
      return driver
    },
    async describe() {
      const first = await drivers.find(undefined)
      const ordered = [first, ...all.filter((driver) => driver !== first)]
      return await Promise.all(ordered.map(async (driver) => ({ driver, why: await probe(driver) })))
    },
  }
  return drivers
}
