import { expect, it } from 'vitest'

import type { Alarm, AlarmQuery, Priority } from '@/api/alarms'

import { mostUrgent } from './untold'

const NOW_MS = 1_800_000_000_000
const rule = (priority: Priority) => ({ scene: 1, priority, hold_s: 30 })
const newest = (ages_s: Partial<Record<Priority, number>>) => async ({ priority }: AlarmQuery) => {
  const age_s = ages_s[priority as Priority]
  return { items: age_s === undefined ? [] : [{ id: priority, begin_us: (NOW_MS - age_s * 1000) * 1000 } as Alarm] }
}

it('finds the most urgent first', async () => {
  expect((await mostUrgent(rule('medium'), NOW_MS, newest({ emergency: 5, high: 1 })))?.id).toBe('emergency')
  expect((await mostUrgent(rule('medium'), NOW_MS, newest({ medium: 1 })))?.id).toBe('medium')
})

it('passes over what is not urgent enough, and what would not show any more', async () => {
  expect(await mostUrgent(rule('high'), NOW_MS, newest({ medium: 1 }))).toBeUndefined()
  expect((await mostUrgent(rule('high'), NOW_MS, newest({ emergency: 31, high: 2 })))?.id).toBe('high')
})
