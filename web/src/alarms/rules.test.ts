import { expect, it } from 'vitest'
import { reactive } from 'vue'

import { draftOf, nextStep, problemOfSteps, type RuleStep } from './rules'

const told = (after_minutes: number): RuleStep => ({ after_minutes, user_ids: [], roles: ['operator'], channel_ids: [] })

it('tells the first at once and each further one later', () => {
  expect(nextStep([]).after_minutes).toBe(0)
  expect(nextStep([told(0), told(5)]).after_minutes).toBe(15)
  expect(problemOfSteps([told(0), told(5)])).toBeUndefined()
  expect(problemOfSteps([told(0), told(0)])).toBe('order')
  expect(problemOfSteps([told(0), told(Number.NaN)])).toBe('order')
  expect(problemOfSteps([nextStep([])])).toBe('nobody')
})

it('sends back what it was given, without the names', () => {
  const rule = { ...draftOf(null), id: 'arl_1', area_path: ['东镇'], steps: [{ ...told(0), people: [] }] }
  expect(draftOf(rule)).toEqual({ ...draftOf(null), steps: [told(0)] })
  // As a page holds it.
  expect(draftOf(reactive(rule))).toEqual({ ...draftOf(null), steps: [told(0)] })
})
