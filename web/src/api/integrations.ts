/** Calls about other systems that are told, typed (docs/http-api.md). */
import { apiPath, get, patch, post, remove } from './client'
import type { Page } from './types'

export const TOPICS = ['incidents', 'alarms'] as const
export type Topic = (typeof TOPICS)[number]

export const DELIVERY_STATES = ['waiting', 'delivered', 'dead'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

export const CHANNEL_KINDS = ['webhook', 'email', 'mqtt'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

export interface MailOptions {
  username: string | null
  sender: string
  recipients: string[]
}

export interface MqttOptions {
  username: string | null
  topic: string
}

export interface Channel {
  id: string
  name: string
  kind: ChannelKind
  address: string
  /** Of e-mail and MQTT; never a password. */
  options: MailOptions | MqttOptions | null
  topics: Topic[]
  enabled: boolean
  delivered_us: number | null
  failed_us: number | null
  error: string | null
  failures: number
  next_try_us: number
  old_secret_until_us: number | null
  waiting: number
  dead: number
}

/** A password left out is the one that is kept. */
type Account<Options> = Options & { password?: string }

export interface ChannelBody {
  name: string
  address: string
  topics: Topic[]
  email?: Account<MailOptions>
  mqtt?: Account<MqttOptions>
}

export interface Delivery {
  id: string
  channel_id: string
  channel_name: string
  kind: string
  body: Record<string, unknown>
  state: DeliveryState
  created_us: number
  tries: number
  tried_us: number | null
  status: number | null
  error: string | null
  done_us: number | null
}

export const integrations = {
  channels: (): Promise<Page<Channel>> => get('/api/integrations/channels'),
  add: (body: ChannelBody & { kind: ChannelKind }): Promise<Channel & { secret?: string }> => post('/api/integrations/channels', body),
  change: (id: string, body: Partial<ChannelBody & { enabled: boolean }>): Promise<Channel> =>
    patch(apiPath('integrations', 'channels', id), body),
  remove: (id: string): Promise<void> => remove(apiPath('integrations', 'channels', id)),
  rotate: (id: string): Promise<Channel & { secret: string }> => post(apiPath('integrations', 'channels', id, 'secret')),
  test: (id: string): Promise<void> => post(apiPath('integrations', 'channels', id, 'test')),
  deliveries: (
    filter: { channel_id?: string; state?: DeliveryState; cursor?: string },
    signal?: AbortSignal,
  ): Promise<Page<Delivery>> => get('/api/integrations/deliveries', filter, signal),
  resend: (ids: string[]): Promise<{ count: number }> => post('/api/integrations/deliveries/resend', { delivery_ids: ids }),
}
