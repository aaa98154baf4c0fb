/** Rules of who is told of alarms (docs/alarms.md). */
import { toRaw } from 'vue'

import type { AlarmKind, Priority } from '@/api/alarms'
import { apiPath, get, post, put, remove } from '@/api/client'
import type { Page, Role } from '@/api/types'
import type { WeekTime } from '@/shell/week_times'

export interface RuleStep {
  after_minutes: number
  user_ids: string[]
  roles: Role[]
  channel_ids: string[]
}

export interface RuleForm {
  name: string
  area_id: string | null
  enabled: boolean
  kinds: AlarmKind[]
  camera_ids: string[]
  least_priority: Priority
  hours: WeekTime[]
  quiet: WeekTime[]
  utc_offset_minutes: number
  breaks_through: boolean
  priority: Priority | null
  silent: boolean
  steps: RuleStep[]
}

export interface AlarmRule extends Omit<RuleForm, 'steps'> {
  id: string
  area_path: string[]
  steps: (RuleStep & { people: { id: string; name: string }[] })[]
}

export interface RuleChannel {
  id: string
  name: string
  kind: string
  enabled: boolean
}

export const rules = {
  list: (): Promise<Page<AlarmRule>> => get('/api/alarm-rules'),
  channels: (): Promise<Page<RuleChannel>> => get('/api/alarm-rules/channels'),
  create: (body: RuleForm): Promise<AlarmRule> => post('/api/alarm-rules', body),
  update: (id: string, body: RuleForm): Promise<AlarmRule> => put(apiPath('alarm-rules', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('alarm-rules', id)),
}

export const STEPS_LIMIT = 5

/** A rule while it is edited: a new one, or what is known of one. */
export function draftOf(one: AlarmRule | null): RuleForm {
  if (one === null) {
    return {
      name: '', area_id: '', enabled: true, kinds: [], camera_ids: [], least_priority: 'low', hours: [], quiet: [],
      utc_offset_minutes: -new Date().getTimezoneOffset(), breaks_through: true, priority: null, silent: false, steps: [],
    }
  }
  const { id: _id, area_path: _path, steps, ...others } = structuredClone(toRaw(one))
  return { ...others, steps: steps.map(({ people: _people, ...step }) => step) }
}

/** The next step comes later than the last. */
export const nextStep = (steps: readonly RuleStep[]): RuleStep => ({
  after_minutes: steps.length === 0 ? 0 : (steps[steps.length - 1]?.after_minutes ?? 0) + 10, user_ids: [], roles: [], channel_ids: [],
})

/** What is wrong with the steps, as a key below `alarms.rules.problems`. */
export function problemOfSteps(steps: readonly RuleStep[]): 'nobody' | 'order' | undefined {
  if (steps.some((step) => step.user_ids.length + step.roles.length + step.channel_ids.length === 0)) return 'nobody'
  return steps.some((step, at) => at > 0 && !(step.after_minutes > (steps[at - 1]?.after_minutes ?? 0))) ? 'order' : undefined
}
