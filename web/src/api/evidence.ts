/** Cases, holds and exports (docs/http-api.md). */
import { get } from './client'
import type { Page } from './types'

export interface Case {
  id: string
  number: string
  title: string
  state: 'open' | 'closed'
}

export const cases = {
  list: (query: { state?: 'open' | 'closed' } = {}): Promise<Page<Case>> => get('/api/cases', query),
}
