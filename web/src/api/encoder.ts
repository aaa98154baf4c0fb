/** What a device's encoder is set to, stream by stream (docs/http-api.md). */
import { apiPath, get, patch } from './client'

export interface EncoderSettings {
  codec: string
  width: number
  height: number
  frames_per_second: number
  bitrate_bps: number
  gop_pictures: number
}

/** For one codec; empty or (0, 0) where the device does not say. */
export interface EncoderChoices {
  codec: string
  resolutions: [number, number][]
  frames_per_second: [number, number]
  bitrate_bps: [number, number]
  gop_pictures: [number, number]
}

export interface EncoderStream extends EncoderSettings {
  variant: 'main' | 'sub'
  choices: EncoderChoices[]
}

export const encoder = {
  read: (cameraId: string): Promise<{ streams: EncoderStream[] }> => get(apiPath('cameras', cameraId, 'encoder')),
  /** Gives what the device has set itself to. */
  change: (cameraId: string, body: Partial<EncoderSettings> & { variant: string }): Promise<{ streams: EncoderStream[] }> =>
    patch(apiPath('cameras', cameraId, 'encoder'), body),
}
