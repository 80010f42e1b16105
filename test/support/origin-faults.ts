import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Origin } from '../../ops/lab/origin.ts'

/** What a registry does from some moment on. */
export type RegistryFault = (origin: Origin) => void

/** Bytes of an answer after which its connection is cut. */
const cutAfter = 1024 * 1024

/** It asks for patience, so many times, then it is itself again. */
const refusing = (times: number, status: number, headers: Readonly<Record<string, string>> = {}): RegistryFault =>
  ofBlobs(times, (_, response) => {
    response.writeHead(status, headers).end()
    return true
  })

/** Answers that begin well and end before they are whole. */
const truncating = (times: number): RegistryFault =>
  ofBlobs(times, (_, response) => {
    const write = response.write.bind(response)
    let written = 0
    response.write = ((piece: Uint8Array) => {
      written += piece.length
      if (written <= cutAfter) return write(piece)
      response.destroy()
      return false
    }) as typeof response.write
    return false
  })

/** Who asks must bring a token, and those given out so far count no more. */
const expiring: RegistryFault = (origin) => {
  const good = `${performance.now()}`
  origin.fail((request, response) => {
    if (request.url?.startsWith('/token')) return json(response, { token: good })
    if (request.headers.authorization === `Bearer ${good}`) return false
    const realm = `Bearer realm="http://${origin.host}/token",service="lab",scope="repository:library/faults:pull"`
    response.writeHead(401, { 'www-authenticate': realm }).end()
    return true
  })
}

export const registryFaults: Readonly<Record<string, RegistryFault>> = {
  'answers 429 with Retry-After': refusing(2, 429, { 'retry-after': '1' }),
  'answers 503': refusing(2, 503),
  'cuts its answers short': truncating(2),
  'no longer takes the token it gave': expiring,
}

/** The next requests for blobs; what answers false is answered as ever. */
function ofBlobs(times: number, behaviour: (request: IncomingMessage, response: ServerResponse) => boolean): RegistryFault {
  return (origin) => {
    let left = times
    origin.fail((request, response) => {
      if (left === 0 || !request.url?.includes('/blobs/')) return false
      left--
      return behaviour(request, response)
    })
  }
}

function json(response: ServerResponse, value: unknown): true {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  return true
}
