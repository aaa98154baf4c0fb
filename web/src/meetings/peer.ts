/**
 * The one peer connection of a meeting: three sections that send, and slots that receive.
 *
 * One offer and one answer for as long as it lives: what is sent changes by `replaceTrack` and by
 * which encodings are active, what is received by what the server puts into a slot.
 */
import { activated, CAMERA_LAYERS, prefer } from './codecs'
import type { SendKind } from './wire'

export const SOUND_SLOTS = 3
const SCREEN_BPS = 1_500_000

export interface PeerEvents {
  connected(): void
  /** Gone, or never made. */
  failed(): void
  sound(slot: string, track: MediaStreamTrack): void
  picture(slot: string, track: MediaStreamTrack): void
}

export class MeetingPeer {
  private readonly peer: RTCPeerConnection
  private readonly sending: Record<SendKind, RTCRtpTransceiver>
  private readonly receiving: RTCRtpTransceiver[] = []
  private disconnected = 0
  private closed = false

  constructor(iceServers: RTCIceServer[], pictures: number, private readonly events: PeerEvents) {
    this.peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers })
    const camera = { direction: 'sendonly', sendEncodings: CAMERA_LAYERS.map((one) => ({ ...one })) } as const
    this.sending = {
      microphone: this.peer.addTransceiver('audio', { direction: 'sendonly' }),
      camera: this.peer.addTransceiver('video', camera),
      screen: this.peer.addTransceiver('video', { direction: 'sendonly', sendEncodings: [{ maxBitrate: SCREEN_BPS }] }),
    }
    prefer(this.sending.microphone, RTCRtpSender, 'audio')
    prefer(this.sending.camera, RTCRtpSender, 'video')
    prefer(this.sending.screen, RTCRtpSender, 'video')
    for (const kind of [...Array<'audio'>(SOUND_SLOTS).fill('audio'), ...Array<'video'>(pictures).fill('video')]) {
      const slot = this.peer.addTransceiver(kind, { direction: 'recvonly' })
      prefer(slot, RTCRtpReceiver, kind)
      this.receiving.push(slot)
    }
    this.peer.ontrack = ({ transceiver, track }) => {
      if (transceiver.mid === null) return
      if (track.kind === 'audio') events.sound(transceiver.mid, track)
      else events.picture(transceiver.mid, track)
    }
    this.peer.onconnectionstatechange = () => this.stateChanged()
  }

  async offer(): Promise<{ sdp: string; sends: Record<string, SendKind> }> {
    await this.peer.setLocalDescription(await this.peer.createOffer())
    const sends: Record<string, SendKind> = {}
    for (const kind of Object.keys(this.sending) as SendKind[]) {
      const { mid } = this.sending[kind]
      if (mid !== null) sends[mid] = kind
    }
    return { sdp: this.peer.localDescription?.sdp ?? '', sends }
  }

  async answer(sdp: string): Promise<void> {
    await this.peer.setRemoteDescription({ type: 'answer', sdp })
    // The gateway says goodbye by a DTLS alert, which leaves connectionState as it is.
    const transport = this.sending.microphone.sender.transport
    transport?.addEventListener('statechange', () => {
      if (transport.state === 'closed' && !this.closed) this.events.failed()
    })
  }

  /** The mids of the slots for pictures, in the order of the offer. */
  get slots(): string[] {
    return this.receiving.filter(({ receiver }) => receiver.track.kind === 'video').flatMap(({ mid }) => (mid === null ? [] : [mid]))
  }

  async put(kind: SendKind, track: MediaStreamTrack | null): Promise<void> {
    await this.sending[kind].sender.replaceTrack(track)
  }

  /** Which qualities somebody looks at; the others cost nothing from now on. */
  async wanted(layers: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const { mid, sender } of Object.values(this.sending)) {
      const wanted = mid === null ? undefined : layers[mid]
      if (wanted === undefined) continue
      const parameters = sender.getParameters()
      const encodings = activated(parameters.encodings, wanted)
      if (encodings === null) continue
      try {
        await sender.setParameters({ ...parameters, encodings })
      } catch {
        // Overtaken by the next wish, or closed; the next message says it again.
      }
    }
  }

  statistics(): Promise<RTCStatsReport> {
    return this.peer.getStats()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    window.clearTimeout(this.disconnected)
    this.peer.onconnectionstatechange = null
    this.peer.ontrack = null
    this.peer.close()
  }

  private stateChanged(): void {
    window.clearTimeout(this.disconnected)
    const state = this.peer.connectionState
    if (state === 'connected') this.events.connected()
    else if (state === 'failed' || state === 'closed') this.events.failed()
    // Often heals by itself within a check or two.
    else if (state === 'disconnected') this.disconnected = window.setTimeout(() => this.events.failed(), 1500)
  }
}
