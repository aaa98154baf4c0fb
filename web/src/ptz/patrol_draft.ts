/** A patrol while it is edited. */
import type { Patrol, PatrolForm, Preset } from '@/api/ptz'

export const STEPS_LIMIT = 64

export interface PatrolDraft {
  name: string
  steps: { preset: string; dwell_s: number; speed: number }[]
  schedule: { days: number[]; start: string; end: string }[]
}

export const draftOf = (patrol: Patrol | null, presets: readonly Preset[]): PatrolDraft =>
  patrol === null
    ? { name: '', steps: presets.slice(0, 2).map(({ token }) => ({ preset: token, dwell_s: 10, speed: 0.5 })), schedule: [] }
    : {
        name: patrol.name,
        steps: patrol.steps.map((step) => ({ ...step })),
        schedule: patrol.schedule.map((part) => ({ ...part, days: [...part.days] })),
      }

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/

/** Field → key below `ptz.patrols.problems`. */
export function problemsOf(draft: PatrolDraft): Record<string, string> {
  const found: Record<string, string> = {}
  if (draft.name.trim() === '') found['name'] = 'name'
  if (draft.steps.length < 2) found['steps'] = 'steps'
  if (draft.schedule.some(({ days }) => days.length === 0)) found['schedule'] = 'days'
  else if (draft.schedule.some(({ start, end }) => !CLOCK.test(start) || !CLOCK.test(end))) found['schedule'] = 'times'
  return found
}

export const formOf = (draft: PatrolDraft, utc_offset_minutes: number): PatrolForm => ({
  name: draft.name.trim(),
  steps: draft.steps,
  schedule: draft.schedule.map((part) => ({ ...part, days: [...part.days].sort((one, other) => one - other) })),
  utc_offset_minutes,
})
