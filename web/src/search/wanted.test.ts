import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { COLORS, DIRECTIONS, OBJECT_CLASSES, SPEEDS } from './api'
import { addressOf, bodyOf, nothing, standingOf, wantedOf, withClasses, type Wanted } from './wanted'

const some = (known: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...known])
const id = fc.stringMatching(/^[\w-]{1,20}$/)
const share = fc.integer({ min: 0, max: 10_000 }).map((value) => value / 10_000)
const point = fc.tuple(share, share) as fc.Arbitrary<[number, number]>
const drawn = fc.oneof(
  fc.constant(null),
  fc.record({ kind: fc.constant('region' as const), camera_id: id, points: fc.array(point, { minLength: 3, maxLength: 32 }) }),
  fc.record(
    { kind: fc.constant('line' as const), camera_id: id, points: fc.array(point, { minLength: 2, maxLength: 2 }), how: fc.constantFrom('forward' as const, 'backward' as const) },
    { requiredKeys: ['kind', 'camera_id', 'points'] },
  ),
)
const searches: fc.Arbitrary<Wanted> = fc.record({
  period: fc.tuple(fc.integer({ min: 1, max: 2e15 }), fc.integer({ min: 1, max: 1e12 })).map(([start_us, length]) => ({ start_us, end_us: start_us + length, days: null })),
  areaId: fc.option(id, { nil: '' }),
  cameraIds: fc.uniqueArray(id, { maxLength: 5 }),
  classes: some(OBJECT_CLASSES),
  color: some(COLORS),
  upperColor: some(COLORS),
  lowerColor: some(COLORS),
  vehicleType: some(['van', 'suv']),
  plate: fc.constantFrom('', '鄂H?2*', 'B8S01'),
  infix: fc.boolean(),
  lookAlikes: fc.boolean(),
  rider: fc.constantFrom('' as const, 'yes' as const, 'no' as const),
  direction: some(DIRECTIONS),
  speed: some(SPEEDS),
  zoneId: fc.option(id, { nil: '' }),
  drawn,
  minDuration_s: fc.option(fc.integer({ min: 0, max: 86_400 })),
  maxDuration_s: fc.option(fc.integer({ min: 0, max: 86_400 })),
  includePossible: fc.boolean(),
  model: fc.option(fc.integer({ min: 1 }).map((number) => ({ like: { passage_id: String(number) }, picture: null, words: '' }))),
})

describe('the address of a search', () => {
  it('asks the gateway for the same when it is opened by somebody else', () => {
    fc.assert(
      fc.property(searches, (wanted) => {
        expect(bodyOf(wantedOf(addressOf(wanted)))).toEqual(bodyOf(wanted))
      }),
    )
  })

  it('holds no reason, and no picture of somebody’s own', () => {
    const wanted = { ...nothing(), model: { like: { look_id: 'look_1' }, picture: '/x.jpg', words: '' } }
    expect(Object.keys(addressOf(wanted)).sort()).toEqual(['from', 'to'])
  })

  it('that says anything is read without a fault, and within bounds', () => {
    const names = ['from', 'to', 'area', 'cameras', 'class', 'color', 'plate', 'drawn', 'min', 'max', 'like', 'zone', 'rider', 'direction', 'speed']
    const value = fc.oneof(fc.string({ maxLength: 200 }), fc.array(fc.string()), fc.constant(null), fc.constant('line~cam~0.1,0.2;2,0'), fc.constant('region~cam~,;,;,'))
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (query) => {
        const { start_us, end_us, drawn: _drawn, ...body } = { drawn: null, ...bodyOf(wantedOf(query)) }
        expect(end_us).toBeGreaterThan(start_us)
        for (const [x, y] of [...(body.line?.points ?? []), ...(body.region?.points ?? [])]) {
          expect(x >= 0 && x <= 1 && y >= 0 && y <= 1).toBe(true)
        }
        expect(body.plate?.pattern.length ?? 1).toBeLessThanOrEqual(20)
      }),
    )
  })
})

describe('what the gateway is asked for', () => {
  it('names only what was said', () => {
    const { start_us: _start, end_us: _end, ...rest } = bodyOf(nothing())
    expect(rest).toEqual({ include_possible: true })
  })

  it('follows the class: trousers are not looked for on a lorry, nor plates on people', () => {
    const wanted = { ...nothing(), classes: ['person'], upperColor: ['black'], rider: 'yes' as const }
    expect(withClasses(wanted, ['truck'])).toMatchObject({ upperColor: [], rider: '' })
    expect(withClasses({ ...wanted, plate: '鄂H', color: ['white'] }, ['person'])).toMatchObject({ plate: '', color: [], upperColor: ['black'] })
    expect(withClasses(wanted, []).upperColor).toEqual(['black'])
  })

  it('of a standing search has no time, asks for something, and for no picture that is gone within the hour', () => {
    expect(standingOf(bodyOf({ ...nothing(), cameraIds: ['a'] }))).toBeNull()
    expect(standingOf(bodyOf({ ...nothing(), model: { like: { look_id: 'l' }, picture: null, words: '' } }))).toBeNull()
    expect(standingOf(bodyOf({ ...nothing(), classes: ['person'] }))).toEqual({ include_possible: true, classes: ['person'] })
  })

  it('says of a plate how it is meant', () => {
    const body = bodyOf({ ...nothing(), plate: ' 鄂HB8 ', infix: true, lookAlikes: false })
    expect(body.plate).toEqual({ pattern: '鄂HB8', infix: true, look_alikes: false })
  })
})
