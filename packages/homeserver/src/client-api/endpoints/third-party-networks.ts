import { isJsonObject, type JsonObject, type JsonValue } from '@kith/matrix-protocol'
import { instanceId } from '../../app-services/network-rooms.ts'
import type { AppService } from '../../app-services/app-service.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'

/** Other networks are what application services lead to; where there is none that leads to one, there is nothing to be found. */
export const thirdPartyNetworkEndpoints = [
  endpoint({
    method: 'GET',
    path: '/thirdparty/protocols',
    async handle(api, { signal }) {
      const names = [...new Set(api.appServices.all.flatMap(({ registration }) => registration.protocols))]
      const described = await Promise.all(names.map(async (name) => [name, await describe(api, name, signal)] as const))
      return Object.fromEntries(described.filter(([, description]) => description !== undefined))
    },
  }),
  endpoint({
    method: 'GET',
    path: '/thirdparty/protocol/:protocol',
    async handle(api, { params, signal }) {
      const description = await describe(api, params.protocol, signal)
      if (description === undefined) throw noBridge()
      return description
    },
  }),
  ...(['location', 'user'] as const).flatMap((what) => [
    endpoint({
      method: 'GET',
      path: `/thirdparty/${what}/:protocol` as '/thirdparty/user/:protocol',
      async handle(api, { params, query, signal }) {
        const services = servicesOf(api, params.protocol)
        return lookUp(api, services, `${what}/${encodeURIComponent(params.protocol)}`, withoutSecrets(query), signal)
      },
    }),
    endpoint({
      method: 'GET',
      path: `/thirdparty/${what}`,
      async handle(api, { query, signal }) {
        const services = api.appServices.all.filter(({ registration }) => registration.protocols.length > 0)
        return lookUp(api, services, what, withoutSecrets(query), signal)
      },
    }),
  ]),
]

function servicesOf(api: Api, protocol: string): AppService[] {
  return api.appServices.all.filter(({ registration }) => registration.protocols.includes(protocol))
}

/** What the services say of a network, with all instances of it; undefined when none says anything. */
async function describe(api: Api, protocol: string, signal: AbortSignal): Promise<JsonObject | undefined> {
  const answers = await Promise.all(
    servicesOf(api, protocol).map(async (service) => ({ service, said: await api.appServices.calls?.protocol(service, protocol, signal) })),
  )
  const first = answers.find(({ said }) => said !== undefined)?.said
  if (first === undefined) return undefined
  const instances = answers.flatMap(({ service, said }): JsonValue[] => {
    const list: JsonValue = said?.['instances'] ?? null
    return Array.isArray(list) ? list.filter(isJsonObject).map((instance) => named(service, instance)) : []
  })
  return { ...first, instances }
}

/** By this name clients ask for the rooms that the service shows under the network. */
function named({ id }: AppService, instance: JsonObject): JsonObject {
  const network = instance['network_id']
  return typeof network === 'string' ? { ...instance, instance_id: instanceId(id, network) } : instance
}

async function lookUp(
  api: Api,
  services: readonly AppService[],
  path: string,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<readonly JsonObject[]> {
  const { calls } = api.appServices
  if (services.length === 0 || calls === undefined) throw noBridge()
  return calls.lookUp(services, path, query, signal)
}

/** Who asks is the client's business and this server's. */
function withoutSecrets(query: URLSearchParams): URLSearchParams {
  const own = ['access_token', 'user_id', 'device_id', 'org.matrix.msc3202.device_id']
  return new URLSearchParams([...query].filter(([name]) => !own.includes(name)))
}

function noBridge(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No application service here leads to such a network')
}
