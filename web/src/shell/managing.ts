/** The pages under "Manage": which there are, and what one needs to have them. */
import { allowedPages, type SectionPage } from './sections'

export const MANAGING: readonly SectionPage[] = [
  { name: 'cameras', rights: ['configure'], component: () => import('@/cameras/CamerasPage.vue') },
  { name: 'platforms', rights: ['configure'], component: () => import('@/platforms/PlatformsPage.vue') },
  { name: 'analysis', rights: ['search', 'configure'], component: () => import('@/analysis/AnalysisPage.vue') },
  { name: 'areas', rights: ['configure', 'grant'], component: () => import('@/areas/AreasPage.vue') },
  { name: 'users', rights: ['users', 'grant'], component: () => import('@/users/UsersPage.vue') },
  { name: 'units', rights: ['users', 'dispatch'], component: () => import('@/incidents/UnitsPage.vue') },
  { name: 'sheets', rights: ['configure', 'users'], component: () => import('@/sheets/SheetsPage.vue') },
  { name: 'desks', rights: ['users'], component: () => import('@/shift/DesksPage.vue') },
  { name: 'tokens', rights: ['users'], component: () => import('@/tokens/TokensPage.vue') },
  { name: 'integrations', rights: ['system'], component: () => import('@/integrations/IntegrationsPage.vue') },
  { name: 'audit', rights: ['audit'], component: () => import('@/audit/AuditPage.vue') },
  { name: 'retention', rights: ['audit', 'configure'], component: () => import('@/privacy/RetentionPage.vue') },
  { name: 'forecast', rights: ['audit', 'configure'], component: () => import('@/forecast/ForecastPage.vue') },
  { name: 'system', rights: ['system'], component: () => import('@/system/SystemPage.vue') },
]

export const managingPages = allowedPages(MANAGING)
