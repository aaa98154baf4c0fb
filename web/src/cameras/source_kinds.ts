/** Where a camera's pictures come from: its address says it (docs/http-api.md), people choose it by name. */

export const SOURCE_KINDS = ['make', 'rtsp', 'http', 'rtmp', 'push', 'file'] as const
/** `make`: RTSP by the address of a common make; `platform`: brought by a platform, and kept there. */
export type SourceKind = (typeof SOURCE_KINDS)[number] | 'platform'

export interface UrlTemplate {
  key: string
  name: string
  aliases: string[]
  main: string
  sub: string
  nvr_main: string
  nvr_sub: string
}

export const EXAMPLES: Readonly<Record<SourceKind, string>> = {
  make: '',
  rtsp: 'rtsp://10.1.2.3:554/Streaming/Channels/101',
  http: 'http://10.1.2.3:8080/live/1.flv',
  rtmp: 'rtmp://10.1.2.3/live/1',
  push: 'push://gate-1',
  file: 'file:///srv/footage/gate.mp4',
  platform: '',
}

/** A stored address never says of which make it was made. */
export function kindOf(url: string): SourceKind {
  const scheme = /^([a-z0-9]+):\/\//i.exec(url)?.[1]?.toLowerCase() ?? ''
  if (scheme === 'gb28181') return 'platform'
  if (scheme === 'rtsps' || scheme === '') return 'rtsp'
  if (scheme === 'https') return 'http'
  return (SOURCE_KINDS as readonly string[]).includes(scheme) ? (scheme as SourceKind) : 'rtsp'
}

const SHAPES: Readonly<Record<SourceKind, RegExp>> = {
  make: /^rtsps?:\/\/.+/i,
  rtsp: /^rtsps?:\/\/.+/i,
  http: /^https?:\/\/.+/i,
  rtmp: /^rtmp:\/\/.+/i,
  push: /^push:\/\/[A-Za-z0-9_.-]{1,64}$/i,
  file: /^file:\/\/\/.+/i,
  platform: /^gb28181:\/\/.+/i,
}

export const fits = (kind: SourceKind, url: string): boolean => SHAPES[kind].test(url)

/** Which fields mean something. */
export const hasAccount = (kind: SourceKind): boolean => kind !== 'file' && kind !== 'platform' && kind !== 'push'
export const hasSub = (kind: SourceKind): boolean => kind !== 'push' && kind !== 'file'
export const hasTransport = (kind: SourceKind): boolean => kind === 'rtsp' || kind === 'make'

const HOST = /^(\[[0-9A-Fa-f:.]+\](:\d{1,5})?|[A-Za-z0-9._-]+(:\d{1,5})?)$/

export const isHost = (text: string): boolean => HOST.test(text)

const filled = (path: string, channel: number): string =>
  path.replace(/\{c(?::0?(\d+))?\}/g, (_all, width: string | undefined) => String(channel).padStart(Number(width ?? 0), '0'))

/** The addresses of a camera, or of a recorder's channel. */
export function addressesOf(template: UrlTemplate, host: string, channel: number, recorder: boolean): { main_url: string; sub_url: string } {
  const [main, sub] = recorder ? [template.nvr_main, template.nvr_sub] : [template.main, template.sub]
  return { main_url: `rtsp://${host}${filled(main, channel)}`, sub_url: `rtsp://${host}${filled(sub, channel)}` }
}

/** What is typed into an encoder that pushes. */
export function pushAddresses(name: string, key: string, host: string, port: number): { server: string; stream: string } {
  return { server: `rtmp://${host}${port === 1935 ? '' : `:${port}`}/push`, stream: `${name}?key=${encodeURIComponent(key)}` }
}

const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789'

/** A key that nobody guesses and that can be typed into an encoder by hand. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(20))
  return Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length] ?? 'a').join('')
}
