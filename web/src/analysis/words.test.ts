import { describe, expect, it } from 'vitest'

import type { AnalysedCamera, AnalysisHealth } from '@/api/analysis'

import { inPlace, isLate, lagText, verdictOf } from './words'

const camera = (lag_s: number, state: AnalysedCamera['state'] = 'live'): AnalysedCamera => ({
  camera_id: 'cam_1', camera_name: '村口', mode: 'auto', state, detail: '', since_us: null, variant: 'sub', looked_until_us: null, lag_s, waiting_units: 0, dropped_units: 0, damaged_units: 0,
})

const health = (change: Partial<AnalysisHealth>): AnalysisHealth => ({
  available: true, enabled: true, model: 'nanodet', provider: 'cpu', classes: [], vector_kind: null, models: [], message: '', waiting_passages: 0, passages: 0, workers: [],
  footage: { waiting_stretches: 0, waiting_s: 0, failed_stretches: 0, pictures: 0, passages: 0, message: '' },
  counts: { live: 1, silent: 0, connecting: 0, resting: 0, off: 0 }, cameras: [camera(0)], left_out: 0, ...change,
})

const worker = { name: '1', message: '', last_fault: '', restarts: 0, memory_bytes: 0, busy: 0, pictures: 0, pictures_per_s: 0, failed_pictures: 0, undescribed: 0, skipped_batches: 0 }

describe('how analysis is doing', () => {
  it('is off or away before it is anything else', () => {
    expect(verdictOf(health({ enabled: false, available: false }))).toBe('off')
    expect(verdictOf(health({ available: false }))).toBe('away')
  })

  it('fails while a worker takes no pictures', () => {
    expect(verdictOf(health({ workers: [{ ...worker, state: 'refused' }] }))).toBe('failing')
    expect(verdictOf(health({ workers: [{ ...worker, state: 'ready' }] }))).toBe('well')
  })

  it('lists what is late first, and else keeps cameras in their places', () => {
    const named = (camera_name: string, lag_s: number): AnalysedCamera => ({ ...camera(lag_s), camera_id: camera_name, camera_name })
    expect(inPlace([named('c', 0.3), named('a', 0.1), named('b', 40)]).map(({ camera_name }) => camera_name)).toEqual(['b', 'a', 'c'])
  })

  it('is late when a picture of a camera has waited for half a minute', () => {
    expect(verdictOf(health({ cameras: [camera(31)] }))).toBe('late')
    expect(isLate(camera(31, 'silent'))).toBe(false)
    expect(lagText(camera(31, 'off'))).toBe('—')
  })
})
