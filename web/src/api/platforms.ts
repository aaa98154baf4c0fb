/** Calls about devices and platforms: what brings channels, and what takes them (docs/http-api.md). */
import { apiPath, get, patch, post, remove } from './client'
import { postLines } from './lines'
import type { Camera, Page, RecordMode } from './types'

export const PLATFORM_KINDS = ['onvif', 'gb28181', 'gat1400'] as const
export type PlatformKind = (typeof PLATFORM_KINDS)[number]
/** `below` gives to us, `above` takes from us. */
export type Direction = 'below' | 'above'
export const PLATFORM_STATES = ['online', 'connecting', 'offline', 'refused', 'disabled'] as const
export type PlatformStateName = (typeof PLATFORM_STATES)[number]

export interface CatalogState {
  state: 'none' | 'fetching' | 'complete' | 'partial' | 'failed'
  expected?: number | null
  received?: number | null
  orphans?: number | null
  duplicates?: number | null
  cycles?: number | null
  at_us?: number | null
}

export interface DeviceFacts {
  manufacturer?: string | null
  model?: string | null
  firmware?: string | null
  serial_number?: string | null
  clock_offset_us?: number | null
  capabilities?: string[]
}

export interface PlatformState {
  state: PlatformStateName
  since_us: number
  fault: string
  detail: string
  host: string | null
  port: number | null
  transport: string | null
  expires_us: number | null
  seen_us: number | null
  facts: DeviceFacts
  catalog: Partial<CatalogState>
}

export type PlatformOptions = Record<string, string | number | boolean | string[] | null | undefined>

export interface PlatformForm {
  kind: PlatformKind
  direction: Direction
  name: string
  area_id: string
  code?: string | null
  host?: string | null
  port?: number | null
  username?: string | null
  /** Absent: stays; null: is forgotten. */
  password?: string | null
  enabled: boolean
  options: PlatformOptions
}

export interface Platform extends Omit<PlatformForm, 'password'> {
  id: string
  has_password: boolean
  area_name: string
  state: PlatformState
  channels: { total: number; on: number; gone: number; taken: number }
}

export type ChannelKind = 'camera' | 'group' | 'area' | 'device' | 'other'

export interface Channel {
  code: string
  parent_code: string | null
  kind: ChannelKind
  name: string
  status: 'on' | 'off' | 'unknown'
  civil_code: string | null
  longitude: number | null
  latitude: number | null
  facts: Record<string, unknown>
  seen_us: number | null
  gone_us: number | null
  camera_id: string | null
  children: number
}

export interface Applicant {
  kind: PlatformKind
  code: string
  host: string
  port: number
  transport: string
  first_us: number
  last_us: number
  attempts: number
  knows_password: boolean
  detail: string
}

export interface PlatformKinds {
  onvif: { enabled: boolean; interfaces: string[]; ranges: string[]; ports: number[] }
  gb28181: { enabled: boolean; code: string; domain: string; address: string; port: number; transports: string[] }
  gat1400: { enabled: boolean; code: string; address: string; port: number }
  /** The first media process' port; each further one has the next. */
  push: { enabled: boolean; address: string; port: number; processes: number }
}

export type ProbedChannel = Pick<Channel, 'code' | 'parent_code' | 'kind' | 'name' | 'status' | 'facts'>

export interface Probed {
  facts: DeviceFacts
  channels: ProbedChannel[]
}

export interface ProbeTarget {
  host: string
  port: number
  service_path?: string
}

export type ProbeLine =
  | ({ type: 'probed'; host: string; port: number } & Probed)
  | { type: 'refused'; host: string; port: number; code: string; message: string }
  | { type: 'stopped'; left: number; message: string }
  | { type: 'error'; code: string; message: string }

export interface DeviceTime {
  device_us: number
  offset_us: number
  zone: string
  source: string
}

export type DiscoveryLine =
  | {
      type: 'found'
      host: string
      port: number
      service_url: string
      name: string
      hardware: string
      manufacturer?: string
      /** The platform that it is already. */
      known: string | null
    }
  | { type: 'progress'; probed: number; total: number }
  | { type: 'end'; found: number }
  | { type: 'error'; code: string; message: string }
export type FoundDevice = Extract<DiscoveryLine, { type: 'found' }>

export interface PlatformQuery {
  direction?: string | undefined
  kind?: string | undefined
  area_id?: string | undefined
  query?: string | undefined
  state?: string | undefined
  limit?: number
  cursor?: string | number | undefined
}

export interface ChannelQuery {
  /** A code, or empty for the top; without it all. */
  parent?: string
  query?: string | undefined
  taken?: boolean | undefined
  gone?: boolean | undefined
  limit?: number
  cursor?: string | number | undefined
}

export interface NewCamera {
  code: string
  name?: string
  area_id?: string
  number?: string
}

/** `parent` may be empty and still be meant: it is the top of the tree. */
function channelsPath(id: string, { parent, ...query }: ChannelQuery): string {
  const parameters = new URLSearchParams()
  if (parent !== undefined) parameters.set('parent', parent)
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') parameters.set(name, String(value))
  return `${apiPath('platforms', id, 'channels')}?${parameters.toString()}`
}

export const platforms = {
  kinds: (): Promise<PlatformKinds> => get('/api/platform-kinds'),
  list: (query: PlatformQuery, signal?: AbortSignal): Promise<Page<Platform>> => get('/api/platforms', { ...query }, signal),
  read: (id: string): Promise<Platform> => get(apiPath('platforms', id)),
  create: (body: PlatformForm): Promise<Platform> => post('/api/platforms', body),
  update: (id: string, body: Partial<PlatformForm>): Promise<Platform> => patch(apiPath('platforms', id), body),
  remove: (id: string, withCameras: boolean): Promise<void> =>
    remove(`${apiPath('platforms', id)}?with_cameras=${String(withCameras)}`),
  channels: (id: string, query: ChannelQuery, signal?: AbortSignal): Promise<Page<Channel>> =>
    get(channelsPath(id, query), undefined, signal),
  makeCameras: (
    id: string,
    body: { area_id: string; record?: RecordMode; channels: NewCamera[] },
  ): Promise<{ cameras: Camera[] }> => post(apiPath('platforms', id, 'cameras'), body),
  refresh: (id: string): Promise<Platform> => post(apiPath('platforms', id, 'refresh')),
  time: (id: string): Promise<DeviceTime> => get(apiPath('platforms', id, 'time')),
  setTime: (id: string): Promise<DeviceTime> => post(apiPath('platforms', id, 'time')),
  reboot: (id: string): Promise<void> => post(apiPath('platforms', id, 'reboot')),
  /** One account for many devices: the gateway tries it at one of them first. */
  probeMany: (
    body: { kind: 'onvif'; targets: ProbeTarget[]; username: string; password: string },
    onLine: (line: ProbeLine) => void,
    signal: AbortSignal,
  ): Promise<void> => postLines('/api/platforms/probe-many', body, onLine, signal),
  discover: (
    body: { interfaces?: string[]; ranges?: string[]; ports?: number[]; rate_per_s?: number },
    onLine: (line: DiscoveryLine) => void,
    signal: AbortSignal,
  ): Promise<void> => postLines('/api/platforms/discovery', body, onLine, signal),
  applicants: (): Promise<Page<Applicant>> => get('/api/platforms/applicants'),
  forgetApplicant: (kind: string, code: string): Promise<void> => remove(apiPath('platforms', 'applicants', kind, code)),
}
