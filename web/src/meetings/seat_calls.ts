/** What a page asks the gateway as whoever sits in a meeting: with an account, or as a guest. */
import { ApiError } from '@/api/errors'
import type { Page } from '@/api/types'

import { guests, meetings, type Joined, type Message } from './api'

export interface SeatCalls {
  join(signal: AbortSignal): Promise<Joined>
  hand(up: boolean): Promise<void>
  say(text: string): Promise<Message>
  /** Those after a number; after 0, the newest. */
  messages(after: number): Promise<Page<Message>>
}

/** `place`: as which of several, and the link's code of who came by it. */
export const accountCalls = (meetingId: string, place: () => { participant_id?: string; code?: string }): SeatCalls => ({
  join: (signal) => meetings.join(meetingId, place(), signal),
  hand: (up) => meetings.hand(meetingId, up),
  say: (text) => meetings.say(meetingId, text),
  messages: (after) => meetings.messages(meetingId, after),
})

const ARRIVES_MS = 700
const TRIES = 6

/** `token`: what the guest was given at the door; `first`: the seat that was taken already, once. */
export const guestCalls = (meetingId: string, token: () => string, first: () => Joined | null): SeatCalls => ({
  join: async (signal) => first() ?? (await guests.join(meetingId, token(), signal)),
  hand: (up) => guests.hand(meetingId, token(), up),
  say: (text) => guests.say(meetingId, token(), text),
  // Who comes back is told of the chat a moment before the gateway has noted that they are back.
  messages: async (after) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await guests.messages(meetingId, token(), after)
      } catch (error) {
        if (attempt === TRIES || !(error instanceof ApiError) || error.code !== 'join_first') throw error
        await new Promise((resolve) => window.setTimeout(resolve, ARRIVES_MS))
      }
    }
  },
})
