import { describe, expect, it } from 'vitest'

import type { Participant, RoomMeeting } from './api'
import { answeredCall, EMPTY, hands, isWaiting, lineLost, mayChair, reduced, roster, waiting, withChat, type RoomState } from './room_state'

const site = (id: string, more: Partial<Participant> = {}): Participant => ({
  id, kind: 'site', role: 'site', state: 'connected', name: `${id}村`, area_id: `area_${id}`, user_id: null, camera_id: null, position: Number(id.replace(/\D/g, '')) || 0,
  muted: false, floor_us: null, hand_us: null, joined_us: 1, left_us: null, device: { microphone: true, camera: true, screen: false }, ...more,
})
const meeting: RoomMeeting = { id: 'm', title: '防汛会', area_id: 'a', started_us: 1, lobby: false, locked: false, layout: 'speaker_grid', roll_call: null }
const entered = (participants: Participant[], role: Participant['role'] = 'site'): RoomState =>
  reduced(EMPTY, { type: 'room', meeting, participants, you: { participant_id: participants[0]?.id ?? '', role, state: 'connected' } })

describe('a room', () => {
  it('takes the whole first, along the area tree whatever the order of the list', () => {
    const state = entered([site('p3'), site('p1'), site('p2')])
    expect([...state.participants.keys()]).toEqual(['p1', 'p2', 'p3'])
    expect(state.meeting?.title).toBe('防汛会')
  })

  it('takes changes as whole documents, and who is gone goes', () => {
    const before = entered([site('p1'), site('p2')])
    const after = reduced(before, { type: 'changed', meeting: { locked: true }, participants: [site('p2', { muted: true }), site('p0')], gone: ['p1'] })
    expect([...after.participants.keys()]).toEqual(['p0', 'p2'])
    expect(after.participants.get('p2')?.muted).toBe(true)
    expect(after.meeting).toMatchObject({ locked: true, title: '防汛会' })
    expect(before.participants.size).toBe(2)
  })

  it('learns its own role and place from its own document', () => {
    const state = reduced(entered([site('p1')]), { type: 'changed', participants: [site('p1', { role: 'co_chair' })] })
    expect(mayChair(state)).toBe(true)
    const inLobby = reduced(EMPTY, { type: 'room', meeting, participants: [site('p1', { state: 'lobby' })], you: { participant_id: 'p1', role: 'site', state: 'lobby' } })
    expect(isWaiting(inLobby)).toBe(true)
    expect(isWaiting(reduced(inLobby, { type: 'changed', participants: [site('p1')] }))).toBe(false)
  })

  it('shows nothing that came before the line was lost, and keeps who was there', () => {
    const shown = reduced(entered([site('p1'), site('p2')]), { type: 'tiles', slots: [{ slot: '6', participant_id: 'p2', kind: 'camera', layer: 'l' }] })
    const lost = lineLost(shown)
    expect(lost.tiles).toEqual([])
    expect(lost.participants.size).toBe(2)
  })

  it('ends once', () => {
    expect(reduced(entered([site('p1')]), { type: 'end', reason: 'removed' })).toMatchObject({ ended: 'removed', tiles: [], calledBy: null })
  })
})

describe('a roll call', () => {
  const called = reduced(reduced(entered([site('p1'), site('p2')]), { type: 'changed', meeting: { roll_call: { id: 'r', current_id: 'p1' } } }), { type: 'called', roll_call_id: 'r' })

  it('asks until somebody here has answered', () => {
    expect(called.calledBy).toBe('r')
    expect(reduced(called, { type: 'changed', participants: [site('p2', { muted: true })] }).calledBy).toBe('r')
    const answering = answeredCall(called)
    // Till the gateway has it: an answer that is lost on the way would be an absence.
    expect(answering).toMatchObject({ calledBy: 'r', answering: true })
    expect(reduced(answering, { type: 'called', roll_call_id: 'r' })).toMatchObject({ calledBy: 'r', answering: true })
    expect(reduced(answering, { type: 'answered', roll_call_id: 'other', counted: true }).calledBy).toBe('r')
    expect(reduced(answering, { type: 'answered', roll_call_id: 'r', counted: true })).toMatchObject({ calledBy: null, answering: false })
  })

  it('asks no longer once another is called, or it is over', () => {
    expect(reduced(called, { type: 'changed', meeting: { roll_call: { id: 'r', current_id: 'p2' } } }).calledBy).toBeNull()
    expect(reduced(called, { type: 'changed', meeting: { roll_call: null } }).calledBy).toBeNull()
  })
})

describe('lists', () => {
  it('queue raised hands by time, and only of those who are there', () => {
    const state = entered([site('p1', { hand_us: 30 }), site('p2', { hand_us: 10 }), site('p3', { hand_us: 5, state: 'left' }), site('p4')])
    expect(hands(state).map(({ id }) => id)).toEqual(['p2', 'p1'])
  })

  it('name who waits in the lobby', () => {
    expect(waiting(entered([site('p1'), site('p2', { state: 'lobby' })])).map(({ id }) => id)).toEqual(['p2'])
  })

  it('group sites by township and count the whole of it', () => {
    const path = (town: string) => ({ area_path: ['钟祥市', town, '某村'] })
    const state = entered([site('p1', path('冷水镇')), site('p2', { state: 'invited', ...path('冷水镇') }), site('p3', path('石牌镇'))])
    expect(roster(state, 'absent', '').map(({ path, connected, total, members }) => [path, connected, total, members.map(({ id }) => id)])).toEqual([['钟祥市 / 冷水镇', 1, 2, ['p2']]])
    expect(roster(state, 'all', '石牌').map(({ members }) => members.map(({ id }) => id))).toEqual([['p3']])
  })

  it('hold each chat message once, in the order of time', () => {
    const message = (id: number, at_us: number) => ({ id, participant_id: 'p1', name: '甲', text: '好', at_us })
    const once = withChat(EMPTY, [message(2, 2), message(1, 1)])
    expect(once.messages.map(({ id }) => id)).toEqual([1, 2])
    expect(withChat(once, [message(1, 1)])).toEqual(once)
    expect(withChat(once, [message(3, 3), message(2, 2)]).messages.map(({ id }) => id)).toEqual([1, 2, 3])
  })

  it('has the last line of each who spoke', () => {
    const say = (participant_id: string, text: string, final: boolean) => ({ type: 'subtitle' as const, participant_id, name: participant_id, text, at_us: 1, final })
    const said = [say('a', '各', false), say('b', '收到', true), say('a', '各村注意', true)].reduce(reduced, EMPTY)
    expect(said.subtitles.map(({ name, text }) => `${name}: ${text}`)).toEqual(['b: 收到', 'a: 各村注意'])
  })
})
