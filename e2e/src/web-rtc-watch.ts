import type { BrowserContext, Page } from 'playwright-core'

declare global {
  interface Window {
    watchedPeerConnections: RTCPeerConnection[]
  }
}

export interface WebRtcTraffic {
  readonly remotePort: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** Keeps every RTCPeerConnection that pages of this context make, so that the browser's own statistics can be asked. */
export async function watchWebRtc(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    window.watchedPeerConnections = []
    window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
      construct(target, parameters, newTarget) {
        const connection = Reflect.construct(target, parameters, newTarget) as RTCPeerConnection
        window.watchedPeerConnections.push(connection)
        return connection
      },
    })
  })
}

/** What travelled over the nominated candidate pairs of the connected peer connections, one entry a connection. */
export async function webRtcTraffic(page: Page): Promise<WebRtcTraffic[]> {
  return page.evaluate(async () => {
    const traffic: { remotePort: number; bytesSent: number; bytesReceived: number }[] = []
    for (const connection of window.watchedPeerConnections) {
      if (connection.connectionState !== 'connected') continue
      const reports = await connection.getStats()
      for (const report of reports.values()) {
        if (report.type !== 'candidate-pair' || report.state !== 'succeeded' || !report.nominated) continue
        const remotePort = Number(reports.get(report.remoteCandidateId)?.port)
        traffic.push({ remotePort, bytesSent: report.bytesSent, bytesReceived: report.bytesReceived })
      }
    }
    return traffic
  })
}
