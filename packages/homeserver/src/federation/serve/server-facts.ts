import { encodeBase64, SIGNING_KEY_ID } from '@kith/matrix-protocol'
import { signJson } from '../signed-json.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

const KEY_VALIDITY_MS = 24 * 3_600_000

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1version */
export function versionEndpoint(parts: Pick<ServeParts, 'softwareVersion'>, name: string): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/version',
    handle: () => ({ server: { name, version: parts.softwareVersion } }),
  }
}

/** The name is the key already; this is for servers of other kinds. @see https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2server */
export function serverKeyEndpoint({ ports, serverName }: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/key/v2/server',
    handle: () =>
      signJson(ports.crypto, serverName, {
        server_name: serverName,
        verify_keys: { [SIGNING_KEY_ID]: { key: encodeBase64(ports.crypto.publicKey) } },
        old_verify_keys: {},
        valid_until_ts: ports.clock.now() + KEY_VALIDITY_MS,
      }),
  }
}
