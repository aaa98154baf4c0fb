import { beforeEach, describe, expect, it } from 'vitest'

import { locale } from '@/locales'

import type { Attributes, Hit, Judged } from './api'
import { judgedColor, looksText, queryText, shareText } from './words'

const judged = (value: string, confidence = 0.8, second: string | null = null): Judged => ({ value, confidence, second })
const nothing: Attributes = { color: null, upper_color: null, lower_color: null, vehicle_type: null, plate: null, plate_color: null, rider: null }
const hit = (part: Partial<Hit>, attributes: Partial<Attributes> = {}): Hit =>
  ({ class: 'person', possible_classes: [], ...part, attributes: { ...nothing, ...attributes } }) as Hit

beforeEach(() => (locale.value = 'en'))

describe('what was found, in words', () => {
  it('says what somebody wears, and nothing of what nobody knows', () => {
    expect(looksText(hit({}, { upper_color: judged('black'), lower_color: judged('unknown') }))).toBe('Person, black top')
  })

  it('says that it may be either', () => {
    expect(looksText(hit({ class: 'car', possible_classes: ['truck'] }))).toBe('Car or Truck')
    expect(judgedColor(judged('black', 0.6, 'grey'))).toBe('black or grey')
  })

  it('puts a question mark behind a guess', () => {
    expect(judgedColor(judged('blue', 0.2))).toBe('blue?')
  })
})

it('little is not nothing, and nearly all is not all', () => {
  expect([0, 0.001, 0.42, 0.999, 1].map(shareText)).toEqual(['0%', '<1%', '42%', '>99%', '100%'])
})

it('a standing search is told in a line', () => {
  expect(queryText({ classes: ['person'], upper_color: ['black', 'grey'], plate: { pattern: 'B8', infix: true, look_alikes: true } })).toBe(
    'Person, black or grey top, plate B8',
  )
  expect(queryText({})).toBe('anything')
})
