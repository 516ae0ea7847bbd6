/** Clients run on other origins than the node. Spec: Client-Server API, Web Browser Clients. */
const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization, Date',
} as const

export function preflightResponse(): Response {
  return new Response(null, { status: 204, headers: { ...corsHeaders, 'access-control-max-age': '86400' } })
}

export function withCors(response: Response): Response {
  for (const [name, value] of Object.entries(corsHeaders)) response.headers.set(name, value)
  return response
}
