import { createRouter, createWebHistory } from 'vue-router'

import type { Right } from '@/api/types'
import { useSession } from '@/stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a session. */
    open?: boolean
    /** Needs this right somewhere; 'admin' means system administrator. */
    right?: Right
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', redirect: '/wall' },
    { path: '/sign-in', name: 'sign-in', component: () => import('@/sign-in/SignInPage.vue'), meta: { open: true } },
    { path: '/wall', name: 'wall', component: () => import('@/wall/WallPage.vue') },
    { path: '/playback', name: 'playback', component: () => import('@/playback/PlaybackPage.vue') },
    { path: '/cameras', name: 'cameras', component: () => import('@/cameras/CamerasPage.vue'), meta: { right: 'configure' } },
    { path: '/users', name: 'users', component: () => import('@/users/UsersPage.vue'), meta: { right: 'admin' } },
    { path: '/audit', name: 'audit', component: () => import('@/audit/AuditPage.vue'), meta: { right: 'audit' } },
    { path: '/system', name: 'system', component: () => import('@/system/SystemPage.vue') },
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
  return true
})
