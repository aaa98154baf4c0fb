/* Opens the report page where there is no network: pages from the network first, parts from what is kept. */
'use strict'
var KEPT = 'field-1'
var PAGE = '/field/'

self.addEventListener('install', function (event) {
  event.waitUntil(caches.open(KEPT).then(function (cache) { return cache.add(PAGE) }).then(function () { return self.skipWaiting() }))
})

self.addEventListener('activate', function (event) {
  event.waitUntil(self.clients.claim())
})

function keep(request, response) {
  if (response.ok) {
    var copy = response.clone()
    caches.open(KEPT).then(function (cache) { cache.put(request, copy) })
  }
  return response
}

self.addEventListener('fetch', function (event) {
  var request = event.request
  var path = new URL(request.url).pathname
  if (request.method !== 'GET' || path.indexOf('/api/') === 0 || path.indexOf('/s/') === 0) return
  if (request.mode === 'navigate') {
    event.respondWith(
      fetch(request).then(function (response) { return keep(PAGE, response) }, function () { return caches.match(PAGE) }),
    )
    return
  }
  if (path.indexOf('/assets/') === 0 || path === '/favicon.svg') {
    event.respondWith(
      caches.match(request).then(function (known) {
        return known || fetch(request).then(function (response) { return keep(request, response) })
      }),
    )
  }
})
