import { createRouter, createWebHistory } from 'vue-router'

import type { Right } from '@/api/types'
import { COMMAND } from '@/shell/command'
import { MANAGING } from '@/shell/managing'
import { type Section, sectionRoutes } from '@/shell/sections'
import { useSession } from '@/stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a session. */
    open?: boolean
    /** Needs one of these rights somewhere. */
    rights?: readonly Right[]
    /** The section whose pages stand in a row above it. */
    section?: Section
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/wall' },
    { path: '/sign-in', name: 'sign-in', component: () => import('@/sign-in/SignInPage.vue'), meta: { open: true } },
    { path: '/wall', name: 'wall', component: () => import('@/wall/WallPage.vue') },
    { path: '/playback', name: 'playback', component: () => import('@/playback/PlaybackPage.vue') },
    { path: '/sightings', name: 'sightings', component: () => import('@/sightings/SightingsPage.vue'), meta: { rights: ['search'] } },
    {
      path: '/search/:view(objects|change|trails|requests)?', name: 'search', component: () => import('@/search/SearchPage.vue'),
      meta: { rights: ['search', 'approve'] },
    },
    { path: '/account', name: 'account', component: () => import('@/account/AccountPage.vue') },
    { path: '/shift', name: 'shift', component: () => import('@/shift/ShiftPage.vue') },
    { path: '/users/:id', name: 'user', component: () => import('@/users/UserPage.vue'), meta: { rights: ['users', 'grant'], section: 'manage' } },
    { path: '/platforms/register', name: 'register', component: () => import('@/wizard/WizardPage.vue'), meta: { rights: ['configure'], section: 'manage' } },
    { path: '/platforms/by-address', name: 'by-address', component: () => import('@/wizard/ByAddressPage.vue'), meta: { rights: ['configure'], section: 'manage' } },
    { path: '/platforms/:id', name: 'platform', component: () => import('@/platforms/PlatformPage.vue'), meta: { rights: ['configure'], section: 'manage' } },
    { path: '/evidence/:view(cases|holds|exports)?', name: 'evidence', component: () => import('@/evidence/EvidencePage.vue') },
    { path: '/alarms/:view(open|events|switches|rules)?', name: 'alarms', component: () => import('@/alarms/AlarmsPage.vue'), meta: { rights: ['live'] } },
    { path: '/meetings/site', name: 'meeting-site', component: () => import('@/meetings/SitePage.vue'), meta: { rights: ['meet', 'convene'] } },
    {
      path: '/meetings/recordings/:meeting?', name: 'meeting-recordings', component: () => import('@/meetings/recordings/RecordingsPage.vue'),
      meta: { rights: ['meet', 'convene'] },
    },
    {
      path: '/meetings/recordings/:meeting/:id', name: 'meeting-recording', component: () => import('@/meetings/recordings/RecordingPage.vue'),
      meta: { rights: ['meet', 'convene'] },
    },
    {
      path: '/meetings/:view(today|coming|running|ended)?', name: 'meetings', component: () => import('@/meetings/MeetingsPage.vue'),
      meta: { rights: ['meet', 'convene'] },
    },
    { path: '/meetings/room/:id/roll-calls/:call/paper', name: 'roll-call-paper', component: () => import('@/meetings/RollCallPaper.vue'), meta: { rights: ['meet', 'convene'] } },
    { path: '/meetings/room/:id/papers/:paper(agenda|minutes|files|roll_calls|attendance)?', name: 'papers', component: () => import('@/meetings/papers/PapersPage.vue'), meta: { rights: ['meet', 'convene'] } },
    { path: '/meetings/room/:id/rehearsal', name: 'rehearsal', component: () => import('@/meetings/rehearsal/RehearsalPage.vue'), meta: { rights: ['meet', 'convene'] } },
    { path: '/meetings/rehearsal', name: 'area-rehearsal', component: () => import('@/meetings/rehearsal/RehearsalPage.vue'), meta: { rights: ['convene'] } },
    { path: '/meetings/room/:id', name: 'meeting', component: () => import('@/meetings/RoomPage.vue'), meta: { rights: ['meet', 'convene'] } },
    { path: '/m/:id', name: 'guest', component: () => import('@/meetings/GuestPage.vue'), meta: { open: true } },
    { path: '/cases/:id', name: 'case', component: () => import('@/evidence/CasePage.vue') },
    { path: '/cameras/:id/masks', name: 'masks', component: () => import('@/privacy/MasksPage.vue'), meta: { section: 'manage' } },
    { path: '/cameras/:id/zones', name: 'zones', component: () => import('@/zones/ZonesPage.vue'), meta: { section: 'manage' } },
    { path: '/incidents/:id', name: 'incident', component: () => import('@/incidents/IncidentPage.vue'), meta: { rights: ['incidents', 'handle', 'dispatch', 'report'], section: 'command' } },
    { path: '/assist/:id', name: 'assist-request', component: () => import('@/assist/RequestPage.vue'), props: true, meta: { rights: ['search', 'approve', 'playback'], section: 'command' } },
    { path: '/notices/:id', name: 'notice', component: () => import('@/noticeboard/NoticePage.vue'), props: true, meta: { section: 'command' } },
    { path: '/screen/:id', name: 'screen', component: () => import('@/screens/ScreenPage.vue'), meta: { rights: ['live'] } },
    ...sectionRoutes('manage', MANAGING),
    ...sectionRoutes('command', COMMAND),
    { path: '/:missing(.*)*', name: 'missing', component: () => import('@/shell/MissingPage.vue') },
  ],
})

router.beforeEach(async (to) => {
  if (to.meta.open === true) return true
  const session = useSession()
  if (!session.signedIn && !session.expired) {
    try {
      await session.load()
    } catch {
      // Unreachable: the page itself says so and tries again.
    }
  }
  if (!session.signedIn || session.current?.must_change_password === true) {
    return { name: 'sign-in', query: to.fullPath === '/wall' ? {} : { to: to.fullPath } }
  }
  // The gateway refuses everything else until then.
  if (session.current?.must_enrol_totp === true && to.name !== 'account') return { name: 'account' }
  return true
})
