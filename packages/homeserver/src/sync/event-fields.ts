import { isJsonObject, type JsonObject, type JsonValue, ownMember } from '@kith/matrix-protocol'

/** What of an event lies at the paths. Spec: Client-Server API, Filtering, event_fields. */
export function pickFields(event: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  return paths.reduce<JsonObject>((picked, path) => withField(picked, event, path), {})
}

function withField(picked: JsonObject, from: JsonObject, path: readonly string[]): JsonObject {
  const [name, ...rest] = path
  const value = name === undefined ? undefined : (ownMember(from, name) as JsonValue | undefined)
  if (name === undefined || value === undefined) return picked
  if (rest.length === 0) return { ...picked, [name]: value }
  if (!isJsonObject(value)) return picked
  const known = ownMember(picked, name)
  const within = withField(isJsonObject(known) ? known : {}, value, rest)
  return Object.keys(within).length === 0 ? picked : { ...picked, [name]: within }
}
