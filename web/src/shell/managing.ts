/** The pages under "Manage": which there are, and what one needs to have them. */
import type { Component } from 'vue'

import type { Right } from '@/api/types'

export interface ManagingPage {
  /** Of the route, of its path, and of its word in `shell`. */
  name: string
  /** Any of these will do; everybody has the page without. */
  rights?: readonly Right[]
  component: () => Promise<Component>
}

export const MANAGING: readonly ManagingPage[] = [
  { name: 'cameras', rights: ['configure'], component: () => import('@/cameras/CamerasPage.vue') },
  { name: 'platforms', rights: ['configure'], component: () => import('@/platforms/PlatformsPage.vue') },
  { name: 'analysis', rights: ['search', 'configure'], component: () => import('@/analysis/AnalysisPage.vue') },
  { name: 'areas', rights: ['configure', 'grant'], component: () => import('@/areas/AreasPage.vue') },
  { name: 'users', rights: ['users', 'grant'], component: () => import('@/users/UsersPage.vue') },
  { name: 'sheets', rights: ['configure', 'users'], component: () => import('@/sheets/SheetsPage.vue') },
  { name: 'desks', rights: ['users'], component: () => import('@/shift/DesksPage.vue') },
  { name: 'tokens', rights: ['users'], component: () => import('@/tokens/TokensPage.vue') },
  { name: 'audit', rights: ['audit'], component: () => import('@/audit/AuditPage.vue') },
  { name: 'retention', rights: ['audit', 'configure'], component: () => import('@/privacy/RetentionPage.vue') },
  { name: 'forecast', rights: ['audit', 'configure'], component: () => import('@/forecast/ForecastPage.vue') },
  { name: 'system', rights: ['system'], component: () => import('@/system/SystemPage.vue') },
]

export const managingPages = (may: (right: Right) => boolean): ManagingPage[] =>
  MANAGING.filter(({ rights }) => rights?.some(may) ?? true)
