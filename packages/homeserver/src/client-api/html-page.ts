import { encodeUtf8, sha256 } from '@kith/matrix-protocol'

/** Follows the reader's light or dark, their size of text, and the width of a phone. */
const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
body { max-width: 24rem; margin: 0 auto; padding: 2rem 1.25rem }
h1 { margin: 0; font-size: 1.5rem }
[role=alert] { padding: .5rem .75rem; border-radius: .5rem; color: light-dark(#8a1c1c, #ffd9d9); background: light-dark(#fdecec, #4a1f1f) }
label { display: block; margin: 1rem 0; font-weight: 600 }
input, button { box-sizing: border-box; width: 100%; min-height: 2.75rem; padding: 0 .75rem; border-radius: .5rem; font: inherit }
input { margin-top: .25rem; border: 1px solid light-dark(#6f777b, #8b9498); font-weight: 400 }
button { border: 0; color: #fff; background: #206f70; font-weight: 600; cursor: pointer }
:focus-visible { outline: 3px solid light-dark(#409fa0, #7dc0c1); outline-offset: 2px }
`

/**
 * A page of this server. Nothing but its own style and script takes effect on it, and no other page can lay itself over it.
 * @param body markup: whatever came from elsewhere is escaped already.
 * @param script runs when the page is there.
 */
export function htmlPage(status: number, title: string, body: readonly string[], script?: string): Response {
  const html = [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${title}</title><style>${style}</style></head><body><main>`,
    `<h1>${title}</h1>`,
    ...body,
    '</main>',
    ...(script === undefined ? [] : [`<script>${script}</script>`]),
    '</body></html>',
  ]
  const policy = [
    `default-src 'none'`,
    `style-src ${sourceOf(style)}`,
    ...(script === undefined ? [] : [`script-src ${sourceOf(script)}`]),
    `form-action 'self'`,
    `frame-ancestors 'none'`,
  ]
  return new Response(html.join('\n'), {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy.join('; '), 'cache-control': 'no-store' },
  })
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

function sourceOf(text: string): string {
  return `'sha256-${sha256(encodeUtf8(text)).toBase64()}'`
}
