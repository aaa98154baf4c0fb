import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { messages, type Words } from '@/locales'

import { activated, audioCodecs, videoCodecs } from './codecs'
import { deviceCause } from './devices'
import { ROOM_KEY_HELP, roomCommandOf } from './keyboard'
import { addressesOf } from './network_check'
import { hoursOf, NEVER, rangeOf, takesItself } from './opted_hours'
import { readMessages } from './wire'

describe('codecs of an offer', () => {
  const h264 = (mode: number, profile: string) => ({ mimeType: 'video/H264', sdpFmtpLine: `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}` })
  const rtx = { mimeType: 'video/rtx' }

  it('are H.264 of mode 1, VP8 and their retransmission, and nothing else', () => {
    const all = [{ mimeType: 'video/VP8' }, rtx, { mimeType: 'video/VP9' }, h264(0, '42e01f'), h264(1, '64001f'), h264(1, '42e01f'), { mimeType: 'video/AV1' }, { mimeType: 'video/red' }]
    expect(videoCodecs(all)).toEqual([h264(1, '42e01f'), { mimeType: 'video/VP8' }, rtx])
  })

  it('are whatever there is where the wanted are missing', () => {
    expect(videoCodecs([{ mimeType: 'video/AV1' }, rtx])).toEqual([{ mimeType: 'video/AV1' }, rtx])
    expect(audioCodecs([{ mimeType: 'audio/PCMA' }])).toEqual([{ mimeType: 'audio/PCMA' }])
    expect(audioCodecs([{ mimeType: 'audio/red' }, { mimeType: 'audio/opus' }])).toEqual([{ mimeType: 'audio/opus' }])
  })
})

describe('qualities', () => {
  const encodings = [{ rid: 'l', active: true }, { rid: 'm', active: true }, { rid: 'h', active: true }]

  it('that nobody looks at are switched off', () => {
    expect(activated(encodings, ['l', 'h'])?.map(({ active }) => active)).toEqual([true, false, true])
    expect(activated(encodings, [])?.map(({ active }) => active)).toEqual([false, false, false])
  })

  it('stay untouched where nothing changes', () => {
    expect(activated(encodings, ['h', 'm', 'l'])).toBeNull()
  })

  it('of one alone are the nameless one', () => {
    expect(activated([{ active: true }], [''])).toBeNull()
    expect(activated([{ active: true }], [])).toEqual([{ active: false }])
  })
})

describe('what comes over the wire', () => {
  it('is read line by line, and what is no message harms nothing', () => {
    expect(readMessages('{"type":"pong"}\n\n{"type":"speaking","participant_ids":["a"]}\nnull\n7\n{"x":1}\n{')).toEqual([{ type: 'pong' }, { type: 'speaking', participant_ids: ['a'] }])
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(readMessages(text))))
  })
})

describe('addresses that a network has to let through', () => {
  it('are read from the answer, each once', () => {
    const sdp = 'a=candidate:1 1 udp 2130706431 10.1.2.3 8189 typ host\r\na=candidate:1 1 udp 2130706431 10.1.2.3 8189 typ host\r\na=candidate:2 1 tcp 1 fd00::1 443 typ host tcptype passive\r\n'
    expect(addressesOf(sdp)).toEqual(['10.1.2.3:8189 UDP', '[fd00::1]:443 TCP'])
    expect(addressesOf('v=0')).toEqual([])
  })
})

describe('hours in which a site takes calls by itself', () => {
  const at = (clock: string) => new Date(`2026-11-22T${clock}:00`) // a Sunday
  const taken = (range: { on: boolean; from: string; until: string }, ...clocks: string[]) => clocks.map((clock) => takesItself(hoursOf(range) ?? [], at(clock)))

  it('are none unless somebody at the site has chosen them', () => {
    expect(hoursOf(NEVER)).toEqual([])
    expect(taken(NEVER, '12:00')).toEqual([false])
    expect(hoursOf({ on: true, from: '', until: '18:00' })).toBeNull()
    expect(hoursOf({ on: true, from: '08:00', until: '08:00' })).toBeNull()
  })

  it('end at their end, also over midnight', () => {
    expect(taken({ on: true, from: '08:00', until: '18:00' }, '07:59', '08:00', '17:59', '18:00')).toEqual([false, true, true, false])
    expect(taken({ on: true, from: '22:00', until: '06:00' }, '21:59', '23:00', '05:59', '06:00')).toEqual([false, true, true, false])
  })

  it('hold on their own days alone', () => {
    const weekdays = [{ days: [0, 1, 2, 3, 4], from_min: 0, until_min: 1440 }]
    expect(takesItself(weekdays, at('12:00'))).toBe(false)
    expect(takesItself(weekdays, new Date('2026-11-23T12:00:00'))).toBe(true)
  })

  it('are shown as they were chosen', () => {
    const minute = fc.integer({ min: 0, max: 1439 })
    const clock = (minutes: number) => `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
    fc.assert(
      fc.property(minute, minute, (from, until) => {
        fc.pre(from !== until)
        const range = { on: true, from: clock(from), until: clock(until) }
        expect(rangeOf(hoursOf(range) ?? [])).toEqual(range)
      }),
    )
    expect(rangeOf([])).toEqual(NEVER)
  })
})

describe('words', () => {
  const at = (words: Words, path: string): unknown => path.split('.').reduce<Words | string | undefined>((found, name) => (found as Words | undefined)?.[name], words)

  it('exist for every reason why a device stays shut', () => {
    for (const name of ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OddError']) {
      for (const kind of ['camera', 'microphone', 'screen'] as const) {
        const cause = deviceCause(new DOMException('', name), kind)
        expect(at(messages['zh-CN'], `meetings.causes.${cause}`), cause).toBeTypeOf('string')
      }
    }
  })

  it('exist for every key, and every key does something', () => {
    for (const { keys, words } of ROOM_KEY_HELP) {
      expect(at(messages['zh-CN'], `meetings.keys.${words}`), words).toBeTypeOf('string')
      for (const key of keys) expect(roomCommandOf({ key: key === 'Esc' ? 'Escape' : key, ctrlKey: false, altKey: false, metaKey: false }), key).not.toBeNull()
    }
    expect(roomCommandOf({ key: 'm', ctrlKey: true, altKey: false, metaKey: false })).toBeNull()
  })
})
