/**
 * The little of ISO/IEC 14496-12 that a player needs: when each picture of a fragment is shown, and
 * initialisation segments and fragments with the sound taken out.
 */

interface Box {
  type: string
  start: number
  body: number
  end: number
}

export interface PictureTrack {
  id: number
  timescale: number
  default_duration: number
}

/** Child boxes between two offsets; a malformed size ends the list. */
function* boxes(view: DataView, start: number, end: number): Generator<Box> {
  let at = start
  while (at + 8 <= end) {
    let size = view.getUint32(at)
    let header = 8
    if (size === 1 && at + 16 <= end) {
      size = view.getUint32(at + 8) * 2 ** 32 + view.getUint32(at + 12)
      header = 16
    } else if (size === 0) {
      size = end - at
    }
    if (size < header || at + size > end) return
    const type = String.fromCharCode(
      view.getUint8(at + 4),
      view.getUint8(at + 5),
      view.getUint8(at + 6),
      view.getUint8(at + 7),
    )
    yield { type, start: at, body: at + header, end: at + size }
    at += size
  }
}

function child(view: DataView, parent: Box, ...path: string[]): Box | null {
  let box: Box | null = parent
  for (const type of path) {
    let found: Box | null = null
    for (const candidate of boxes(view, (box as Box).body, (box as Box).end)) {
      if (candidate.type === type) {
        found = candidate
        break
      }
    }
    if (!found) return null
    box = found
  }
  return box
}

const whole = (view: DataView): Box => ({ type: '', start: 0, body: 0, end: view.byteLength })

function trackId(view: DataView, trak: Box): number {
  const tkhd = child(view, trak, 'tkhd')
  if (!tkhd) return 0
  const long = view.getUint8(tkhd.body) === 1
  return view.getUint32(tkhd.body + (long ? 20 : 12))
}

function handler(view: DataView, trak: Box): string {
  const hdlr = child(view, trak, 'mdia', 'hdlr')
  if (!hdlr) return ''
  const at = hdlr.body + 8
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)))
}

function tracks(view: DataView, type: string): Box[] {
  const moov = child(view, whole(view), 'moov')
  if (!moov) return []
  return [...boxes(view, moov.body, moov.end)].filter(
    (box) => box.type === 'trak' && handler(view, box) === type,
  )
}

/** The picture track of an initialisation segment, or null. */
export function pictureTrack(init: Uint8Array): PictureTrack | null {
  const view = new DataView(init.buffer, init.byteOffset, init.byteLength)
  const trak = tracks(view, 'vide')[0]
  const moov = child(view, whole(view), 'moov')
  if (!trak || !moov) return null
  const mdhd = child(view, trak, 'mdia', 'mdhd')
  if (!mdhd) return null
  const timescale = view.getUint32(mdhd.body + (view.getUint8(mdhd.body) === 1 ? 20 : 12))
  const id = trackId(view, trak)
  let default_duration = 0
  const mvex = child(view, moov, 'mvex')
  if (mvex) {
    for (const trex of boxes(view, mvex.body, mvex.end)) {
      if (trex.type === 'trex' && view.getUint32(trex.body + 4) === id) {
        default_duration = view.getUint32(trex.body + 12)
      }
    }
  }
  return timescale ? { id, timescale, default_duration } : null
}

/** When each picture of the fragments is shown: µs since the run's start, in order of showing. */
export function pictureTimes(fragments: Uint8Array, track: PictureTrack): number[] {
  const view = new DataView(fragments.buffer, fragments.byteOffset, fragments.byteLength)
  const times: number[] = []
  for (const moof of boxes(view, 0, view.byteLength)) {
    if (moof.type !== 'moof') continue
    for (const traf of boxes(view, moof.body, moof.end)) {
      if (traf.type === 'traf') collectTimes(view, traf, track, times)
    }
  }
  return times.sort((a, b) => a - b)
}

function collectTimes(view: DataView, traf: Box, track: PictureTrack, times: number[]): void {
  const tfhd = child(view, traf, 'tfhd')
  const tfdt = child(view, traf, 'tfdt')
  if (!tfhd || !tfdt || view.getUint32(tfhd.body + 4) !== track.id) return
  const tfhdFlags = view.getUint32(tfhd.body) & 0xffffff
  let at = tfhd.body + 8
  if (tfhdFlags & 0x1) at += 8
  if (tfhdFlags & 0x2) at += 4
  const defaultDuration = tfhdFlags & 0x8 ? view.getUint32(at) : track.default_duration
  let decodeTime =
    view.getUint8(tfdt.body) === 1
      ? view.getUint32(tfdt.body + 4) * 2 ** 32 + view.getUint32(tfdt.body + 8)
      : view.getUint32(tfdt.body + 4)
  for (const trun of boxes(view, traf.body, traf.end)) {
    if (trun.type !== 'trun') continue
    const version = view.getUint8(trun.body)
    const flags = view.getUint32(trun.body) & 0xffffff
    const count = view.getUint32(trun.body + 4)
    let sample = trun.body + 8 + (flags & 0x1 ? 4 : 0) + (flags & 0x4 ? 4 : 0)
    const stride = 4 * [0x100, 0x200, 0x400, 0x800].filter((bit) => flags & bit).length
    if (sample + count * stride > trun.end) return
    for (let i = 0; i < count; i += 1, sample += stride) {
      const duration = flags & 0x100 ? view.getUint32(sample) : defaultDuration
      let shown = decodeTime
      if (flags & 0x800) {
        const offset = sample + stride - 4
        shown += version === 0 ? view.getUint32(offset) : view.getInt32(offset)
      }
      times.push(Math.round((shown * 1e6) / track.timescale))
      decodeTime += duration
    }
  }
}

/** The sound tracks of an initialisation segment. */
export function soundTrackIds(init: Uint8Array): number[] {
  const view = new DataView(init.buffer, init.byteOffset, init.byteLength)
  return tracks(view, 'soun').map((trak) => trackId(view, trak))
}

function free(view: DataView, box: Box): void {
  view.setUint32(box.start + 4, 0x66726565)
}

/**
 * Take the sound out, in place: its boxes are renamed `free` (§8.1.2), so that no offset changes.
 * MSE wants the same number of tracks in every run of a source buffer; pictures alone always fit.
 */
export function muteInit(init: Uint8Array): void {
  const view = new DataView(init.buffer, init.byteOffset, init.byteLength)
  const ids = soundTrackIds(init)
  const moov = child(view, whole(view), 'moov')
  if (!moov || ids.length === 0) return
  const mvex = child(view, moov, 'mvex')
  if (mvex) {
    for (const trex of boxes(view, mvex.body, mvex.end)) {
      if (trex.type === 'trex' && ids.includes(view.getUint32(trex.body + 4))) free(view, trex)
    }
  }
  for (const trak of tracks(view, 'soun')) free(view, trak)
}

/** The same for fragments; `ids` are those of {@link soundTrackIds}. */
export function muteFragments(fragments: Uint8Array, ids: readonly number[]): void {
  if (ids.length === 0) return
  const view = new DataView(fragments.buffer, fragments.byteOffset, fragments.byteLength)
  for (const moof of boxes(view, 0, view.byteLength)) {
    if (moof.type !== 'moof') continue
    for (const traf of boxes(view, moof.body, moof.end)) {
      if (traf.type !== 'traf') continue
      const tfhd = child(view, traf, 'tfhd')
      if (tfhd && ids.includes(view.getUint32(tfhd.body + 4))) free(view, traf)
    }
  }
}

/** The picture codec alone of a MIME type with several codecs. */
export function pictureMime(mime: string): string {
  return mime.replace(/codecs="([^"]*)"/, (_, list: string) => {
    const codecs = list.split(',').map((codec) => codec.trim())
    const pictures = codecs.filter((codec) => /^(avc|hvc|hev|vp0|av01|mp4v)/.test(codec))
    return `codecs="${(pictures.length ? pictures : codecs).join(', ')}"`
  })
}
