/** What a worker may do next, with what waits on the telephone counted in. */
import { beforeAll, describe, expect, it, vi } from 'vitest'

import type { KeptStep, StepKind } from './kept'

const HOUR_MS = 3600_000
const NOW_MS = 1_000 * HOUR_MS
type Tasks = typeof import('./tasks')
let tasks: Tasks

beforeAll(async () => {
  vi.stubGlobal('location', { search: '?lang=zh-CN' })
  tasks = await import('./tasks')
})

const kept = (step: StepKind, state: KeptStep['state'] = 'waiting', taskId = 'inc_1'): KeptStep =>
  ({ id: step, userId: 'u', madeMs: 0, words: '', place: null, files: [], state, told: false, step, taskId, title: '' })

describe('steps that are left', () => {
  const given = { id: 'inc_1', steps: ['accept', 'arrive', 'reply', 'answer', 'return', 'comment'] }

  it('are those of the gateway that are done in the field', () => {
    expect(tasks.stepsLeft(given, [])).toEqual(['accept', 'arrive', 'reply', 'answer'])
  })

  it('go on without a network, one after the other', () => {
    expect(tasks.stepsLeft(given, [kept('accept')])).toEqual(['arrive', 'reply', 'answer'])
    expect(tasks.stepsLeft(given, [kept('accept'), kept('arrive')])).toEqual(['reply', 'answer'])
    expect(tasks.stepsLeft(given, [kept('reply')])).toEqual(['accept', 'arrive', 'reply', 'answer'])
    expect(tasks.stepsLeft(given, [kept('answer')])).toEqual([])
  })

  it('count what has arrived, was refused, or is of another task by the gateway alone', () => {
    expect(tasks.stepsLeft(given, [kept('answer', 'refused'), kept('arrive', 'done'), kept('answer', 'waiting', 'inc_2')])).toHaveLength(4)
  })
})

describe('how long there is', () => {
  const task = { state: 'accepted' as const, suspended: false, arrived_us: null, arrive_due_us: (NOW_MS + 90 * 60_000) * 1000, resolve_due_us: (NOW_MS + 50 * HOUR_MS) * 1000 }

  it('is to the arrival first, and then to the end', () => {
    expect(tasks.due(task, NOW_MS)).toEqual({ text: '到场还剩 1 小时 30 分', isLate: false })
    expect(tasks.due({ ...task, arrived_us: 1 }, NOW_MS)).toEqual({ text: '办结还剩 2 天 2 小时', isLate: false })
  })

  it('is what it is over by, when it is', () => {
    expect(tasks.due(task, NOW_MS + 2 * HOUR_MS)).toEqual({ text: '到场已超时 30 分钟', isLate: true })
    expect(tasks.due({ ...task, arrive_due_us: NOW_MS * 1000 }, NOW_MS)?.isLate).toBe(true)
  })

  it('is nothing where no clock runs', () => {
    expect(tasks.due({ ...task, suspended: true }, NOW_MS)).toBeNull()
    expect(tasks.due({ ...task, state: 'answered' }, NOW_MS)).toBeNull()
    expect(tasks.due({ ...task, arrive_due_us: null, resolve_due_us: null }, NOW_MS)).toBeNull()
  })
})
