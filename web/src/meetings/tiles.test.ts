import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { MeetingLayout, Participant } from './api'
import { EMPTY, type RoomState } from './room_state'
import { assigned, gridShape, keyOf, PROGRAM, shownAt, stageOf, stepped, viewOf, type Looking } from './tiles'

const site = (id: string, more: Partial<Participant> = {}): Participant => ({
  id, kind: 'site', role: 'site', state: 'connected', name: id, area_id: null, user_id: null, camera_id: null, position: 0,
  muted: false, floor_us: null, hand_us: null, joined_us: 1, left_us: null, device: { microphone: true, camera: true, screen: false }, ...more,
})

function room(layout: MeetingLayout, participants: Participant[], more: Partial<RoomState> = {}, program: string | null = null, pinned: string | null = null): RoomState {
  return {
    ...EMPTY,
    meeting: {
      id: 'm', title: '', area_id: 'a', started_us: 1, lobby: false, locked: false, layout, pinned,
      program: program === null ? null : { participant_id: program, kind: 'camera', why: 'speaking' },
    },
    participants: new Map(participants.map((one) => [one.id, one])),
    you: { participant_id: 'me', role: 'site' },
    ...more,
  }
}
const looking: Looking = { own: null, last: null, page: 0, perPage: 25, beside: 3 }
const everybody = [site('me'), site('a'), site('b'), site('c'), site('d')]

describe('a stage', () => {
  it('has nobody on it who looks at themselves', () => {
    for (const layout of ['speaker', 'speaker_grid', 'grid', 'screen'] as const) {
      const { main, others } = stageOf(room(layout, [site('me')]), looking)
      expect([main, others]).toEqual([null, []])
    }
  })

  it('shows cameras that were brought in, and nobody who only looks on', () => {
    const brought = [site('me'), site('camera', { kind: 'camera', role: 'observer', device: null }), site('guest', { role: 'observer' })]
    const stage = stageOf(room('grid', brought), looking)
    expect(stage.others.map(({ participant_id }) => participant_id)).toEqual(['camera'])
  })

  it('leaves the large picture to the server, and puts who is expected there nowhere else', () => {
    const stage = stageOf(room('speaker_grid', everybody, {}, 'b'), looking)
    expect([stage.main, stage.ask]).toEqual([PROGRAM, null])
    expect(stage.expected?.participant_id).toBe('b')
    expect(stage.others.map(({ participant_id }) => participant_id)).toEqual(['a', 'c', 'd'])
  })

  it('asks for the next in line where one is the program oneself, or nobody is', () => {
    expect(stageOf(room('speaker_grid', everybody, { speaking: ['me', 'c'] }, 'me'), looking).ask?.participant_id).toBe('c')
    expect(stageOf(room('speaker_grid', everybody), looking).ask?.participant_id).toBe('a')
  })

  it('keeps whom one saw large while nobody has a claim', () => {
    expect(stageOf(room('speaker_grid', everybody), { ...looking, last: 'd' }).expected?.participant_id).toBe('d')
  })

  it('lets one look at a site of one’s own choice, but not in a layout that shows all the same', () => {
    expect(stageOf(room('speaker_grid', everybody, {}, 'b'), { ...looking, own: 'd' }).ask).toEqual({ participant_id: 'd', kind: 'camera' })
    expect(stageOf(room('speaker', everybody, {}, 'b'), { ...looking, own: 'd' }).ask).toBeNull()
  })

  it('brings who speaks or raises a hand into a row that is too short for all', () => {
    const many = [...everybody, site('e'), site('f', { hand_us: 3 })]
    const { others } = stageOf(room('speaker_grid', many, { speaking: ['a', 'e'] }, 'a'), { ...looking, beside: 2 })
    expect(others.map(({ participant_id }) => participant_id)).toEqual(['e', 'f'])
  })

  it('turns pages of a grid and stays within them', () => {
    const many = [site('me'), ...Array.from({ length: 60 }, (_, index) => site(`s${index}`))]
    const at = (page: number) => stageOf(room('grid', many), { ...looking, page })
    expect([at(0).others.length, at(1).others.length, at(2).others.length]).toEqual([25, 25, 10])
    expect(at(99)).toMatchObject({ page: 2, pages: 3 })
    expect(at(-1).page).toBe(0)
  })

  it('gives the grid way to what the chair has put on every screen', () => {
    expect(stageOf(room('grid', everybody, {}, 'c', 'c'), looking)).toMatchObject({ main: PROGRAM, expected: { participant_id: 'c' } })
  })

  it('shows a shared screen with who speaks to it', () => {
    const sharing = [site('me'), site('a', { device: { microphone: true, camera: true, screen: true } }), site('b')]
    const { main, others } = stageOf(room('screen', sharing), looking)
    expect(main).toBe(PROGRAM)
    expect(others).toHaveLength(1)
  })

  it('shows no observer', () => {
    expect(stageOf(room('grid', [site('me'), site('a', { role: 'observer' })]), looking).others).toEqual([])
  })
})

describe('slots', () => {
  it('stay with what they show, whatever else comes and goes', () => {
    const first = assigned(['1', '2', '3'], new Map(), ['x', 'y'])
    const second = assigned(['1', '2', '3'], first, ['y', 'z'])
    expect([...second].find(([, key]) => key === 'y')?.[0]).toBe([...first].find(([, key]) => key === 'y')?.[0])
  })

  it('never show two things, nor one thing twice, and take the first wanted first', () => {
    const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f', 'g'))
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), fc.array(names, { maxLength: 6 }), (count, steps) => {
        const slots = Array.from({ length: count }, (_, index) => String(index))
        let held = new Map<string, string>()
        for (const wanted of steps) {
          const next = assigned(slots, held, wanted)
          expect(new Set(next.values())).toEqual(new Set(wanted.slice(0, count)))
          expect(next.size).toBe(Math.min(count, wanted.length))
          for (const [slot, key] of held) if (next.has(slot) && wanted.slice(0, count).includes(key)) expect(next.get(slot)).toBe(key)
          held = next
        }
      }),
    )
  })

  it('are told with what the server fills as null', () => {
    const held = new Map([['7', keyOf(PROGRAM)], ['9', 'a screen']])
    expect(viewOf(held, new Map(), { participant_id: 'b', kind: 'camera' })[0]?.participant_id).toBe('b')
    expect(viewOf(held, new Map([[keyOf(PROGRAM), 700], ['a screen', 160]]), null)).toEqual([
      { slot: '7', participant_id: null, kind: 'camera', height_px: 720 },
      { slot: '9', participant_id: 'a', kind: 'screen', height_px: 180 },
    ])
  })

  it('are found again by what the server has put there', () => {
    const tiles = [{ slot: '7', participant_id: 'b', kind: 'camera' as const, layer: 'h' }]
    expect(shownAt(tiles, new Map([['7', keyOf(PROGRAM)]]), PROGRAM)?.participant_id).toBe('b')
    expect(shownAt(tiles, new Map(), PROGRAM)).toBeNull()
    expect(shownAt(tiles, new Map(), { participant_id: 'b', kind: 'camera' })?.slot).toBe('7')
    expect(shownAt(tiles, new Map(), { participant_id: 'b', kind: 'screen' })).toBeNull()
  })
})

describe('sizes', () => {
  it('of a grid are the largest that fit', () => {
    expect(gridShape(4, 1600, 900)).toEqual({ columns: 2, rows: 2 })
    expect(gridShape(25, 1600, 900)).toEqual({ columns: 5, rows: 5 })
    expect(gridShape(2, 390, 700)).toEqual({ columns: 1, rows: 2 })
    expect(gridShape(0, 100, 100)).toEqual({ columns: 1, rows: 1 })
  })

  it('hold everybody', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 100, max: 4000 }), fc.integer({ min: 100, max: 4000 }), (count, width, height) => {
        const { columns, rows } = gridShape(count, width, height)
        expect(columns * rows).toBeGreaterThanOrEqual(count)
        expect(columns * (rows - 1)).toBeLessThan(count)
      }),
    )
  })

  it('are told in steps', () => {
    expect([stepped(10), stepped(100), stepped(400), stepped(720), stepped(2000)]).toEqual([90, 90, 360, 720, 1080])
  })
})
