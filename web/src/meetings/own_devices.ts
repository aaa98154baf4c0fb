/** What this page sends: camera, microphone and screen, each off until somebody here turns it on. */
import { onBeforeUnmount, reactive, shallowRef } from 'vue'

import type { Device } from './api'
import { deviceCause, hasDevices, Meter, openCamera, openMicrophone, openScreen, rememberedChoice, rememberChoice, type Choice } from './devices'
import type { SendKind } from './wire'

export interface OwnDevices {
  on: Device
  /** Being opened. */
  busy: Device
  choice: Choice
  /** The own picture, for the preview. */
  preview: Readonly<{ value: MediaStream | null }>
  /** @throws nothing: why it cannot be is given, as a key of `meetings.causes`; '' where it is done. */
  turn(kind: SendKind, on: boolean): Promise<string>
  /** 0…1, of the microphone that is on. */
  level(): number
  /** Takes another camera or microphone at once, if it is on. */
  choose(choice: Choice): Promise<string>
  allOff(): void
}

/** `put` is given what is sent from now on; `lost` a device that ended by itself: pulled out, or stopped by the browser. */
export function useOwnDevices(put: (kind: SendKind, track: MediaStreamTrack | null) => void, changed: () => void, lost: (kind: SendKind) => void): OwnDevices {
  const on = reactive<Device>({ microphone: false, camera: false, screen: false })
  const busy = reactive<Device>({ microphone: false, camera: false, screen: false })
  const choice = reactive<Choice>(rememberedChoice())
  const preview = shallowRef<MediaStream | null>(null)
  const tracks: Partial<Record<SendKind, MediaStreamTrack>> = {}
  let meter: Meter | null = null
  /** Counts what was asked for, by kind: an answer that comes too late is closed again. */
  const asked: Record<SendKind, number> = { microphone: 0, camera: 0, screen: 0 }

  function close(kind: SendKind): void {
    asked[kind] += 1
    const track = tracks[kind]
    delete tracks[kind]
    if (kind === 'microphone') {
      meter?.close()
      meter = null
    }
    if (kind === 'camera') preview.value = null
    if (track !== undefined) {
      track.onended = null
      put(kind, null)
      // Stopped, not only silent: the light of the device goes out.
      track.stop()
    }
    busy[kind] = false
    on[kind] = false
  }

  async function open(kind: SendKind): Promise<string> {
    if (!hasDevices()) return window.isSecureContext ? `${kind}_missing` : 'needs_https'
    const own = ++asked[kind]
    busy[kind] = true
    try {
      const track = await (kind === 'camera' ? openCamera(choice.camera) : kind === 'microphone' ? openMicrophone(choice.microphone) : openScreen())
      if (own !== asked[kind]) {
        track.stop()
        return ''
      }
      tracks[kind]?.stop()
      tracks[kind] = track
      track.onended = () => {
        close(kind)
        changed()
        lost(kind)
      }
      if (kind === 'microphone') {
        meter?.close()
        meter = new Meter(track)
      }
      if (kind === 'camera') preview.value = new MediaStream([track])
      put(kind, track)
      on[kind] = true
      changed()
      return ''
    } catch (error) {
      // Who closes the choice of a screen has changed their mind; that is no fault.
      if (kind === 'screen' && error instanceof Error && error.name === 'NotAllowedError') return ''
      return own === asked[kind] ? deviceCause(error, kind) : ''
    } finally {
      if (own === asked[kind]) busy[kind] = false
    }
  }

  async function turn(kind: SendKind, wanted: boolean): Promise<string> {
    if (wanted) return on[kind] || busy[kind] ? '' : await open(kind)
    close(kind)
    changed()
    return ''
  }

  async function choose(chosen: Choice): Promise<string> {
    const before = { ...choice }
    Object.assign(choice, chosen)
    rememberChoice(chosen)
    let cause = ''
    for (const kind of ['camera', 'microphone'] as const) {
      if (on[kind] && before[kind] !== chosen[kind]) cause = (await open(kind)) || cause
    }
    return cause
  }

  function allOff(): void {
    for (const kind of ['microphone', 'camera', 'screen'] as const) close(kind)
  }

  onBeforeUnmount(allOff)
  return { on, busy, choice, preview, turn, level: () => meter?.level() ?? 0, choose, allOff }
}
