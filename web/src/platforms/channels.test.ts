import { describe, expect, it } from 'vitest'

import type { Channel, ChannelQuery } from '@/api/platforms'

import { channelRows, choosableBelow, type Level } from './channels'

const channel = (code: string, parent: string | null, more: Partial<Channel> = {}): Channel => ({
  code, parent_code: parent, kind: 'camera', name: code, status: 'on', civil_code: null, longitude: null, latitude: null,
  facts: {}, seen_us: 1, gone_us: null, camera_id: null, children: 0, ...more,
})
const level = (items: Channel[], more: Partial<Level> = {}): Level => ({
  items, open: true, loading: false, loaded: true, error: '', total: items.length, cursor: null, ...more,
})

describe('the tree of channels', () => {
  it('shows what is open, deeper and in order', () => {
    const levels = new Map([
      ['', level([channel('g', null, { kind: 'group', children: 2 }), channel('z', null)])],
      ['g', level([channel('a', 'g')], { cursor: 5 })],
    ])
    expect(channelRows(levels).map((row) => [row.depth, row.kind === 'note' ? row.note : row.channel.code])).toEqual([
      [0, 'g'], [1, 'a'], [1, 'more'], [0, 'z'],
    ])
    levels.get('g')!.open = false
    expect(channelRows(levels)).toHaveLength(2)
  })

  it('ends where a platform says that a group is below itself', () => {
    const levels = new Map([
      ['', level([channel('a', null, { children: 1 })])],
      ['a', level([channel('b', 'a', { children: 1 })])],
      ['b', level([channel('a', 'b', { children: 1 })])],
    ])
    const keys = channelRows(levels).map(({ key }) => key)
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(3)
  })
})

describe('choosing all below a group', () => {
  const tree: Record<string, Channel[]> = {
    g: [channel('h', 'g', { kind: 'group', children: 3 }), channel('a', 'g')],
    h: [channel('b', 'h'), channel('taken', 'h', { camera_id: 'c' }), channel('gone', 'h', { gone_us: 1 }), channel('g', 'h', { kind: 'group', children: 2 })],
  }
  const list = ({ parent, cursor }: ChannelQuery) => {
    const all = tree[parent ?? ''] ?? []
    const from = Number(cursor ?? 0)
    return Promise.resolve({ items: all.slice(from, from + 1), next_cursor: from + 1 < all.length ? from + 1 : null })
  }

  it('takes cameras of all pages and levels, and neither what is taken nor what is gone', async () => {
    const { channels, cut } = await choosableBelow(list, 'g')
    expect([channels.map(({ code }) => code), cut]).toEqual([['a', 'b'], false])
  })

  it('says when there are more than it takes', async () => {
    expect(await choosableBelow(list, 'g', 1)).toMatchObject({ channels: [{ code: 'a' }], cut: true })
  })
})
