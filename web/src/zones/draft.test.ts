import { describe, expect, it } from 'vitest'

import { endsNextDay, newRule, newZone, RULES_OF, SCHEDULES, scheduleName, sent } from './draft'

describe('zones while they are drawn', () => {
  it('begin with a rule that fits their kind', () => {
    expect(newZone('line', '路口').rules.map(({ kind }) => kind)).toEqual(['line_crossing'])
    expect(newZone('region', '院内').rules.map(({ kind }) => kind)).toEqual(['intrusion'])
  })

  it('never go the wrong way both ways over a line', () => {
    expect(newRule('wrong_way', 'line').way).toBe('backward')
    expect(newRule('wrong_way', 'region')).toMatchObject({ heading_deg: 0 })
  })

  it('watch lines for what crosses them alone', () => {
    expect(RULES_OF.line).not.toContain('intrusion')
    expect(RULES_OF.region).not.toContain('line_crossing')
  })

  it('know the usual schedules again, and nights that end on the next day', () => {
    expect(scheduleName([...SCHEDULES.nights])).toBe('nights')
    expect(scheduleName([])).toBe('always')
    expect(scheduleName([{ days: [1], start: '01:00', end: '02:00' }])).toBe('own')
    expect(endsNextDay(SCHEDULES.nights[0]!)).toBe(true)
    expect(endsNextDay({ days: [1], start: '00:00', end: '00:00' })).toBe(true)
    expect(endsNextDay(SCHEDULES.days[0]!)).toBe(false)
  })

  it('are sent rounded, without blanks around their names', () => {
    const [zone] = sent([{ ...newZone('line', ' 路口 '), points: [[0.123456, 1 / 3], [1, 0]] }])
    expect(zone).toMatchObject({ name: '路口', points: [[0.1235, 0.3333], [1, 0]] })
  })
})
