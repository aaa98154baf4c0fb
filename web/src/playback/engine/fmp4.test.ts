import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { muteFragments, muteInit, pictureMime, pictureTimes, pictureTrack, soundTrackIds } from './fmp4'

// ISO/IEC 14496-12 boxes, written out by hand: an independent reading of the standard.
const u32 = (...values: number[]) => values.flatMap((v) => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255])
const box = (type: string, ...parts: number[][]): number[] => {
  const body = parts.flat()
  return [...u32(body.length + 8), ...[...type].map((c) => c.charCodeAt(0)), ...body]
}
const zeros = (count: number) => Array<number>(count).fill(0)
const ascii = (text: string) => [...text].map((c) => c.charCodeAt(0))

function trak(id: number, handler: string, timescale: number): number[] {
  return box(
    'trak',
    box('tkhd', u32(3), u32(0, 0, id), zeros(72)),
    box('mdia', box('mdhd', u32(0, 0, 0, timescale, 0), zeros(4)), box('hdlr', u32(0, 0), ascii(handler), zeros(13))),
  )
}
const trex = (id: number, duration: number) => box('trex', u32(0, id, 1, duration, 0, 0))
const init = () =>
  new Uint8Array([
    ...box('ftyp', ascii('iso6'), u32(0)),
    ...box('moov', box('mvhd', zeros(100)), trak(1, 'vide', 90_000), trak(2, 'soun', 44_100), box('mvex', trex(1, 3600), trex(2, 1024))),
  ])

/** A fragment with durations and composition offsets (trun version 1) of the picture track, and sound. */
function fragment(decode_time: number, samples: [number, number][]): Uint8Array<ArrayBuffer> {
  return new Uint8Array([
    ...box(
      'moof',
      box('mfhd', u32(0, 1)),
      box(
        'traf',
        box('tfhd', u32(0x20000, 1)),
        box('tfdt', u32(0x1000000, 0, decode_time)),
        box('trun', u32(0x1000b01, samples.length, 0), ...samples.map(([d, o]) => u32(d, 10, o))),
      ),
      box('traf', box('tfhd', u32(0x20000, 2)), box('tfdt', u32(0, 77)), box('trun', u32(0x1, 3, 0))),
    ),
    ...box('mdat', zeros(30)),
  ])
}

describe('fragments', () => {
  it('tell when each picture is shown, in the order of showing', () => {
    const track = pictureTrack(init())!
    expect(track).toEqual({ id: 1, timescale: 90_000, default_duration: 3600 })
    const bytes = fragment(180_000, [[9000, 9000], [9000, 18_000], [9000, -9000]])
    expect(pictureTimes(bytes, track)).toEqual([2_100_000, 2_100_000, 2_300_000])
  })

  it('read one after the other as when they are concatenated', () => {
    const track = pictureTrack(init())!
    const first = fragment(0, [[9000, 0], [9000, 0]])
    const second = fragment(18_000, [[9000, 0]])
    const both = new Uint8Array([...first, ...second])
    expect(pictureTimes(both, track)).toEqual([0, 100_000, 200_000])
  })

  it('lose their sound in place, and nothing else', () => {
    const bytes = init()
    const ids = soundTrackIds(bytes)
    expect(ids).toEqual([2])
    const length = bytes.length
    muteInit(bytes)
    expect(bytes.length).toBe(length)
    expect(soundTrackIds(bytes)).toEqual([])
    expect(pictureTrack(bytes)).toEqual(pictureTrack(init()))

    const media = fragment(0, [[9000, 0]])
    const times = pictureTimes(media, pictureTrack(bytes)!)
    muteFragments(media, ids)
    expect(pictureTimes(media, pictureTrack(bytes)!)).toEqual(times)
    expect(new TextDecoder('latin1').decode(media).match(/traf/g)).toHaveLength(1)
  })

  it('that are broken never throw', () => {
    const track = pictureTrack(init())!
    const good = fragment(0, [[9000, 0], [9000, 0]])
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(good.length), (at, value, cut) => {
        const broken = good.slice()
        broken[at] = value
        const part = broken.slice(0, cut)
        pictureTimes(part, track)
        muteFragments(part, [2])
      }),
    )
  })
})

describe('a MIME type', () => {
  it('is cut down to its pictures', () => {
    expect(pictureMime('video/mp4; codecs="avc1.64001f,mp4a.40.2"')).toBe('video/mp4; codecs="avc1.64001f"')
    expect(pictureMime('video/mp4; codecs="hvc1.1.6.L93.B0"')).toBe('video/mp4; codecs="hvc1.1.6.L93.B0"')
  })
})
