/** Every call of docs/http-api.md that the console makes, typed. */
import { livePurpose } from '@/purpose/scope'

import { apiPath, get, patch, post, put, remove, request } from './client'
import type {
  Area,
  Axis,
  Bookmark,
  Camera,
  CameraEdit,
  CameraTest,
  GrantForm,
  Layout,
  LayoutDocument,
  LiveSession,
  CreatedRestream,
  Page,
  Quality,
  Restream,
  Session,
  SystemState,
  Tour,
  TourDocument,
  User,
  VariantName,
} from './types'

import type { UrlTemplate } from '@/cameras/source_kinds'

export const session = {
  read: (): Promise<Session> => request('GET', '/api/session', { quietly: true }),
  signIn: (name: string, password: string, code?: string): Promise<Session> =>
    request('POST', '/api/session', { body: { name, password, code }, quietly: true }),
  signOut: (): Promise<void> => request('DELETE', '/api/session', { quietly: true }),
  changePassword: (old_password: string, new_password: string): Promise<void> =>
    request('POST', '/api/session/password', { body: { old_password, new_password }, quietly: true }),
}

export const areas = {
  /** Without a parent, the topmost of the axis. */
  children: (parentId?: string, axis?: Axis): Promise<Page<Area>> =>
    get('/api/areas', { parent_id: parentId, axis }),
  create: (body: { parent_id: string | null; axis: Axis; name: string; code?: string | null }): Promise<Area> =>
    post('/api/areas', body),
  update: (id: string, body: Partial<{ name: string; code: string | null; parent_id: string | null }>): Promise<void> =>
    patch(apiPath('areas', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('areas', id)),
}

export interface CameraQuery {
  area_id?: string
  query?: string
  limit?: number
  cursor?: string | number
  /** false: only the area itself, not its subtree. */
  deep?: boolean
}

export const cameras = {
  list: (query: CameraQuery = {}, signal?: AbortSignal): Promise<Page<Camera>> =>
    get('/api/cameras', { ...query }, signal),
  read: (id: string): Promise<Camera> => get(apiPath('cameras', id)),
  create: (body: CameraEdit): Promise<Camera> => post('/api/cameras', body),
  update: (id: string, body: Partial<CameraEdit>): Promise<Camera> => patch(apiPath('cameras', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('cameras', id)),
  acceptClock: (id: string): Promise<void> => post(apiPath('cameras', id, 'clock', 'accept'), {}),
  test: (body: { main_url: string; username?: string; password?: string }): Promise<CameraTest> =>
    post('/api/cameras/test', body),
  snapshotUrl: (id: string, width?: number): string =>
    `${apiPath('cameras', id)}/snapshot.jpg${width === undefined ? '' : `?width=${width}`}`,
}

/** Addresses of common makes. */
export const urlTemplates = (): Promise<Page<UrlTemplate>> => get('/api/url-templates')

export interface ClientAbilities {
  webrtc: boolean
  webrtc_h265: boolean
  mse_h265: boolean
}

export const live = {
  open: (
    body: { camera_id: string; quality: Quality; height_px?: number; client: ClientAbilities },
    signal?: AbortSignal,
  ): Promise<LiveSession> =>
    livePurpose.open((purpose) => post('/api/live', { ...body, purpose }, signal)),
}

export const restreams = {
  /** `enabled` is the gateway's setting. */
  list: (): Promise<{ enabled: boolean; items: Restream[] }> => get('/api/restreams'),
  create: (body: {
    camera_id: string
    quality: VariantName
    expires_in_s: number
    addresses: string[]
  }): Promise<CreatedRestream> => post('/api/restreams', body),
  remove: (id: string): Promise<void> => remove(apiPath('restreams', id)),
}

export const footage = {
  days: (query: {
    camera_id: string
    from: string
    to: string
    utc_offset_minutes: number
  }): Promise<{ days: { day: string; recorded_us: number }[] }> => get('/api/timeline/days', query),
}

export const bookmarks = {
  list: (query: { camera_id: string; start_us?: number; end_us?: number }): Promise<Page<Bookmark>> =>
    get('/api/bookmarks', query),
  create: (body: { camera_id: string; at_us: number; end_us?: number | null; note: string }): Promise<Bookmark> =>
    post('/api/bookmarks', body),
  update: (id: string, body: Partial<{ at_us: number; end_us: number | null; note: string }>): Promise<Bookmark> =>
    patch(apiPath('bookmarks', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('bookmarks', id)),
}

export const layouts = {
  list: (): Promise<Page<Layout>> => get('/api/layouts'),
  create: (body: { name: string; shared: boolean; document: LayoutDocument }): Promise<Layout> =>
    post('/api/layouts', body),
  update: (id: string, body: { name: string; shared: boolean; document: LayoutDocument }): Promise<Layout> =>
    put(apiPath('layouts', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('layouts', id)),
}

export const tours = {
  list: (): Promise<Page<Tour>> => get('/api/tours'),
  create: (body: { name: string; shared: boolean; document: TourDocument }): Promise<Tour> =>
    post('/api/tours', body),
  update: (id: string, body: { name: string; shared: boolean; document: TourDocument }): Promise<Tour> =>
    put(apiPath('tours', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('tours', id)),
}

export const walls = {
  read: (screen: string): Promise<{ document: unknown }> => get(apiPath('wall', screen)),
  write: (screen: string, document: unknown): Promise<void> => put(apiPath('wall', screen), { document }),
}

export const system = {
  read: (): Promise<SystemState> => get('/api/system'),
}

export interface UserEdit {
  name: string
  display_name: string
  enabled: boolean
  area_id: string | null
  password?: string
  reset_password?: boolean
  grants?: GrantForm[]
}

export const users = {
  list: (
    query: { query?: string; area_id?: string; limit?: number; cursor?: string | number } = {},
    signal?: AbortSignal,
  ): Promise<Page<User>> => get('/api/users', query, signal),
  create: (body: UserEdit): Promise<User & { one_time_password?: string }> => post('/api/users', body),
  update: (id: string, body: Partial<UserEdit>): Promise<User & { one_time_password?: string }> =>
    patch(apiPath('users', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('users', id)),
}
