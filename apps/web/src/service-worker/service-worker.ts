import { answerFromNode, isNodePath } from './answer-from-node.ts'
import { answerFromShell, fillShell, forgetOldShells } from './app-shell.ts'
import { NodeBroker } from './node-broker.ts'

declare const self: ServiceWorkerGlobalScope

/** All that this worker remembers. The browser ends idle workers, so it must be able to find everything again. */
const broker = new NodeBroker(self.clients)

self.addEventListener('install', (event) => event.waitUntil(self.skipWaiting()))

self.addEventListener('activate', (event) => event.waitUntil(Promise.all([self.clients.claim(), forgetOldShells()])))

self.addEventListener('message', (event) => {
  event.waitUntil(broker.receive(event))
  // A page that was reloaded past the cache is without its service worker until it is claimed again.
  event.waitUntil(self.clients.claim())
  // Not while installing: the first page needs its node before it needs to open offline.
  event.waitUntil(fillShell())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (url.origin !== self.location.origin) return
  if (isNodePath(url.pathname)) {
    event.respondWith(answerFromNode(request, broker))
    return
  }
  const answer = answerFromShell(request, url)
  if (answer !== undefined) event.respondWith(answer)
})
