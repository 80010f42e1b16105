/** A certificate authority of one test, and what it signs. Made by openssl, gone with its directory. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Authority extends AsyncDisposable {
  /** its certificate */
  readonly ca: string
  /** A certificate for a name, and for 127.0.0.1. */
  sign(name: string): Promise<{ cert: string; key: string }>
}

/** All paths are of PEM files. */
export async function makeAuthority(): Promise<Authority> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-authority-'))
  const at = (name: string) => join(directory, name)
  const openssl = (...words: string[]) => void execFileSync('openssl', words, { stdio: 'pipe' })
  const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl('req', '-x509', ...elliptic, '-subj', '/CN=authority', '-days', '2', '-keyout', at('ca.key'), '-out', at('ca.pem'))
  return {
    ca: at('ca.pem'),
    async sign(name) {
      const [cert, key, request, extensions] = [at(`${name}.pem`), at(`${name}.key`), at(`${name}.csr`), at(`${name}.ext`)]
      await writeFile(extensions, `subjectAltName=DNS:${name},IP:127.0.0.1\n`)
      openssl('req', ...elliptic, '-subj', `/CN=${name}`, '-keyout', key, '-out', request)
      const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', extensions]
      openssl('x509', '-req', '-in', request, ...by, '-out', cert)
      return { cert, key }
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
