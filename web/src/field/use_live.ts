/** Live from the scene: begun, held through dead spots, and ended by whoever began it. */
import { computed, onBeforeUnmount, ref, shallowRef } from 'vue'

import { NoCodec, publish, type Publishing } from './publish'
import { ask, Refused } from './wire'

interface LiveAnswer {
  since_us: number | null
  viewers: number
  ice_servers: { urls: string[]; username: string | null; credential: string | null }[]
}

export type LiveState = 'off' | 'asking' | 'connecting' | 'on' | 'away'
export type LiveFault = 'denied' | 'no_codec' | 'ended' | 'refused'

const TELL_MS = 8_000
const AGAIN_MS = 2_000
const PATIENCE_MS = 6_000
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } }

export function useLive(onSignInEnded: () => void) {
  const state = ref<LiveState>('off')
  const fault = ref<LiveFault | null>(null)
  const stream = shallowRef<MediaStream | null>(null)
  const sinceMs = ref<number | null>(null)
  const viewers = ref(0)
  const isMuted = ref(false)
  const taskId = ref<string | null>(null)
  const isOpen = computed(() => state.value !== 'off')
  const offered = Boolean(navigator.mediaDevices?.getUserMedia) && typeof RTCPeerConnection !== 'undefined'
  let facing: 'environment' | 'user' = 'environment'
  let publishing: Publishing | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Of each beginning and each end: what comes late is of another one. */
  let turn = 0

  async function begin(task: string | null): Promise<void> {
    if (isOpen.value) return
    const own = (turn += 1)
    fault.value = null
    taskId.value = task
    isMuted.value = false
    sinceMs.value = null
    viewers.value = 0
    state.value = 'asking'
    const taken = await takePicture(true)
    if (own !== turn) return stop(taken)
    if (taken === null) return over('denied')
    stream.value = taken
    void keepAwake()
    await connect()
  }

  async function connect(): Promise<void> {
    const own = turn
    publishing?.close()
    publishing = null
    if (stream.value === null) return
    if (state.value !== 'away') state.value = 'connecting'
    later(reconnect, PATIENCE_MS)
    try {
      const { ice_servers } = await ask<LiveAnswer>('GET', '/api/field/live')
      const made = await publish(stream.value, ice_servers.map(iceServer), taskId.value, (now) => own === turn && heard(now))
      if (own !== turn) return made.close()
      publishing = made
      later(reconnect, PATIENCE_MS)
    } catch (error) {
      if (own !== turn) return
      if (error instanceof NoCodec) return over('no_codec')
      if (!(error instanceof Refused)) throw error
      if (error.status === 401) onSignInEnded()
      if (!error.passes) return over('refused')
      reconnect()
    }
  }

  function heard(now: RTCPeerConnectionState): void {
    if (now === 'connected') {
      state.value = 'on'
      sinceMs.value ??= Date.now()
      later(tell, 0)
    } else if (now === 'disconnected') {
      // It may come back by itself.
      state.value = 'away'
      later(reconnect, PATIENCE_MS)
    } else if (now === 'failed' || now === 'closed') reconnect()
  }

  function reconnect(): void {
    state.value = 'away'
    later(() => void connect(), AGAIN_MS)
  }

  async function tell(): Promise<void> {
    const own = turn
    try {
      const answer = await ask<LiveAnswer>('PUT', '/api/field/live')
      if (own !== turn) return
      viewers.value = answer.viewers
    } catch (error) {
      if (own !== turn || !(error instanceof Refused)) return
      if (error.status === 401) onSignInEnded()
      if (!error.passes) return over('ended')
    }
    if (state.value === 'on') later(() => void tell(), TELL_MS)
  }

  async function end(): Promise<void> {
    over(null)
    // Without a network the gateway ends it by itself.
    await ask('DELETE', '/api/field/live').catch(() => undefined)
  }

  function over(why: LiveFault | null): void {
    turn += 1
    clearTimeout(timer)
    publishing?.close()
    publishing = null
    stop(stream.value)
    stream.value = null
    state.value = 'off'
    fault.value = why
  }

  /** The other camera of the telephone. */
  async function turnAround(): Promise<void> {
    const now = stream.value
    if (now === null) return
    const own = turn
    facing = facing === 'environment' ? 'user' : 'environment'
    // Most telephones open one camera at a time.
    for (const track of now.getVideoTracks()) track.stop()
    const taken = await takePicture(false)
    const track = taken?.getVideoTracks()[0]
    if (own !== turn || track === undefined) return stop(taken)
    stream.value = new MediaStream([track, ...now.getAudioTracks()])
    await publishing?.replace(track)
  }

  function mute(): void {
    isMuted.value = !isMuted.value
    for (const track of stream.value?.getAudioTracks() ?? []) track.enabled = !isMuted.value
  }

  async function takePicture(withSound: boolean): Promise<MediaStream | null> {
    const video = { ...PICTURE, facingMode: facing }
    const wishes: MediaStreamConstraints[] = withSound ? [{ video, audio: true }, { video }] : [{ video }]
    for (const wish of wishes) {
      try {
        return await navigator.mediaDevices.getUserMedia(wish)
      } catch {
        // A picture without sound is better than none.
      }
    }
    return null
  }

  async function keepAwake(): Promise<void> {
    const lock = await navigator.wakeLock?.request('screen').catch(() => null)
    if (!isOpen.value) await lock?.release()
    else awake = lock ?? null
  }

  let awake: WakeLockSentinel | null = null

  /** Telephones take the camera away from a page that nobody sees. */
  async function seen(): Promise<void> {
    if (document.visibilityState !== 'visible' || !isOpen.value) return
    void keepAwake()
    if (stream.value?.getVideoTracks().some((track) => track.readyState === 'live')) return
    const own = turn
    const taken = await takePicture(true)
    if (own !== turn || taken === null) return stop(taken)
    for (const track of taken.getAudioTracks()) track.enabled = !isMuted.value
    stream.value = taken
    await connect()
  }

  function stop(gone: MediaStream | null): void {
    for (const track of gone?.getTracks() ?? []) track.stop()
    if (!isOpen.value || gone === stream.value) {
      void awake?.release().catch(() => undefined)
      awake = null
    }
  }

  function later(work: () => void, ms: number): void {
    clearTimeout(timer)
    timer = setTimeout(work, ms)
  }

  const looked = (): void => void seen()
  document.addEventListener('visibilitychange', looked)
  onBeforeUnmount(() => {
    document.removeEventListener('visibilitychange', looked)
    if (isOpen.value) void end()
  })

  return { state, fault, stream, sinceMs, viewers, isMuted, isOpen, offered, taskId, begin, end, turnAround, mute }
}

function iceServer(one: LiveAnswer['ice_servers'][number]): RTCIceServer {
  const server: RTCIceServer = { urls: one.urls }
  if (one.username !== null) server.username = one.username
  if (one.credential !== null) server.credential = one.credential
  return server
}
