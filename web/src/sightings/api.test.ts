import { describe, expect, it } from 'vitest'

import { searchPath, type Wanted } from './api'

const wanted: Wanted = {
  period: { start_us: 1000, end_us: 2000, days: null },
  kind: 'vehicle', plate: ' 鄂H?2* ', anywhere: true, lookAlikes: false,
  plateColor: 'blue', color: '', lowerColor: '', vehicleType: 'van', areaId: '', checkpointId: '7',
}

const parametersOf = (path: string): Record<string, string> => Object.fromEntries(new URL(path, 'http://x').searchParams)

describe('the address of a search', () => {
  it('says what is looked for, and why', () => {
    expect(parametersOf(searchPath(wanted, { code: 'traffic', text: '追查' }))).toEqual({
      start_us: '1000', end_us: '2000', kind: 'vehicle', plate: '鄂H?2*', infix: 'true', plate_color: 'blue',
      vehicle_type: 'van', checkpoint_id: '7', purpose_code: 'traffic', purpose_text: '追查',
    })
  })

  it('leaves out what belongs to a plate where there is none', () => {
    const found = parametersOf(searchPath({ ...wanted, plate: ' ' }, undefined))
    expect(found).not.toHaveProperty('infix')
    expect(found).not.toHaveProperty('plate')
    expect(found).not.toHaveProperty('purpose_code')
  })

  it('goes on within the same range, by the look of the page before', () => {
    const found = parametersOf(searchPath(wanted, { code: 'traffic' }, { cursor: 'c', look: 'l', end_us: 1500 }))
    expect(found).toMatchObject({ cursor: 'c', look: 'l', end_us: '1500' })
    expect(found).not.toHaveProperty('purpose_code')
  })
})
