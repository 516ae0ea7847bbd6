import { request as forward } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { startWebApp } from '../../e2e/src/web-app-process.ts'
import { type Bench, milliseconds, percentile } from './bench.ts'
import { openChromium } from './chromium.ts'
import { startReportServer } from './report-server.ts'

const starts = 5
const probePath = '/bench-probe.js'

/** Runs in the page: does what a person does at the first start, and reports when the page let it. */
const probe = `
const until = (look) => new Promise((resolve) => {
  const check = () => { const found = look(); if (found) { resolve(found); clearInterval(timer) } }
  const timer = setInterval(check, 5)
})
const button = (name) => [...document.querySelectorAll('button')].find((candidate) => candidate.textContent.trim() === name && !candidate.disabled)
const name = await until(() => document.querySelector('form input'))
const asked = performance.now()
Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(name, 'Alice')
name.dispatchEvent(new Event('input', { bubbles: true }))
const start = await until(() => button('Start chatting'))
const answered = performance.now()
start.click()
await until(() => document.querySelector('nav[aria-label="Chats"]'))
await fetch('/report', { method: 'POST', body: JSON.stringify({ asked, ready: performance.now() - answered }) })
`

/** The built app, served as people get it, in a fresh profile without a debugger. */
export const browserStartBench: Bench = {
  name: 'browser-start',
  async run() {
    await using app = await startWebApp('all')
    const asked: number[] = []
    const ready: number[] = []
    for (let start = 0; start < starts; start++) {
      await using server = await startReportServer((request, response) => serveThrough(app.url, request, response))
      await using _chromium = openChromium(server.url)
      const times = (await server.report) as { readonly asked: number; readonly ready: number }
      asked.push(times.asked)
      ready.push(times.ready)
    }
    const total = asked.map((duration, index) => duration + (ready[index] ?? Number.NaN))
    return [
      {
        what: `fresh profile: page opened until it asks for a name (median of ${starts})`,
        result: milliseconds(percentile(asked, 0.5)),
        limit: '',
      },
      { what: 'fresh profile: name given until the chats are there', result: milliseconds(percentile(ready, 0.5)), limit: '' },
      { what: 'fresh profile: first start to ready, without the typing', result: milliseconds(percentile(total, 0.5)), limit: '' },
    ]
  },
}

/** Passes requests on to the app, and puts the probe into its page. */
function serveThrough(appUrl: string, request: IncomingMessage, response: ServerResponse): void {
  if (request.url === probePath) {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(probe)
    return
  }
  const { host: _, 'accept-encoding': __, 'if-none-match': ___, ...headers } = request.headers
  const onward = forward(`${appUrl}${request.url ?? '/'}`, { method: request.method ?? 'GET', headers }, (answer) => {
    if (!answer.headers['content-type']?.startsWith('text/html')) {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
      return
    }
    const { 'content-length': ____, 'content-security-policy': _____, ...kept } = answer.headers
    text(answer).then(
      (page) =>
        response
          .writeHead(answer.statusCode ?? 502, kept)
          .end(page.replace('</body>', `<script type="module" src="${probePath}"></script></body>`)),
      () => response.destroy(),
    )
  })
  onward.on('error', () => response.destroy())
  request.pipe(onward)
}
