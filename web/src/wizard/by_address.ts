/** Cameras that are known by address alone: one a line, as it comes out of a sheet. */
import { addressesOf, isHost, type UrlTemplate } from '@/cameras/source_kinds'

export const CHANNELS_LIMIT = 256

export interface AddressRow {
  key: string
  host: string
  /** Of a recorder. */
  channel: number | null
  name: string
  test: 'untried' | 'waiting' | 'testing' | 'ok' | 'refused' | 'failed'
  picture: { codec: string; width: number; height: number } | null
  problem: string
  camera_id: string | null
}

/** `3`, `1-8`, `1-4;7`; null for anything else. */
export function readChannels(text: string): number[] | null {
  const channels = new Set<number>()
  for (const part of text.split(/[;；]/)) {
    const match = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part.trim())
    const first = Number(match?.[1])
    const last = Number(match?.[2] ?? match?.[1])
    if (match === null || first < 1 || last > CHANNELS_LIMIT || first > last) return null
    for (let channel = first; channel <= last; channel += 1) channels.add(channel)
  }
  return [...channels]
}

/** "10.1.2.3, East gate" or "10.1.2.9, Recorder, 1-8": each camera a row, each once; and the lines that say nothing. */
export function readLines(text: string): { rows: AddressRow[]; wrong: string[] } {
  const rows = new Map<string, AddressRow>()
  const wrong: string[] = []
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue
    const [host = '', name = '', channelText = ''] = line.split(/[\t,，]|\s{2,}/).map((cell) => cell.trim())
    const channels = channelText === '' ? [null] : readChannels(channelText)
    if (!isHost(host) || channels === null) {
      wrong.push(line)
      continue
    }
    for (const channel of channels) {
      const key = channel === null ? host : `${host} #${channel}`
      const called = name === '' ? key : channel === null || channels.length === 1 ? name : `${name} ${channel}`
      if (!rows.has(key)) rows.set(key, { key, host, channel, name: called, test: 'untried', picture: null, problem: '', camera_id: null })
    }
  }
  return { rows: [...rows.values()], wrong }
}

export const urlsOf = (row: AddressRow, template: UrlTemplate): { main_url: string; sub_url: string } =>
  addressesOf(template, row.host, row.channel ?? 1, row.channel !== null)
