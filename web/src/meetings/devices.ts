/** Camera, microphone and screen of this browser: opened, told apart, measured. */
import { loudness } from '@/talk/talker'

export interface Choice {
  camera: string
  microphone: string
  loudspeaker: string
}

const KEY = 'gridsight.meeting_devices'
const NONE: Choice = { camera: '', microphone: '', loudspeaker: '' }

export function rememberedChoice(): Choice {
  try {
    return { ...NONE, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Choice>) }
  } catch {
    return { ...NONE }
  }
}

export const rememberChoice = (choice: Choice): void => localStorage.setItem(KEY, JSON.stringify(choice))

/** Why a browser gives no camera or microphone; with words in `meetings.causes`. */
export function deviceCause(error: unknown, kind: 'camera' | 'microphone' | 'screen'): string {
  const name = error instanceof DOMException || error instanceof Error ? error.name : ''
  if (name === 'NotAllowedError' || name === 'SecurityError') return `${kind}_denied`
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return `${kind}_missing`
  if (name === 'NotReadableError' || name === 'AbortError') return `${kind}_busy`
  return `${kind}_failed`
}

/** Without HTTPS browsers give no page a camera or a microphone. */
export const hasDevices = (): boolean => (navigator.mediaDevices as MediaDevices | undefined)?.getUserMedia !== undefined

export const canShareScreen = (): boolean => (navigator.mediaDevices as MediaDevices | undefined)?.getDisplayMedia !== undefined

/** A device that was chosen once may be unplugged: any other is better than none. */
async function opened(wanted: (id: string) => MediaStreamConstraints, id: string): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia(wanted(id))
  } catch (error) {
    if (id === '' || !(error instanceof Error) || error.name !== 'OverconstrainedError') throw error
    return await navigator.mediaDevices.getUserMedia(wanted(''))
  }
}

const exactly = (id: string): { deviceId?: { exact: string } } => (id === '' ? {} : { deviceId: { exact: id } })

export async function openCamera(id: string): Promise<MediaStreamTrack> {
  const stream = await opened((one) => ({ video: { ...exactly(one), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } } }), id)
  const track = stream.getVideoTracks()[0]
  if (track === undefined) throw new DOMException('no picture', 'NotFoundError')
  track.contentHint = 'motion'
  return track
}

export async function openMicrophone(id: string): Promise<MediaStreamTrack> {
  const stream = await opened((one) => ({ audio: { ...exactly(one), echoCancellation: true, noiseSuppression: true, autoGainControl: true } }), id)
  const track = stream.getAudioTracks()[0]
  if (track === undefined) throw new DOMException('no sound', 'NotFoundError')
  return track
}

export async function openScreen(): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 10, max: 15 } } })
  const track = stream.getVideoTracks()[0]
  if (track === undefined) throw new DOMException('no screen', 'NotFoundError')
  track.contentHint = 'detail'
  return track
}

export interface DeviceList {
  cameras: MediaDeviceInfo[]
  microphones: MediaDeviceInfo[]
  loudspeakers: MediaDeviceInfo[]
}

/** Names are empty until the user has allowed one of the kind. */
export async function listDevices(): Promise<DeviceList> {
  const all = hasDevices() ? await navigator.mediaDevices.enumerateDevices() : []
  const of = (kind: MediaDeviceKind): MediaDeviceInfo[] => all.filter((one) => one.kind === kind && one.deviceId !== '')
  return { cameras: of('videoinput'), microphones: of('audioinput'), loudspeakers: of('audiooutput') }
}

/** How loud a track is, 0…1; goes on while the track that is sent is silent. */
export class Meter {
  private readonly context: AudioContext | null
  private readonly analyser: AnalyserNode | null = null
  private readonly copy: MediaStreamTrack
  private readonly samples = new Uint8Array(512)

  constructor(track: MediaStreamTrack) {
    this.copy = track.clone()
    this.copy.enabled = true
    this.context = typeof AudioContext === 'undefined' ? null : new AudioContext()
    if (this.context === null) return
    this.analyser = this.context.createAnalyser()
    this.analyser.fftSize = this.samples.length
    this.context.createMediaStreamSource(new MediaStream([this.copy])).connect(this.analyser)
  }

  level(): number {
    if (this.analyser === null) return 0
    this.analyser.getByteTimeDomainData(this.samples)
    return loudness(this.samples)
  }

  close(): void {
    this.copy.stop()
    void this.context?.close().catch(() => undefined)
  }
}

type Routed = HTMLMediaElement & { setSinkId?: (id: string) => Promise<void> }

/** Sends an element's sound to the chosen loudspeaker, where the browser can. */
export async function routeSound(element: HTMLMediaElement, loudspeaker: string): Promise<void> {
  await (element as Routed).setSinkId?.(loudspeaker).catch(() => undefined)
}

/** Three rising tones through an element, so that the chosen loudspeaker plays them. */
export async function playTestTone(loudspeaker: string): Promise<void> {
  const context = new AudioContext()
  const to = context.createMediaStreamDestination()
  const element = new Audio()
  element.srcObject = to.stream
  await routeSound(element, loudspeaker)
  const gain = context.createGain()
  gain.gain.value = 0.2
  gain.connect(to)
  const end_s = tones(context, gain, [523, 659, 784], 0.35)
  await element.play()
  await new Promise((resolve) => window.setTimeout(resolve, end_s * 1000))
  element.srcObject = null
  await context.close()
}

/** Plays one after the other; gives when the last has ended, in seconds from now. */
function tones(context: AudioContext, to: AudioNode, frequencies: readonly number[], each_s: number): number {
  frequencies.forEach((frequency, index) => {
    const tone = context.createOscillator()
    tone.frequency.value = frequency
    tone.connect(to)
    tone.start(context.currentTime + index * each_s)
    tone.stop(context.currentTime + (index + 0.8) * each_s)
  })
  return frequencies.length * each_s
}

/** A telephone that rings until it is stopped. */
export class Ringer {
  private context: AudioContext | null = null
  private timer = 0

  start(): void {
    if (this.timer !== 0 || typeof AudioContext === 'undefined') return
    const context = new AudioContext()
    this.context = context
    const gain = context.createGain()
    gain.gain.value = 0.25
    gain.connect(context.destination)
    const ring = (): void => void tones(context, gain, [880, 660, 880, 660], 0.22)
    ring()
    this.timer = window.setInterval(ring, 2200)
  }

  /** Browsers let a page sound only after somebody has touched it. */
  get silent(): boolean {
    return this.context?.state === 'suspended'
  }

  stop(): void {
    window.clearInterval(this.timer)
    this.timer = 0
    void this.context?.close().catch(() => undefined)
    this.context = null
  }
}
