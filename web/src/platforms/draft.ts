/** The form of a platform: which fields each kind has, what is wrong with them, what is sent. */
import type { Direction, Platform, PlatformForm, PlatformKind, PlatformOptions } from '@/api/platforms'

export interface OptionField {
  name: string
  /** `default`: on, off, or as the gateway's settings say (null). */
  input: 'switch' | 'text' | 'number' | 'select' | 'many' | 'default'
  fallback: string | number | boolean | string[] | null
  choices?: readonly string[]
  least?: number
  most?: number
  /** Gives something of ours away: off unless somebody says so. */
  gives?: boolean
  /** Shown only where this other option is on. */
  where?: string
}

const OPTIONS: Readonly<Record<`${PlatformKind} ${Direction}`, readonly OptionField[]>> = {
  'onvif below': [
    { name: 'time_sync', input: 'default', fallback: null },
    { name: 'events', input: 'default', fallback: null },
    { name: 'service_path', input: 'text', fallback: '' },
  ],
  'onvif above': [],
  'gb28181 below': [
    { name: 'media_transport', input: 'select', fallback: 'tcp_passive', choices: ['tcp_passive', 'tcp_active', 'udp'] },
    { name: 'sub_streams', input: 'switch', fallback: false },
    { name: 'accept_any_ssrc', input: 'switch', fallback: false },
    { name: 'subscribe_catalog', input: 'switch', fallback: true },
    { name: 'subscribe_alarm', input: 'switch', fallback: true },
    { name: 'subscribe_position', input: 'switch', fallback: false },
    { name: 'position_interval_s', input: 'number', fallback: 30, least: 1, most: 3600, where: 'subscribe_position' },
    { name: 'coordinates', input: 'select', fallback: 'wgs84', choices: ['wgs84', 'cgcs2000', 'gcj02'] },
  ],
  'gb28181 above': [
    { name: 'transport', input: 'select', fallback: 'udp', choices: ['udp', 'tcp'] },
    { name: 'domain', input: 'text', fallback: '' },
    { name: 'local_code', input: 'text', fallback: '' },
    { name: 'expires_s', input: 'number', fallback: 86_400, least: 3600, most: 604_800 },
    { name: 'keepalive_s', input: 'number', fallback: 60, least: 5, most: 3600 },
    { name: 'may_playback', input: 'switch', fallback: false, gives: true },
    { name: 'may_download', input: 'switch', fallback: false, gives: true },
    { name: 'may_steer', input: 'switch', fallback: false, gives: true },
    { name: 'ptz_priority', input: 'number', fallback: 10, least: 1, most: 100, where: 'may_steer' },
    { name: 'may_lift_masks', input: 'switch', fallback: false, gives: true },
  ],
  'gat1400 below': [
    { name: 'subscribe', input: 'many', fallback: [], choices: ['motor_vehicles', 'non_motor_vehicles', 'persons'] },
  ],
  'gat1400 above': [
    { name: 'local_code', input: 'text', fallback: '' },
    { name: 'trust_address', input: 'switch', fallback: false, gives: true },
  ],
}

export const optionFields = (kind: PlatformKind, direction: Direction): readonly OptionField[] => OPTIONS[`${kind} ${direction}`]

/** What we connect to has an address; what comes to us has none. */
export const weConnect = (kind: PlatformKind, direction: Direction): boolean => kind === 'onvif' || direction === 'above'
export const hasCode = (kind: PlatformKind): boolean => kind !== 'onvif'

const DEFAULT_PORTS: Readonly<Record<PlatformKind, number>> = { onvif: 80, gb28181: 5060, gat1400: 80 }

export interface Draft {
  kind: PlatformKind
  direction: Direction
  name: string
  area_id: string
  code: string
  host: string
  port: number | undefined
  username: string
  password: string
  forgetPassword: boolean
  enabled: boolean
  options: PlatformOptions
}

/** What is known before somebody types: from a device found, or from one that knocked. */
export type Prefill = Partial<Pick<Draft, 'kind' | 'direction' | 'name' | 'code' | 'host' | 'port' | 'area_id'>>

const optionsOf = (kind: PlatformKind, direction: Direction, known: PlatformOptions): PlatformOptions => ({
  ...Object.fromEntries(optionFields(kind, direction).map(({ name, fallback }) => [name, fallback])),
  ...known,
})

export function emptyDraft(prefill: Prefill = {}): Draft {
  const kind = prefill.kind ?? 'onvif'
  const direction = prefill.direction ?? 'below'
  return {
    kind,
    direction,
    name: prefill.name ?? '',
    area_id: prefill.area_id ?? '',
    code: prefill.code ?? '',
    host: prefill.host ?? '',
    port: prefill.port ?? (weConnect(kind, direction) ? DEFAULT_PORTS[kind] : undefined),
    username: '',
    password: '',
    forgetPassword: false,
    enabled: true,
    options: optionsOf(kind, direction, {}),
  }
}

export const draftOf = (platform: Platform): Draft => ({
  ...emptyDraft({ kind: platform.kind, direction: platform.direction }),
  name: platform.name,
  area_id: platform.area_id,
  code: platform.code ?? '',
  host: platform.host ?? '',
  port: platform.port ?? undefined,
  username: platform.username ?? '',
  enabled: platform.enabled,
  options: optionsOf(platform.kind, platform.direction, platform.options),
})

/** Another kind or direction: what was typed and still means something stays. */
export function turned(draft: Draft, change: { kind?: PlatformKind; direction?: Direction }): Draft {
  const kind = change.kind ?? draft.kind
  const direction = kind === 'onvif' ? 'below' : (change.direction ?? draft.direction)
  const fresh = emptyDraft({ kind, direction, name: draft.name, area_id: draft.area_id, code: draft.code, host: draft.host })
  return { ...fresh, username: draft.username, password: draft.password, enabled: draft.enabled }
}

const said = (value: PlatformOptions[string]): boolean => value !== '' && value !== undefined && value !== null

const CODE_OF_20 = /^\d{20}$/

/** Field → key below `platforms.problems`. */
export function problemsOf(draft: Draft): Record<string, string> {
  const found: Record<string, string> = {}
  if (draft.name.trim() === '') found['name'] = 'name'
  if (draft.area_id === '') found['area_id'] = 'area'
  if (weConnect(draft.kind, draft.direction)) {
    if (draft.host.trim() === '') found['host'] = 'host'
    else if (/[/\s@?#]/.test(draft.host.trim())) found['host'] = 'hostOnly'
    if (draft.port === undefined && draft.kind !== 'onvif') found['port'] = 'port'
  }
  if (hasCode(draft.kind)) {
    const code = draft.code.trim()
    if (code === '') found['code'] = 'code'
    else if (!CODE_OF_20.test(code)) found['code'] = 'code20'
  }
  for (const { name, input, choices } of optionFields(draft.kind, draft.direction)) {
    const value = draft.options[name]
    if (name === 'local_code' && said(value) && !CODE_OF_20.test(String(value))) found[`options.${name}`] = 'code20'
    if (input === 'select' && !choices?.includes(String(value))) found[`options.${name}`] = 'choose'
  }
  return found
}

/** `isNew`: an empty password is none; else it means that the one that is there stays. */
export function formOf(draft: Draft, isNew: boolean): PlatformForm {
  const { kind, direction } = draft
  const connects = weConnect(kind, direction)
  const username = draft.username.trim()
  return {
    kind,
    direction,
    name: draft.name.trim(),
    area_id: draft.area_id,
    ...(hasCode(kind) ? { code: draft.code.trim() } : {}),
    ...(connects ? { host: draft.host.trim(), port: draft.port ?? null } : {}),
    username: username === '' ? null : username,
    ...(draft.password !== '' ? { password: draft.password } : !isNew && draft.forgetPassword ? { password: null } : {}),
    enabled: draft.enabled,
    // What an empty field means is left to the gateway.
    options: Object.fromEntries(Object.entries(draft.options).map(([name, value]) => [name, said(value) ? value : null])),
  }
}
