/** The rehearsal board's rows: what is new put in, how a site stands, how far the asked ones are. */
import type { CheckedSite, Finding } from '../api'

export const PARTS = ['microphone', 'camera', 'speaker', 'network'] as const
export type Part = (typeof PARTS)[number]

/** Who tests once a day is ready for the next meeting. */
export const LATELY_US = 24 * 3_600_000_000
/** As the gateway: who does not test within this was not there. */
export const ASKED_FOR_US = 600_000_000

/**
 * By the last test. `bad`: something did not work. `stale`: never tested, not lately, or not all of
 * it. `good`: all four parts work.
 */
export const STANDINGS = ['bad', 'stale', 'good'] as const
export type Standing = (typeof STANDINGS)[number]

const isBad = (finding: Finding | null): boolean => finding !== null && finding !== 'good'

/** Asked, and nobody there has tested yet. */
export const isWaiting = (row: CheckedSite, now_us: number): boolean =>
  row.asked_us !== null && row.asked_us > now_us - ASKED_FOR_US && (row.done_us === null || row.done_us < row.asked_us)

export function standingOf(row: CheckedSite, now_us: number): Standing {
  if (row.done_us === null || row.done_us < now_us - LATELY_US) return 'stale'
  if (PARTS.some((part) => isBad(row[part]))) return 'bad'
  return PARTS.every((part) => row[part] === 'good') ? 'good' : 'stale'
}

/** The rows with what came since: an answer ends the waiting, being asked leaves the last test standing. */
export function merged(rows: readonly CheckedSite[], newer: readonly CheckedSite[]): readonly CheckedSite[] {
  if (newer.length === 0) return rows
  const fresh = new Map(newer.map((one) => [one.area_id, one]))
  const after = rows.map((row) => {
    const one = fresh.get(row.area_id)
    if (one === undefined) return row
    const now = one.done_us === null ? { ...row, asked_us: one.asked_us } : one
    return JSON.stringify(now) === JSON.stringify(row) ? row : now
  })
  return after.every((row, at) => row === rows[at]) ? rows : after
}

/** Of when the newest is that these rows tell of. */
export const newestOf = (rows: readonly CheckedSite[]): number => rows.reduce((newest, { asked_us, done_us }) => Math.max(newest, asked_us ?? 0, done_us ?? 0), 0)

const TOWNSHIP_DEPTH = 2
export const townshipOf = (row: CheckedSite): string => row.area_path.slice(0, TOWNSHIP_DEPTH).join(' / ')

/** In the order of the rows. */
export const townshipsOf = (rows: readonly CheckedSite[]): string[] => [...new Set(rows.map(townshipOf))]

/** How many of those that were asked at this time have answered; null where nobody was. */
export function progressOf(rows: readonly CheckedSite[], asked_us: number, now_us: number): { answered: number; asked: number } | null {
  if (asked_us === 0) return null
  const waiting = rows.filter((row) => isWaiting(row, now_us)).length
  const answered = rows.filter((row) => (row.done_us ?? 0) >= asked_us).length
  return waiting + answered === 0 ? null : { answered, asked: waiting + answered }
}
