/** By the gateway's error codes: what happened and what to do about it. */
export default {
  sign_in_required: 'Your session has ended. Please sign in again.',
  not_allowed: 'You do not have this right. Ask a system administrator if your work needs it.',
  not_found: 'Not found: it was deleted, or you may not see it. Refresh and try again.',
  conflict: 'This clashes with something that exists (a name in use, say). Change it and try again.',
  invalid: 'Something in the form is not right. Please check the fields marked below.',
  too_many_attempts: 'Too many attempts. Please wait {seconds} s and try again.',
  unavailable: 'The service is not available just now. Try again shortly; if it stays, see the System page.',
  unreachable: 'The gateway cannot be reached. Check cable and network; the console reconnects by itself.',
  server_fault: 'The gateway had an internal fault and logged it. Try again; tell an administrator if it recurs.',
  restream_off: 'RTSP restreaming is off. An administrator can set restream.enabled in the settings.',
  queued: 'All transcoder places are taken; waiting in the queue.',
  wrong_password: 'Name or password is wrong. Check capitals and try again.',
  password_too_weak: 'The new password is too weak: at least 10 characters, and not the user name.',
  unplayable: 'This browser cannot play the format. Use a current browser, or the sub-stream.',
  unknown: 'That failed ({code}): {message}',
}
