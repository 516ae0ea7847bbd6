import type { ClientContract } from '../client-contract.test-support.ts'

/** Files: bringing them, getting them, here and from the other server. */
export async function callMedia(contract: ClientContract): Promise<void> {
  const { alice, bob, home } = contract
  await contract.ask(alice, 'getConfigAuthed')
  await contract.ask(alice, 'getConfig')
  const picture = { bytes: onePixel, contentType: 'image/png' }
  const { content_uri: uri } = await contract.ask(alice, 'uploadContent', { query: { filename: 'dot.png' }, ...picture })
  const path = pathOf(uri)
  for (const user of [alice, bob]) {
    await contract.ask(user, 'getContentAuthed', { path })
    await contract.ask(user, 'getContentOverrideNameAuthed', { path: { ...path, fileName: 'point.png' } })
    await contract.ask(user, 'getContentThumbnailAuthed', { path, query: { width: 32, height: 32, method: 'scale' } })
  }
  await contract.ask(alice, 'getContentAuthed', { path: { ...path, mediaId: 'none' } }, 404)
  const text = await contract.ask(alice, 'uploadContent', { bytes: new TextEncoder().encode('words'), contentType: 'text/plain' })
  await contract.ask(alice, 'getContentThumbnailAuthed', { path: pathOf(text.content_uri), query: { width: 32, height: 32 } }, 400)
  const { content_uri: promised } = await contract.ask(alice, 'createContent')
  await contract.ask(alice, 'getContentAuthed', { path: pathOf(promised), query: { timeout_ms: 0 } }, 504)
  await contract.ask(alice, 'uploadContentToMXC', { path: pathOf(promised), ...picture })
  await contract.ask(alice, 'uploadContentToMXC', { path: pathOf(promised), ...picture }, 409)
  await contract.ask(bob, 'uploadContentToMXC', { path: pathOf(promised), ...picture }, 404)
  const page = { url: 'https://example.org/', ts: 1 }
  await contract.ask(alice, 'getUrlPreviewAuthed', { query: page })
  await contract.ask(alice, 'getUrlPreview', { query: { url: page.url } })
  await contract.ask(bob, 'getUrlPreviewAuthed', { query: page }, 403)
  // The deprecated places are frozen: what is new is not shown to people who do not say who they are.
  await contract.ask(home, 'getContent', { path }, 404)
  await contract.ask(home, 'getContentOverrideName', { path: { ...path, fileName: 'point.png' } }, 404)
  await contract.ask(home, 'getContentThumbnail', { path, query: { width: 32, height: 32 } }, 404)
}

function pathOf(uri: string): { readonly serverName: string; readonly mediaId: string } {
  const [serverName = '', mediaId = ''] = uri.slice('mxc://'.length).split('/')
  return { serverName, mediaId }
}

const onePixel = Uint8Array.fromBase64('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')
