/** Steering cameras: who holds one, commands, presets, patrols (docs/http-api.md). */
import { apiPath, get, patch, post, put, remove, request } from './client'
import type { Page } from './types'

export type PtzAction = 'move' | 'stop' | 'absolute' | 'relative' | 'goto_preset' | 'home' | 'focus' | 'iris' | 'auxiliary'

export interface PtzCommand {
  action: PtzAction
  pan?: number
  tilt?: number
  zoom?: number
  speed?: number
  preset?: string
  number?: number
  on?: boolean
}

export interface PtzHolder {
  kind: 'person' | 'platform' | 'patrol'
  id: string
  name: string
  display_name: string
  priority: number
  since_us: number
  until_us: number
}

export interface Ptz {
  camera_id: string
  supported: boolean
  holder: PtzHolder | null
  /** The caller is the holder. */
  own: boolean
  /** A command of the caller would be carried out now. */
  may_steer: boolean
  moving: boolean
  patrol: { id: string; name: string; state: 'running' | 'waiting'; step: number; preset: string } | null
  home: { preset: string; after_s: number } | null
  priority: number
  /** A movement that is not renewed within this time is stopped. */
  move_timeout_ms: number
  idle_s: number
}

export interface Preset {
  token: string
  name: string
}

export interface PatrolForm {
  name: string
  steps: { preset: string; dwell_s: number; speed: number }[]
  schedule: { days: number[]; start: string; end: string }[]
  utc_offset_minutes: number
}

export interface Patrol extends PatrolForm {
  id: string
  camera_id: string
  state: 'idle' | 'running' | 'waiting'
  started_by: string | null
  step: number
}

const ptzPath = (cameraId: string, ...more: string[]): string => apiPath('cameras', cameraId, 'ptz', ...more)

export const ptz = {
  read: (cameraId: string): Promise<Ptz> => get(ptzPath(cameraId)),
  command: (cameraId: string, command: PtzCommand): Promise<Ptz> => post(ptzPath(cameraId), command),
  take: (cameraId: string, for_s?: number): Promise<Ptz> => post(ptzPath(cameraId, 'take'), for_s === undefined ? {} : { for_s }),
  release: (cameraId: string): Promise<Ptz> => request('DELETE', ptzPath(cameraId)),
  setHome: (cameraId: string, home: { preset: string | null; after_s: number }): Promise<Ptz> => put(ptzPath(cameraId, 'home'), home),
  /** While the page goes: nobody waits for the answer. */
  stopAndGo: (cameraId: string): void => {
    void fetch(ptzPath(cameraId), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Gridsight': '1' },
      body: JSON.stringify({ action: 'stop' }),
      credentials: 'same-origin',
      keepalive: true,
    }).catch(() => undefined)
  },
}

export const presets = {
  list: (cameraId: string): Promise<Page<Preset>> => get(apiPath('cameras', cameraId, 'presets')),
  create: (cameraId: string, name: string): Promise<Preset> => post(apiPath('cameras', cameraId, 'presets'), { name }),
  /** Remembers where it looks now in place of what was there. */
  setHere: (cameraId: string, { token, name }: Preset): Promise<Preset> => put(apiPath('cameras', cameraId, 'presets', token), { name }),
  rename: (cameraId: string, token: string, name: string): Promise<Preset> => patch(apiPath('cameras', cameraId, 'presets', token), { name }),
  remove: (cameraId: string, token: string): Promise<void> => remove(apiPath('cameras', cameraId, 'presets', token)),
}

export const patrols = {
  list: (cameraId: string): Promise<Page<Patrol>> => get(apiPath('cameras', cameraId, 'patrols')),
  create: (cameraId: string, body: PatrolForm): Promise<Patrol> => post(apiPath('cameras', cameraId, 'patrols'), body),
  update: (id: string, body: PatrolForm): Promise<Patrol> => put(apiPath('patrols', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('patrols', id)),
  start: (id: string): Promise<Patrol> => post(apiPath('patrols', id, 'start')),
  stop: (id: string): Promise<Patrol> => post(apiPath('patrols', id, 'stop')),
}
