/* Runs in every browser there is, so: ECMAScript 3. Sends those that cannot run the console
   to a plain page. Asks for what Chromium 86 has and its predecessors lack, not for names. */
(function () {
  var able =
    'noModule' in document.createElement('script') &&
    typeof window.Promise === 'function' &&
    typeof window.Promise.any === 'function' &&
    typeof window.WeakRef === 'function' &&
    typeof window.ResizeObserver === 'function' &&
    typeof Element.prototype.replaceChildren === 'function' &&
    (typeof window.RTCPeerConnection === 'function' || typeof window.MediaSource === 'function');
  if (!able) {
    window.location.replace('/old-browser.html');
  }
})();
