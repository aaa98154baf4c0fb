/** What a diagnosis found, in words: what is so, the figures behind it, what to do. */
import type { DiagnosisStep } from '@/api/alarms'
import { bitRate, bytes, clockOffset, shortTime } from '@/format'
import { codecName } from '@/live/statistics'
import { hasWords, translate } from '@/locales'

const worded = (keys: readonly string[], fallback: string): string => {
  const key = keys.find(hasWords)
  return key === undefined ? fallback : translate(key)
}

/** `stream.main` and `stream.sub` are one kind of step. */
const kindOf = (step: string): string => step.split('.')[0] ?? step

/** Every step that a camera goes through, in order, so that what is still to come is seen too. */
export const STEPS = [
  'name', 'reach', 'platform', 'stream.main', 'picture.main', 'stream.sub', 'picture.sub', 'same_picture', 'loss', 'clock', 'recording', 'history',
] as const

export const stepText = (step: string): string => worded([`diagnosis.steps.${step.replace('.', '_')}`], step)

export const foundText = ({ step, code }: Pick<DiagnosisStep, 'step' | 'code'>): string =>
  worded([`diagnosis.codes.${kindOf(step)}.${code}`, `platforms.faults.${code}`, `live.fault.${code}`, `errors.${code}`], code)

/** Nothing while all is well. */
export const adviceText = ({ step, code, result }: Pick<DiagnosisStep, 'step' | 'code' | 'result'>): string =>
  result === 'ok' || result === 'skip' ? '' : worded([`diagnosis.advice.${kindOf(step)}.${code}`], '')

const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The figures of a step, for those who want to know exactly. */
export function figuresText(step: DiagnosisStep): string {
  const parts: string[] = []
  const add = (part: string | null): void => {
    if (part) parts.push(part)
  }
  switch (kindOf(step.step)) {
    case 'name':
      add(Array.isArray(step['addresses']) ? step['addresses'].join(', ') : null)
      break
    case 'reach': {
      const connect_ms = number(step['connect_ms'])
      add(text(step['host']) === '' ? null : `${text(step['host'])}:${String(step['port'] ?? '')}`)
      add(connect_ms === null ? null : `${Math.round(connect_ms)} ms`)
      break
    }
    case 'platform': {
      const channel = text(step['channel_status'])
      add(channel === '' ? null : translate('diagnosis.channel', { state: worded([`diagnosis.channelStates.${channel}`], channel) }))
      const seen_us = number(step['seen_us'])
      add(seen_us === null ? null : translate('diagnosis.seen', { time: shortTime(seen_us) }))
      break
    }
    case 'stream':
      add(text(step['detail']))
      break
    case 'picture': {
      const [width, height] = [number(step['width']), number(step['height'])]
      const [rate, gop_s, bitrate_bps] = [number(step['frames_per_second']), number(step['gop_s']), number(step['bitrate_bps'])]
      add(text(step['codec']) === '' ? null : codecName(text(step['codec'])))
      add(width === null || height === null ? null : `${width}×${height}`)
      add(rate === null ? null : `${Math.round(rate)} fps`)
      add(bitrate_bps === null ? null : bitRate(bitrate_bps))
      add(gop_s === null ? null : translate('diagnosis.keyframeEvery', { seconds: Math.round(gop_s * 10) / 10 }))
      break
    }
    case 'loss': {
      const [packets, lost, percent] = [number(step['packets']), number(step['lost']), number(step['lost_percent'])]
      add(packets === null || lost === null ? null : translate('diagnosis.lost', { lost, packets, percent: percent === null ? '?' : percent.toFixed(2) }))
      add(number(step['bytes']) === null ? null : bytes(number(step['bytes'])))
      break
    }
    case 'clock': {
      const [stream_us, device_us] = [number(step['stream_offset_us']), number(step['device_offset_us'])]
      add(stream_us === null ? null : translate('diagnosis.streamClock', { offset: clockOffset(stream_us) }))
      add(device_us === null ? null : translate('diagnosis.deviceClock', { offset: clockOffset(device_us) }))
      break
    }
    default:
      break
  }
  return parts.join(' · ')
}
