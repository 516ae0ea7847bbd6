import type { ServerName } from '../ids/ids.ts'
import { type JsonObject, ownMember } from '../json/json-value.ts'

const PORT = /:[0-9]{1,5}$/
const IPV4_LITERAL = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/

/**
 * Whether a server may take part in the room.
 * @param content of the room's `m.room.server_acl`; undefined where there is none.
 * @see https://spec.matrix.org/latest/client-server-api/#mroomserver_acl
 */
export function serverAclAllows(server: ServerName, content: JsonObject | undefined): boolean {
  // 1. No list, no limits.
  if (content === undefined) return true
  const host = server.replace(PORT, '').toLowerCase()
  // 2. What is no boolean counts as true.
  if (ownMember(content, 'allow_ip_literals') === false && isIpLiteral(host)) return false
  // 3.
  if (matchesAny(host, ownMember(content, 'deny'))) return false
  // 4. and 5. Without an entry that allows it, nobody is in.
  return matchesAny(host, ownMember(content, 'allow'))
}

function isIpLiteral(host: string): boolean {
  return host.startsWith('[') || IPV4_LITERAL.test(host)
}

function matchesAny(host: string, globs: unknown): boolean {
  return Array.isArray(globs) && globs.some((glob: unknown) => typeof glob === 'string' && matchesGlob(host, glob.toLowerCase()))
}

/**
 * `*` stands for any text, `?` for any one character. Goes back to the last `*` only, so that no pattern takes more steps than the
 * product of both lengths: the patterns come from the network.
 * @see https://spec.matrix.org/latest/appendices/#glob-style-matching
 */
function matchesGlob(text: string, glob: string): boolean {
  let at = 0
  let globAt = 0
  let starAt = -1
  let retryAt = 0
  while (at < text.length) {
    if (glob[globAt] === '*') {
      starAt = globAt++
      retryAt = at
    } else if (glob[globAt] === '?' || glob[globAt] === text[at]) {
      at++
      globAt++
    } else if (starAt >= 0) {
      at = ++retryAt
      globAt = starAt + 1
    } else return false
  }
  while (glob[globAt] === '*') globAt++
  return globAt === glob.length
}
