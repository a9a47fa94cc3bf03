// sctp_stack.c -- see sctp_stack.h.
//
// usrsctp knows the other side of a socket by an opaque address, which it hands back with each
// packet to send. We give it the slot's number plus one, so that nothing it holds is ever followed
// as a pointer. An address is registered at the first use of its slot and stays: taking one back
// would start an iterator on usrsctp's own thread.
//
// Callbacks only take notes: usrsctp calls them with its locks held, and calling it back from
// there is how others have met its deadlocks.
#include "rtc/sctp_stack.h"

#include <errno.h>
#include <string.h>
#include <usrsctp.h>

#include "base/check.h"
#include "rtc/sctp.h"

_Static_assert(PRL_SCTP_STREAMS == 64, "a set of streams is one 64-bit word");

enum {
    // A message goes to usrsctp whole or not at all, so the buffer holds the largest.
    SEND_BUFFER_BYTES = PRL_SCTP_MESSAGE_MAX + 16384,
    PARTIAL_BYTES = 32768, // a message longer than this is read before its end has come
    // usrsctp keeps each chunk in a cluster of 2 KiB, however short it is; it drops above this
    // count, so that a peer that sends single bytes holds at most half a megabyte.
    CHUNKS_MAX = 256,
    HEADER_BYTES = 12, // the common header, which usrsctp's MTU leaves out
    SACK_DELAY_MS = 100,
    HEARTBEAT_MS = 30000, // RFC 9260 §16; that the peer lives is ICE consent's business
    // Above the 200 ms for which peers delay a SACK, so that none is taken for a loss.
    RTO_MIN_MS = 400,
    RTO_INITIAL_MS = 500,
    RTO_MAX_MS = 3000,
    // With these an association outlives a loss of the network by about 40 s, so that ICE consent
    // (30 s) decides: 0.4 + 0.8 + 1.6 + 12 * 3.
    RETRANSMITS_MAX = 14,
    INIT_ATTEMPTS_MAX = 10, // about 27 s: 0.5 + 1 + 2 + 8 * 3
    FINISH_TICKS_MAX = 6000,
    FINISH_TICK_MS = 10,
};

// The one global of this folder: usrsctp's callback for packets has no argument of its user's.
static struct {
    const struct prl_sctp_stack_ops *ops; // NULL: not started
    void *arg;
    uint64_t registered[PRL_SCTP_ASSOCIATIONS_MAX / 64]; // slots whose address usrsctp knows
} stack;

static void *slot_address(uint32_t slot)
{
    return (void *)(uintptr_t)(slot + 1); // NOLINT(performance-no-int-to-ptr): never followed
}

static int on_packet(void *addr, void *data, size_t size, uint8_t tos, uint8_t set_df)
{
    (void)tos;
    (void)set_df;
    if (stack.ops)
        stack.ops->packet(stack.arg, (uint32_t)(uintptr_t)addr - 1, data, size);
    return 0;
}

static void on_wake(struct socket *socket, void *arg, int flags)
{
    (void)socket;
    (void)flags;
    if (stack.ops)
        stack.ops->wake(stack.arg, (uint32_t)(uintptr_t)arg - 1);
}

// ---- life ----

void prl_sctp_stack_start(const struct prl_sctp_stack_ops *ops, void *arg)
{
    PRL_CHECK(!stack.ops && ops && ops->packet && ops->wake);
    memset(&stack, 0, sizeof(stack));
    usrsctp_init_nothreads(0, on_packet, NULL);
    stack.arg = arg;
    stack.ops = ops;
    // Nothing of this belongs into a data channel.
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auto_asconf(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    // A packet without an association gets no answer (an ABORT would cost a stranger nothing).
    usrsctp_sysctl_set_sctp_blackhole(2);
    usrsctp_sysctl_set_sctp_max_chunks_on_queue(CHUNKS_MAX);
    usrsctp_sysctl_set_sctp_delayed_sack_time_default(SACK_DELAY_MS);
}

void prl_sctp_stack_stop(void)
{
    PRL_CHECK(stack.ops);
    // Endpoints that a timer still refers to go away when it fires.
    int ticks = 0;
    while (usrsctp_finish() != 0) {
        PRL_CHECK(ticks < FINISH_TICKS_MAX);
        usrsctp_handle_timers(FINISH_TICK_MS);
        ticks++;
    }
    memset(&stack, 0, sizeof(stack));
}

void prl_sctp_stack_tick(uint32_t elapsed_ms)
{
    usrsctp_handle_timers(elapsed_ms);
}

void prl_sctp_stack_ignore_checksums(void)
{
    usrsctp_enable_crc32c_offload();
}

// ---- opening ----

static int set_option(struct socket *socket, int option, const void *value, size_t size)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, (socklen_t)size);
}

static int set_events(struct socket *socket)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT,
                                     SCTP_SENDER_DRY_EVENT, SCTP_PARTIAL_DELIVERY_EVENT};
    int failed = 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct sctp_event event = {
            .se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = types[i], .se_on = 1};
        failed |= set_option(socket, SCTP_EVENT, &event, sizeof(event));
    }
    return failed;
}

static int set_times(struct socket *socket)
{
    struct sctp_rtoinfo rto = {
        .srto_initial = RTO_INITIAL_MS, .srto_max = RTO_MAX_MS, .srto_min = RTO_MIN_MS};
    struct sctp_assocparams assoc = {.sasoc_asocmaxrxt = RETRANSMITS_MAX};
    struct sctp_initmsg init = {.sinit_num_ostreams = PRL_SCTP_STREAMS,
                                .sinit_max_instreams = PRL_SCTP_STREAMS,
                                .sinit_max_attempts = INIT_ATTEMPTS_MAX,
                                .sinit_max_init_timeo = RTO_MAX_MS};
    struct sctp_paddrparams path = {.spp_hbinterval = HEARTBEAT_MS,
                                    .spp_pathmtu = PRL_SCTP_PACKET_MAX - HEADER_BYTES,
                                    .spp_flags = SPP_HB_ENABLE | SPP_PMTUD_DISABLE,
                                    .spp_pathmaxrxt = RETRANSMITS_MAX};
    path.spp_address.ss_family = AF_CONN;
    return set_option(socket, SCTP_RTOINFO, &rto, sizeof(rto)) |
           set_option(socket, SCTP_ASSOCINFO, &assoc, sizeof(assoc)) |
           set_option(socket, SCTP_INITMSG, &init, sizeof(init)) |
           set_option(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path));
}

static int set_up(struct socket *socket)
{
    const int on = 1;
    const int off = 0;
    const int send_bytes = SEND_BUFFER_BYTES;
    const int receive_bytes = PRL_SCTP_WINDOW;
    const uint32_t partial_bytes = PARTIAL_BYTES;
    struct linger linger = {.l_onoff = 1, .l_linger = 0}; // close means abort
    struct sctp_assoc_value reset = {.assoc_id = SCTP_ALL_ASSOC,
                                     .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    return usrsctp_set_non_blocking(socket, 1) |
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) |
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)) |
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
                              sizeof(receive_bytes)) |
           set_option(socket, SCTP_ENABLE_STREAM_RESET, &reset, sizeof(reset)) |
           set_option(socket, SCTP_NODELAY, &on, sizeof(on)) |
           set_option(socket, SCTP_RECVRCVINFO, &on, sizeof(on)) |
           set_option(socket, SCTP_FRAGMENT_INTERLEAVE, &off, sizeof(off)) |
           set_option(socket, SCTP_PARTIAL_DELIVERY_POINT, &partial_bytes, sizeof(partial_bytes)) |
           set_events(socket) | set_times(socket);
}

static struct sockaddr_conn make_address(uint32_t slot, uint16_t port)
{
    return (struct sockaddr_conn){.sconn_family = AF_CONN,
                                  .sconn_port = (uint16_t)(port << 8 | port >> 8),
                                  .sconn_addr = slot_address(slot)};
}

static bool connect_socket(struct socket *socket, uint32_t slot, uint16_t remote_port)
{
    struct sockaddr_conn local = make_address(slot, PRL_SCTP_PORT);
    struct sockaddr_conn remote = make_address(slot, remote_port);
    return usrsctp_bind(socket, (struct sockaddr *)&local, sizeof(local)) == 0 &&
           (usrsctp_connect(socket, (struct sockaddr *)&remote, sizeof(remote)) == 0 ||
            errno == EINPROGRESS);
}

enum prl_err prl_sctp_socket_open(struct prl_sctp_socket **out, uint32_t slot, uint16_t remote_port)
{
    PRL_CHECK(stack.ops && out && slot < PRL_SCTP_ASSOCIATIONS_MAX);
    *out = NULL;
    if (!(stack.registered[slot / 64] >> slot % 64 & 1)) {
        usrsctp_register_address(slot_address(slot));
        stack.registered[slot / 64] |= UINT64_C(1) << slot % 64;
    }
    struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (!socket)
        return PRL_ERR_NOMEM;
    if (usrsctp_set_upcall(socket, on_wake, slot_address(slot)) != 0 || set_up(socket) != 0 ||
        !connect_socket(socket, slot, remote_port)) {
        usrsctp_close(socket);
        return PRL_ERR_NOMEM;
    }
    *out = (struct prl_sctp_socket *)socket;
    return PRL_OK;
}

static struct socket *inner(struct prl_sctp_socket *socket)
{
    return (struct socket *)socket;
}

void prl_sctp_socket_close(struct prl_sctp_socket **socket)
{
    if (!*socket)
        return;
    usrsctp_close(inner(*socket));
    *socket = NULL;
}

void prl_sctp_stack_input(uint32_t slot, const uint8_t *data, size_t size)
{
    PRL_CHECK(stack.ops && slot < PRL_SCTP_ASSOCIATIONS_MAX);
    usrsctp_conninput(slot_address(slot), data, size, 0);
}

// ---- sending ----

enum prl_err prl_sctp_socket_send(struct prl_sctp_socket *socket, uint16_t stream, uint32_t ppid,
                                  const void *data, size_t size)
{
    PRL_CHECK(socket && data && size > 0 && size <= PRL_SCTP_MESSAGE_MAX);
    struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = __builtin_bswap32(ppid)};
    ssize_t sent = usrsctp_sendv(inner(socket), data, size, NULL, 0, &info, sizeof(info),
                                 SCTP_SENDV_SNDINFO, 0);
    if (sent == (ssize_t)size)
        return PRL_OK;
    return sent < 0 && (errno == EAGAIN || errno == ENOBUFS) ? PRL_ERR_AGAIN : PRL_ERR_IO;
}

enum prl_err prl_sctp_socket_reset(struct prl_sctp_socket *socket, uint16_t stream)
{
    PRL_CHECK(socket);
    union {
        struct sctp_reset_streams request;
        uint8_t bytes[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)];
    } reset = {.request = {.srs_assoc_id = SCTP_ALL_ASSOC,
                           .srs_flags = SCTP_STREAM_RESET_OUTGOING,
                           .srs_number_streams = 1}};
    memcpy(reset.bytes + sizeof(struct sctp_reset_streams), &stream, sizeof(stream));
    if (set_option(inner(socket), SCTP_RESET_STREAMS, &reset,
                   sizeof(struct sctp_reset_streams) + sizeof(uint16_t)) == 0)
        return PRL_OK;
    return errno == EALREADY || errno == EAGAIN || errno == EBUSY ? PRL_ERR_AGAIN : PRL_ERR_IO;
}

// ---- reading ----

// Who ended it: usrsctp tells the two sides apart only in the socket's error.
static enum prl_sctp_why why_lost(struct socket *socket)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (usrsctp_getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return PRL_SCTP_WHY_ABORT;
    return error == ETIMEDOUT || error == ECONNABORTED ? PRL_SCTP_WHY_TIMEOUT : PRL_SCTP_WHY_ABORT;
}

static void read_change(struct socket *socket, uint16_t state, struct prl_sctp_read *read)
{
    read->type = PRL_SCTP_READ_DOWN;
    switch (state) {
    case SCTP_COMM_UP:
        read->type = PRL_SCTP_READ_UP;
        break;
    case SCTP_SHUTDOWN_COMP:
        read->why = PRL_SCTP_WHY_SHUTDOWN;
        break;
    case SCTP_RESTART: // nobody restarts under one DTLS connection (RFC 8831 §6.2)
        read->why = PRL_SCTP_WHY_PROTOCOL;
        break;
    default:
        read->why = why_lost(socket);
        break;
    }
}

static void read_reset(const uint8_t *data, size_t size, struct prl_sctp_read *read)
{
    struct sctp_stream_reset_event event;
    if (size < sizeof(event))
        return;
    memcpy(&event, data, sizeof(event));
    read->type = event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? PRL_SCTP_READ_RESET_IN
                                                                       : PRL_SCTP_READ_RESET_OUT;
    // A reset that failed: still under way is tried again by usrsctp, denied never works.
    if (read->type == PRL_SCTP_READ_RESET_IN &&
        event.strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED))
        read->type = PRL_SCTP_READ_OTHER;
    if (size == sizeof(event))
        read->streams = UINT64_MAX; // no list: all of them
    for (size_t at = sizeof(event); at + sizeof(uint16_t) <= size; at += sizeof(uint16_t)) {
        uint16_t stream;
        memcpy(&stream, data + at, sizeof(stream));
        if (stream < PRL_SCTP_STREAMS)
            read->streams |= UINT64_C(1) << stream;
    }
}

static void read_notification(struct socket *socket, const uint8_t *data, size_t size,
                              struct prl_sctp_read *read)
{
    struct sctp_tlv head;
    read->type = PRL_SCTP_READ_OTHER;
    if (size < sizeof(head))
        return;
    memcpy(&head, data, sizeof(head));
    if (head.sn_type == SCTP_ASSOC_CHANGE && size >= sizeof(struct sctp_assoc_change)) {
        struct sctp_assoc_change change;
        memcpy(&change, data, sizeof(change));
        read_change(socket, change.sac_state, read);
    } else if (head.sn_type == SCTP_STREAM_RESET_EVENT) {
        read_reset(data, size, read);
    } else if (head.sn_type == SCTP_SENDER_DRY_EVENT) {
        read->type = PRL_SCTP_READ_DRY;
    } else if (head.sn_type == SCTP_PARTIAL_DELIVERY_EVENT &&
               size >= sizeof(struct sctp_pdapi_event)) {
        struct sctp_pdapi_event event;
        memcpy(&event, data, sizeof(event));
        read->type = PRL_SCTP_READ_CUT;
        read->stream = (uint16_t)event.pdapi_stream;
    }
}

enum prl_err prl_sctp_socket_read(struct prl_sctp_socket *socket, uint8_t *data, size_t capacity,
                                  struct prl_sctp_read *read)
{
    PRL_CHECK(socket && data && capacity >= 4096 && read);
    struct sctp_rcvinfo info = {0};
    union sctp_sockstore from;
    socklen_t from_size = sizeof(from);
    socklen_t info_size = sizeof(info);
    unsigned int info_type = SCTP_RECVV_NOINFO;
    int flags = 0;
    *read = (struct prl_sctp_read){.type = PRL_SCTP_READ_OTHER};
    ssize_t size = usrsctp_recvv(inner(socket), data, capacity, &from.sa, &from_size, &info,
                                 &info_size, &info_type, &flags);
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
        return PRL_ERR_AGAIN;
    if (size <= 0) { // ended, and its notification got lost for lack of memory
        read->type = PRL_SCTP_READ_DOWN;
        read->why = size == 0 ? PRL_SCTP_WHY_SHUTDOWN : why_lost(inner(socket));
    } else if (flags & MSG_NOTIFICATION) {
        read_notification(inner(socket), data, (size_t)size, read);
    } else {
        read->type = PRL_SCTP_READ_DATA;
        read->size = (size_t)size;
        read->end = (flags & MSG_EOR) != 0;
        read->stream = info.rcv_sid;
        read->ppid = __builtin_bswap32(info.rcv_ppid);
        if (info_type != SCTP_RECVV_RCVINFO)
            read->ppid = 0; // unknown payload, ignored
    }
    return PRL_OK;
}
