/** Platforms in words: what they are, how they stand, what is wrong and what to do. */
import type { Channel, Direction, PlatformKind, PlatformState } from '@/api/platforms'
import { hasWords, translate } from '@/locales'

export const kindText = (kind: PlatformKind): string => translate(`platforms.kinds.${kind}`)

export const directionText = (direction: Direction): string => translate(`platforms.directions.${direction}`)

const worded = (key: string, fallback: string): string => (hasWords(key) ? translate(key) : fallback)

/** What is wrong; empty while nothing is. The gateway's own line where a code has no words. */
export function faultText({ fault, detail }: Pick<PlatformState, 'fault' | 'detail'>): string {
  return fault === '' ? detail : worded(`platforms.faults.${fault}`, worded(`live.fault.${fault}`, detail || fault))
}

export const capabilityText = (capability: string): string => worded(`platforms.capabilities.${capability}`, capability)

export const channelKindText = (kind: Channel['kind']): string => translate(`platforms.channelKinds.${kind}`)

/** "10.1.2.3:5060 (UDP)": from where it speaks, or where we look for it. */
export function addressText(host: string | null | undefined, port: number | null | undefined, transport?: string | null): string {
  if (!host) return ''
  const at = port ? `${host.includes(':') ? `[${host}]` : host}:${port}` : host
  return transport ? `${at} (${transport.toUpperCase()})` : at
}
