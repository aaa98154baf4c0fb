/** A patrol while it is edited. */
import type { Patrol, PatrolForm, Preset } from '@/api/ptz'
import { problemOfTimes, sortedTimes, type WeekTime } from '@/shell/week_times'

export const STEPS_LIMIT = 64

export interface PatrolDraft {
  name: string
  steps: { preset: string; dwell_s: number; speed: number }[]
  schedule: WeekTime[]
}

export const draftOf = (patrol: Patrol | null, presets: readonly Preset[]): PatrolDraft =>
  patrol === null
    ? { name: '', steps: presets.slice(0, 2).map(({ token }) => ({ preset: token, dwell_s: 10, speed: 0.5 })), schedule: [] }
    : {
        name: patrol.name,
        steps: patrol.steps.map((step) => ({ ...step })),
        schedule: patrol.schedule.map((part) => ({ ...part, days: [...part.days] })),
      }

/** Field → key below `ptz.patrols.problems`. */
export function problemsOf(draft: PatrolDraft): Record<string, string> {
  const found: Record<string, string> = {}
  if (draft.name.trim() === '') found['name'] = 'name'
  if (draft.steps.length < 2) found['steps'] = 'steps'
  const wrong = problemOfTimes(draft.schedule)
  if (wrong !== undefined) found['schedule'] = wrong
  return found
}

export const formOf = (draft: PatrolDraft, utc_offset_minutes: number): PatrolForm => ({
  name: draft.name.trim(),
  steps: draft.steps,
  schedule: sortedTimes(draft.schedule),
  utc_offset_minutes,
})
