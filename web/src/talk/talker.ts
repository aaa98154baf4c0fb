/**
 * The browser's microphone to a camera's loudspeaker: one offer, one answer.
 *
 * The line stays while one pauses, with the microphone silent; nothing is heard there unless `speak`
 * says so. Why there is no line is told as a code with words in `talk.causes`.
 */
import { post, apiPath } from '@/api/client'
import { ApiError, errorOf, isAbort } from '@/api/errors'
import { iceServersOf } from '@/live/link_header'
import { livePurpose } from '@/purpose/scope'

export type TalkPhase = 'idle' | 'asking' | 'connecting' | 'open' | 'failed'

export interface TalkState {
  phase: TalkPhase
  speaking: boolean
  cause: string
  detail: string
}

const PATIENCE_MS = 6000

/** Why a browser gives no microphone. */
export function microphoneCause(error: unknown): string {
  const name = error instanceof DOMException || error instanceof Error ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'microphone_denied'
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'no_microphone'
  if (name === 'NotReadableError' || name === 'AbortError') return 'microphone_busy'
  return 'microphone_failed'
}

/** Without HTTPS browsers give no page a microphone. */
export const hasMicrophoneAccess = (): boolean =>
  typeof navigator !== 'undefined' && (navigator.mediaDevices as MediaDevices | undefined)?.getUserMedia !== undefined

/** Loudness 0…1 of samples around 128. */
export function loudness(samples: ArrayLike<number>): number {
  let sum = 0
  for (let index = 0; index < samples.length; index += 1) {
    const sample = ((samples[index] ?? 128) - 128) / 128
    sum += sample * sample
  }
  const rms = Math.sqrt(sum / Math.max(1, samples.length))
  // From −50 dB to 0 dB.
  return rms === 0 ? 0 : Math.max(0, Math.min(1, (20 * Math.log10(rms) + 50) / 50))
}

export class Talker {
  private state: TalkState = { phase: 'idle', speaking: false, cause: '', detail: '' }
  private microphone: MediaStream | null = null
  private peer: RTCPeerConnection | null = null
  private resource: string | null = null
  private abort: AbortController | null = null
  private context: AudioContext | null = null
  private analyser: AnalyserNode | null = null
  private wanted = false
  private timer = 0

  constructor(
    private readonly cameraId: string,
    private readonly told: (state: TalkState) => void,
  ) {}

  /** Opens the line if there is none, and is heard as soon as it stands. */
  speak(on: boolean): void {
    this.wanted = on
    if (on && (this.state.phase === 'idle' || this.state.phase === 'failed')) void this.open()
    else this.apply()
  }

  /** 0…1, of what the microphone takes in. */
  level(): number {
    if (this.analyser === null) return 0
    const samples = new Uint8Array(this.analyser.fftSize)
    this.analyser.getByteTimeDomainData(samples)
    return loudness(samples)
  }

  hangUp(): void {
    this.wanted = false
    this.drop()
    this.tell({ phase: 'idle', speaking: false, cause: '', detail: '' })
  }

  private tell(change: Partial<TalkState>): void {
    this.state = { ...this.state, ...change }
    this.told(this.state)
  }

  private fail(cause: string, detail = ''): void {
    this.wanted = false
    this.drop()
    this.tell({ phase: 'failed', speaking: false, cause, detail })
  }

  /** What nobody holds down is not heard. */
  private apply(): void {
    const speaking = this.wanted && this.state.phase === 'open'
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = speaking
    if (speaking !== this.state.speaking) this.tell({ speaking })
  }

  private async open(): Promise<void> {
    const own = new AbortController()
    this.abort = own
    this.tell({ phase: 'asking', cause: '', detail: '' })
    if (!hasMicrophoneAccess()) {
      this.fail(window.isSecureContext ? 'no_microphone' : 'needs_https')
      return
    }
    try {
      this.microphone = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } })
    } catch (error) {
      if (!own.signal.aborted) this.fail(microphoneCause(error))
      return
    }
    if (own.signal.aborted) {
      this.release()
      return
    }
    this.apply()
    this.listen()
    this.tell({ phase: 'connecting' })
    try {
      await this.connect(own.signal)
    } catch (error) {
      if (own.signal.aborted || isAbort(error)) return
      if (error instanceof ApiError) this.fail(error.code, error.message)
      else this.fail('no_connection', error instanceof Error ? error.message : '')
    }
  }

  private async connect(signal: AbortSignal): Promise<void> {
    const { url } = await livePurpose.open((purpose) =>
      post<{ url: string }>(apiPath('cameras', this.cameraId, 'talk'), purpose === undefined ? {} : { purpose }, signal),
    )
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
    this.peer = peer
    const transceivers = (this.microphone?.getAudioTracks() ?? []).map((track) => peer.addTransceiver(track, { direction: 'sendonly' }))
    peer.onconnectionstatechange = () => this.connectionChanged(peer)
    preferALaw(transceivers[0])
    const offer = await peer.createOffer()
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
    const servers = iceServersOf(response.headers.get('Link'))
    if (servers.length > 0) peer.setConfiguration({ ...peer.getConfiguration(), iceServers: servers })
    const answer = await response.text()
    if (signal.aborted) return
    await peer.setLocalDescription(offer)
    await peer.setRemoteDescription({ type: 'answer', sdp: answer })
    // The gateway says goodbye by a DTLS alert, which leaves connectionState as it is.
    const transport = peer.getSenders()[0]?.transport
    transport?.addEventListener('statechange', () => {
      if (transport.state === 'closed' && this.peer === peer) this.fail('ended')
    })
    this.timer = window.setTimeout(() => {
      if (peer.connectionState !== 'connected' && this.peer === peer) this.fail('no_connection')
    }, PATIENCE_MS)
  }

  private connectionChanged(peer: RTCPeerConnection): void {
    if (this.peer !== peer) return
    if (peer.connectionState === 'connected') {
      window.clearTimeout(this.timer)
      this.tell({ phase: 'open' })
      this.apply()
    } else if (peer.connectionState === 'failed') this.fail('no_connection')
    else if (peer.connectionState === 'closed') this.fail('ended')
  }

  private listen(): void {
    if (this.microphone === null || typeof AudioContext === 'undefined') return
    // Of a copy, which goes on when what is sent is silent: one sees that the microphone works.
    this.context = new AudioContext()
    this.analyser = this.context.createAnalyser()
    this.analyser.fftSize = 512
    const copy = new MediaStream(this.microphone.getAudioTracks().map((track) => track.clone()))
    for (const track of copy.getAudioTracks()) track.enabled = true
    this.context.createMediaStreamSource(copy).connect(this.analyser)
    this.copy = copy
  }

  private copy: MediaStream | null = null

  private release(): void {
    for (const stream of [this.microphone, this.copy]) for (const track of stream?.getTracks() ?? []) track.stop()
    this.microphone = null
    this.copy = null
    void this.context?.close().catch(() => undefined)
    this.context = null
    this.analyser = null
  }

  private drop(): void {
    window.clearTimeout(this.timer)
    this.abort?.abort()
    this.abort = null
    this.release()
    const { peer, resource } = this
    this.peer = null
    this.resource = null
    if (peer === null) return
    peer.onconnectionstatechange = null
    // First told, then closed.
    const told =
      resource === null
        ? Promise.resolve()
        : fetch(resource, { method: 'DELETE', headers: { 'X-Gridsight': '1' }, credentials: 'same-origin', keepalive: true }).then(
            () => undefined,
            () => undefined,
          )
    void told.then(() => peer.close())
  }
}

/** What cameras take; browsers offer Opus first. */
function preferALaw(transceiver: RTCRtpTransceiver | undefined): void {
  const codecs = typeof RTCRtpSender === 'undefined' ? undefined : RTCRtpSender.getCapabilities('audio')?.codecs
  if (transceiver === undefined || codecs === undefined || !('setCodecPreferences' in transceiver)) return
  const wanted = codecs.filter(({ mimeType }) => mimeType.toLowerCase() === 'audio/pcma')
  if (wanted.length > 0) transceiver.setCodecPreferences([...wanted, ...codecs.filter((codec) => !wanted.includes(codec))])
}
