/**
 * A WHEP player session (draft-ietf-wish-whep): one offer, one answer, no trickle.
 *
 * The offer is posted before it is applied locally, so that the ICE servers of the answer's Link
 * headers are in force when candidates are gathered. The gateway is ICE-lite and needs none of
 * ours: it learns the browser's address from the first check.
 */
import { errorOf } from '@/api/errors'

import { iceServersOf } from './link_header'
import { readPeerStatistics, type LiveStatistics, type Reading } from './statistics'

export interface WhepEvents {
  /** Media can flow. */
  connected(): void
  /** The connection is gone for good, or was never made. */
  failed(cause: 'unreachable' | 'closed'): void
}

export class WhepSession {
  readonly stream = new MediaStream()
  private readonly peer: RTCPeerConnection
  private resource: string | null = null
  private closed = false
  private previous: Reading | null = null
  private disconnectedTimer = 0

  constructor(private readonly events: WhepEvents) {
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
    this.peer.addTransceiver('video', { direction: 'recvonly' })
    this.peer.addTransceiver('audio', { direction: 'recvonly' })
    this.peer.ontrack = ({ track, receiver }) => {
      // Surveillance wants the newest picture, not the smoothest motion.
      const hinted = receiver as RTCRtpReceiver & { playoutDelayHint?: number }
      if ('playoutDelayHint' in hinted) hinted.playoutDelayHint = 0
      this.stream.addTrack(track)
    }
    this.peer.onconnectionstatechange = () => this.stateChanged()
  }

  /** @throws ApiError as the gateway refused it; a DOMException where the answer is unusable. */
  async open(url: string, signal: AbortSignal): Promise<void> {
    const offer = await this.peer.createOffer()
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', Accept: 'application/sdp', 'X-Gridsight': '1' },
      body: offer.sdp ?? '',
      credentials: 'same-origin',
      signal,
    })
    if (response.status !== 201) throw await errorOf(response)
    const location = response.headers.get('Location')
    if (location !== null) this.resource = new URL(location, new URL(url, window.location.href)).href
    const answer = await response.text()
    if (this.closed) {
      await this.release()
      return
    }
    const iceServers = iceServersOf(response.headers.get('Link'))
    if (iceServers.length > 0) this.peer.setConfiguration({ ...this.peer.getConfiguration(), iceServers })
    await this.peer.setLocalDescription(offer)
    await this.peer.setRemoteDescription({ type: 'answer', sdp: answer })
    // The gateway says goodbye by a DTLS alert, which leaves connectionState as it is.
    const transport = this.peer.getReceivers()[0]?.transport
    transport?.addEventListener('statechange', () => {
      if (transport.state === 'closed' && !this.closed) this.events.failed('closed')
    })
  }

  get connected(): boolean {
    return this.peer.connectionState === 'connected'
  }

  async statistics(): Promise<LiveStatistics> {
    const { statistics, reading } = readPeerStatistics(await this.peer.getStats(), performance.now(), this.previous)
    this.previous = reading
    return statistics
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    window.clearTimeout(this.disconnectedTimer)
    this.peer.onconnectionstatechange = null
    this.peer.ontrack = null
    // First told, then closed: closing sends a DTLS alert, which ends the session by itself.
    // A lost connection has nobody left to tell.
    const told = this.connected ? this.release() : Promise.resolve()
    void told.then(() => this.peer.close())
  }

  private async release(): Promise<void> {
    if (this.resource === null) return
    const resource = this.resource
    this.resource = null
    try {
      await fetch(resource, {
        method: 'DELETE',
        headers: { 'X-Gridsight': '1' },
        credentials: 'same-origin',
        keepalive: true,
        signal: AbortSignal.timeout(2000),
      })
    } catch {
      // A session that is not ended this way ends by its missing ICE checks.
    }
  }

  private stateChanged(): void {
    window.clearTimeout(this.disconnectedTimer)
    switch (this.peer.connectionState) {
      case 'connected':
        this.events.connected()
        break
      case 'disconnected':
        // Often heals by itself within a check or two.
        this.disconnectedTimer = window.setTimeout(() => this.events.failed('unreachable'), 1500)
        break
      case 'failed':
        this.events.failed('unreachable')
        break
      case 'closed':
        this.events.failed('closed')
        break
      default:
        break
    }
  }
}
