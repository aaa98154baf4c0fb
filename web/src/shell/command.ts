/** The pages of the command centre: which there are, and what one needs to have them. */
import { allowedPages, type SectionPage } from './sections'

export const COMMAND: readonly SectionPage[] = [
  { name: 'incidents', rights: ['incidents', 'handle', 'dispatch', 'report'], component: () => import('@/incidents/IncidentsPage.vue') },
  { name: 'map', rights: ['live'], component: () => import('@/map/MapPage.vue') },
  { name: 'assist', rights: ['search', 'approve', 'playback'], component: () => import('@/assist/AssistPage.vue') },
  { name: 'roster', rights: ['incidents', 'handle', 'dispatch'], component: () => import('@/incidents/DutyPage.vue') },
  { name: 'statistics', rights: ['incidents'], component: () => import('@/incidents/StatisticsPage.vue') },
  { name: 'screens', rights: ['live'], component: () => import('@/screens/ScreensPage.vue') },
  { name: 'health', rights: ['live'], component: () => import('@/health/HealthPage.vue') },
  // Whoever has an account may be asked to read one.
  { name: 'notices', component: () => import('@/noticeboard/NoticesPage.vue') },
]

export const commandPages = allowedPages(COMMAND)
