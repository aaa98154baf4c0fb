/** Calls about accounts, sign-in, areas, sheets, desks and tokens, typed (docs/http-api.md). */
import { apiPath, get, patch, post, put, remove, request } from './client'
import type { Area, Axis, Camera, Grant, GrantForm, Page, Person, Right, Session } from './types'

// ---- areas -------------------------------------------------------------------------------------

export const AXES: readonly Axis[] = ['area', 'department', 'police', 'platform']

export interface FoundArea extends Area {
  /** From the topmost that the caller sees down to the area itself. */
  names: string[]
  ids: string[]
}

export const areaSearch = (query: string, axis?: Axis, limit = 20, signal?: AbortSignal): Promise<Page<FoundArea>> =>
  get('/api/areas/search', { query, axis, limit }, signal)

// ---- bulk edits and devices --------------------------------------------------------------------

export interface BulkBody {
  select: { camera_ids?: string[]; area_id?: string; query?: string }
  change: Record<string, unknown>
  token?: string
}

export interface FieldChange {
  field: string
  before: unknown
  after: unknown
}

export interface BulkPreview {
  count: number
  changed: number
  items: { camera_id: string; name: string; changes: FieldChange[] }[]
  token: string
}

export interface DevicePeriod {
  from_us: number | null
  until_us: number | null
  main_url: string
  sub_url: string | null
  model: string | null
  serial_number: string | null
  note: string | null
  replaced_by: string | null
}

export interface ReplaceBody {
  main_url: string
  sub_url?: string | null
  username?: string
  password?: string
  transport?: string
  model?: string
  serial_number?: string
  note?: string
}

export const devices = {
  list: (cameraId: string): Promise<Page<DevicePeriod>> => get(apiPath('cameras', cameraId, 'devices')),
  replace: (cameraId: string, body: ReplaceBody): Promise<Camera> => post(apiPath('cameras', cameraId, 'replace'), body),
  bulkPreview: (body: BulkBody): Promise<BulkPreview> => post('/api/cameras/bulk', body),
  bulkApply: (body: BulkBody): Promise<{ count: number; changed: number }> => post('/api/cameras/bulk', body),
}

// ---- sheets ------------------------------------------------------------------------------------

export const SHEET_KINDS = ['areas', 'cameras', 'users'] as const
export type SheetKind = (typeof SHEET_KINDS)[number]

export interface SheetFault {
  line: number
  column: string | null
  field: string | null
  code: string
  reason: string
  detail: Record<string, unknown>
}

export interface SheetImport {
  id: string
  kind: SheetKind
  name: string
  state: 'checking' | 'checked' | 'applying' | 'applied' | 'failed'
  done: number
  total: number
  create: number
  change: number
  unchanged: number
  faults: SheetFault[]
  fault_count: number
  warnings: SheetFault[]
  warning_count: number
  items: { line: number; key: string; name: string; action: 'create' | 'change'; changes: FieldChange[] }[]
  has_passwords: boolean
  error: { code: string; message: string } | null
}

export const sheets = {
  url: (kind: SheetKind, format: 'csv' | 'xlsx', query: Record<string, string> = {}): string => {
    const text = new URLSearchParams(query).toString()
    return `/api/sheets/${kind}.${format}${text === '' ? '' : `?${text}`}`
  },
  check: (kind: SheetKind, file: File): Promise<SheetImport> =>
    request('POST', apiPath('sheets', kind, 'imports'), { query: { name: file.name }, raw: file }),
  read: (id: string): Promise<SheetImport> => get(apiPath('imports', id)),
  apply: (id: string): Promise<SheetImport> => post(apiPath('imports', id, 'apply')),
  forget: (id: string): Promise<void> => remove(apiPath('imports', id)),
  passwordsUrl: (id: string): string => `${apiPath('imports', id)}/passwords.csv`,
}

// ---- grants ------------------------------------------------------------------------------------

export interface SeenCamera {
  camera: { id: string; name: string; area_path: string[] }
  rights: Right[]
  grant_ids: string[]
}

export interface Onlooker {
  user: Person
  rights: Right[]
  ptz_priority: number | null
  grants: Grant[]
}

export interface PageQuery {
  query?: string
  right?: string
  limit?: number
  cursor?: string | number
}

export const grants = {
  list: (
    query: { user_id?: string; area_id?: string; limit?: number; cursor?: string | number },
    signal?: AbortSignal,
  ): Promise<Page<Grant>> => get('/api/grants', query, signal),
  create: (body: GrantForm & { user_id: string }): Promise<Grant> => post('/api/grants', body),
  remove: (id: string): Promise<void> => remove(apiPath('grants', id)),
  /** What this person can see. */
  seenBy: (userId: string, query: PageQuery, signal?: AbortSignal): Promise<Page<SeenCamera> & { user: Person; grants: Grant[]; elsewhere: number }> =>
    get(apiPath('users', userId, 'cameras'), { ...query }, signal),
  /** Who can see this camera. */
  onlookers: (cameraId: string, query: PageQuery, signal?: AbortSignal): Promise<Page<Onlooker>> =>
    get(apiPath('cameras', cameraId, 'people'), { ...query }, signal),
}

// ---- signing in --------------------------------------------------------------------------------

export interface Desk {
  id: string
  name: string
  area_id: string
  registered_us: number
  seen_us: number | null
  people: { user_id: string; name: string; display_name: string }[]
}

export interface SignInOffer {
  oidc: { name: string } | null
  desk: Desk | null
}

export const signIn = {
  offer: (): Promise<SignInOffer> => request('GET', '/api/sign-in', { quietly: true }),
  oidc: (body: { return_to?: string; link?: boolean }): Promise<{ url: string }> =>
    request('POST', '/api/sign-in/oidc', { body, quietly: true }),
  /** By PIN at a desk; `kept` and `ended` are live sessions of who sat there before. */
  switchDesk: (body: { user_id: string; pin: string; purpose?: unknown }): Promise<Session & { kept: string[]; ended: string[] }> =>
    request('POST', '/api/desk/switch', { body, quietly: true }),
}

// ---- the own account ---------------------------------------------------------------------------

export interface TotpState {
  enrolled: boolean
  since_us: number | null
  recovery_codes_left: number
  required: boolean
}

export interface Identity {
  id: string
  issuer: string
  name: string
  linked_us: number
}

export interface Account {
  totp: TotpState
  pin: { set: boolean; changed_us: number | null }
  identities: Identity[]
  password_changed_us: number | null
}

export interface SignInRecord {
  id: string
  user_id: string
  created_us: number
  used_us: number
  expires_us: number
  address: string | null
  user_agent: string | null
  method: string
  desk: { id: string; name: string } | null
  current: boolean
  views: number
}

export const account = {
  read: (): Promise<Account> => get('/api/account'),
  beginTotp: (password: string): Promise<{ secret: string; url: string; qr_svg: string }> =>
    post('/api/account/totp', { password }),
  confirmTotp: (code: string): Promise<{ recovery_codes: string[] }> => post('/api/account/totp/confirm', { code }),
  removeTotp: (password: string, code: string): Promise<void> => post('/api/account/totp/remove', { password, code }),
  renewRecoveryCodes: (password: string, code: string): Promise<{ recovery_codes: string[] }> =>
    post('/api/account/recovery-codes', { password, code }),
  setPin: (password: string, pin: string): Promise<void> => put('/api/account/pin', { password, pin }),
  removePin: (): Promise<void> => remove('/api/account/pin'),
  removeIdentity: (id: string): Promise<void> => remove(apiPath('account', 'identities', id)),
}

export const signIns = {
  list: (userId?: string): Promise<Page<SignInRecord>> => get('/api/sessions', { user_id: userId }),
  end: (id: string): Promise<void> => remove(apiPath('sessions', id)),
  endAll: (userId?: string): Promise<void> => post('/api/sessions/close', userId === undefined ? {} : { user_id: userId }),
}

// ---- accounts of others ------------------------------------------------------------------------

export interface Security {
  totp: TotpState
  pin: { set: boolean; changed_us: number | null }
  identities: Identity[]
  password_changed_us: number | null
  locked_until_us: number | null
  sessions: number
  tokens: number
}

export const security = {
  read: (userId: string): Promise<Security> => get(apiPath('users', userId, 'security')),
  unlock: (userId: string): Promise<void> => post(apiPath('users', userId, 'unlock')),
  resetTotp: (userId: string): Promise<void> => post(apiPath('users', userId, 'totp', 'reset')),
}

// ---- service tokens ----------------------------------------------------------------------------

export interface ServiceToken {
  id: string
  user_id: string
  user_name: string
  name: string
  scopes: Right[]
  addresses: string[]
  created_us: number
  created_by: string
  expires_us: number
  used_us: number | null
  used_address: string | null
}

export interface TokenBody {
  user_id: string
  name: string
  scopes: Right[]
  expires_in_days: number
  addresses: string[]
}

export const tokens = {
  list: (): Promise<Page<ServiceToken>> => get('/api/tokens'),
  create: (body: TokenBody): Promise<ServiceToken & { token: string }> => post('/api/tokens', body),
  remove: (id: string): Promise<void> => remove(apiPath('tokens', id)),
}

// ---- desks and shifts --------------------------------------------------------------------------

export interface OpenItem {
  id: string
  text: string
  camera_id: string | null
  at_us: number | null
  opened_us: number
  opened_by: Person | string | null
  closed_us: number | null
  closed_by: Person | string | null
  resolution: string | null
}

export interface Handover {
  id: string
  desk_id: string
  shift_start_us: number
  given_us: number
  given_by: Person
  taken_us: number | null
  taken_by: Person | null
  to_user?: Person | null
  to_user_id?: string
  summary: string
  remark: string | null
  items: OpenItem[]
  document_sha256: string
  state: 'given' | 'taken' | 'withdrawn'
}

export interface Signature {
  password?: string
  pin?: string
}

export const desks = {
  list: (): Promise<Page<Desk>> => get('/api/desks'),
  create: (body: { name: string; area_id: string }): Promise<Desk> => post('/api/desks', body),
  update: (id: string, body: Partial<{ name: string; area_id: string }>): Promise<Desk> => patch(apiPath('desks', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('desks', id)),
  forgetPerson: (id: string, userId: string): Promise<void> => remove(apiPath('desks', id, 'people', userId)),
  items: (id: string, open?: boolean): Promise<Page<OpenItem>> => get(apiPath('desks', id, 'items'), { open }),
  addItem: (id: string, body: { text: string; camera_id?: string; at_us?: number }): Promise<OpenItem> =>
    post(apiPath('desks', id, 'items'), body),
  closeItem: (id: string, itemId: string, resolution: string): Promise<void> =>
    post(apiPath('desks', id, 'items', itemId, 'close'), { resolution }),
  handovers: (id: string, cursor?: string | number): Promise<Page<Handover>> =>
    get(apiPath('desks', id, 'handovers'), { cursor }),
  give: (id: string, body: { to_user_id: string; summary: string } & Signature): Promise<Handover> =>
    post(apiPath('desks', id, 'handovers'), body),
  take: (handoverId: string, body: { remark?: string } & Signature): Promise<Handover> =>
    post(apiPath('handovers', handoverId, 'take'), body),
  withdraw: (handoverId: string): Promise<void> => post(apiPath('handovers', handoverId, 'withdraw')),
}
