// webrtc.h -- the WebRTC side of a loop, as the settings want it: data channels and rtc.h's sockets.
//
// Threads:  create and destroy on the loop's thread; the data channels have one of their own.
// Memory:   one block; rtc.h and sctp.h say theirs.
// Errors:   the reason is in the log as one sentence; IO, INVALID, NOMEM.
#ifndef PRL_SERVER_WEBRTC_H
#define PRL_SERVER_WEBRTC_H

#include "net/loop.h"
#include "rtc/rtc.h"
#include "server/settings.h"

struct prl_webrtc;

struct prl_webrtc_conf { // all borrowed
    struct prl_loop *loop;
    const struct prl_settings *settings;
    const struct prl_webrtc
        *first; // that of the first loop, whose data channels serve all; NULL: it is this
    unsigned loops, index; // how many there are, and which one this is, from 0
};

// The loop's index is added to both ports; each loop takes its part of rtc.peers_max, rounded up. With
// rtc.enabled off *out is an object without sockets.
enum prl_err prl_webrtc_create(struct prl_webrtc **out,
                               const struct prl_webrtc_conf *conf) PRL_MUST_USE;
// Every peer must have been closed before; the first loop's is the last to be destroyed.
void prl_webrtc_destroy(struct prl_webrtc **webrtc);
// NULL: switched off.
struct prl_rtc *prl_webrtc_rtc(const struct prl_webrtc *webrtc);

#endif
