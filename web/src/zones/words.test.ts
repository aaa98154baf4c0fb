import { beforeEach, expect, it } from 'vitest'

import { locale } from '@/locales'

import { SCHEDULES } from './draft'
import { hoursText } from './words'

const own = { schedule: [{ days: [1, 2], start: '08:00', end: '12:30' }, { days: [1, 2, 3, 4, 5, 6, 7], start: '20:00', end: '06:00' }], time_zone: 'Asia/Shanghai' }

beforeEach(() => (locale.value = 'en'))

it('hours of the week are told by day and clock, with the day on which they end', () => {
  expect(hoursText(own)).toBe('Mo, Tu 08:00–12:30; every day 20:00–06:00 of the next day')
  locale.value = 'zh-CN'
  expect(hoursText(own)).toBe('周一、二 08:00–12:30；每天 20:00–次日 06:00')
})

it('the usual hours are told by name, clocks of elsewhere with where', () => {
  expect(hoursText({ schedule: [...SCHEDULES.days], time_zone: 'Asia/Shanghai' })).toBe('working days, 08:00–18:00')
  expect(hoursText({ schedule: [...SCHEDULES.days], time_zone: 'Asia/Urumqi' })).toBe('working days, 08:00–18:00 (Asia/Urumqi)')
})
