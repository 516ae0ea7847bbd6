import type { Endpoint, Method } from './endpoint.ts'

export type RouteOutcome =
  | { readonly kind: 'found'; readonly endpoint: Endpoint; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'wrong-method' }
  | { readonly kind: 'unknown' }

interface Route {
  readonly endpoint: Endpoint
  readonly names: readonly string[]
}

interface RouteNode {
  readonly literals: Map<string, RouteNode>
  parameter: RouteNode | undefined
  readonly routes: Map<Method, Route>
}

/** Finds the endpoint of a path. A literal segment goes before a parameter. */
export class Router {
  readonly #root = makeNode()

  constructor(endpoints: readonly Endpoint[]) {
    for (const endpoint of endpoints) for (const path of endpoint.paths) this.#add(path, endpoint)
  }

  find(method: string, path: string): RouteOutcome {
    const segments: string[] = []
    for (const segment of path.split('/')) {
      const decoded = decodeSegment(segment)
      if (decoded === undefined) return { kind: 'unknown' }
      segments.push(decoded)
    }
    const found = search(this.#root, segments, 0, [])
    if (found === undefined) return { kind: 'unknown' }
    const route = found.node.routes.get(method as Method)
    if (route === undefined) return { kind: 'wrong-method' }
    const params = Object.fromEntries(route.names.map((name, index) => [name, found.values[index] ?? '']))
    return { kind: 'found', endpoint: route.endpoint, params }
  }

  #add(path: string, endpoint: Endpoint): void {
    let node = this.#root
    const names: string[] = []
    for (const segment of path.split('/')) {
      if (segment.startsWith(':')) {
        names.push(segment.slice(1))
        node = node.parameter ??= makeNode()
      } else node = node.literals.getOrInsertComputed(segment, makeNode)
    }
    if (node.routes.has(endpoint.method)) throw new Error(`Two endpoints for ${endpoint.method} ${path}`)
    node.routes.set(endpoint.method, { endpoint, names })
  }
}

function makeNode(): RouteNode {
  return { literals: new Map(), parameter: undefined, routes: new Map() }
}

function search(
  node: RouteNode,
  segments: readonly string[],
  index: number,
  values: readonly string[],
): { readonly node: RouteNode; readonly values: readonly string[] } | undefined {
  const segment = segments[index]
  if (segment === undefined) return node.routes.size > 0 ? { node, values } : undefined
  const literal = node.literals.get(segment)
  const byLiteral = literal === undefined ? undefined : search(literal, segments, index + 1, values)
  if (byLiteral !== undefined || node.parameter === undefined) return byLiteral
  return search(node.parameter, segments, index + 1, [...values, segment])
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
