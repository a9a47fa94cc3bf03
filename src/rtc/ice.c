// ice.c -- see ice.h. Paths lie in an array in the order of their first check; whichever is
// selected is an index, moved with the array when a path is taken out.
#include "rtc/ice.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { NONE = -1, ERROR_UNKNOWN_ATTRIBUTE = 420, ERROR_ROLE_CONFLICT = 487 };

struct path {
    struct prl_ice_path path;
    int64_t check_us; // last valid check
    int64_t heard_us; // the same, or authenticated media
};

struct identity {
    struct prl_ice_credentials local;
    char remote_ufrag[PRL_ICE_TEXT_SIZE];
};

struct prl_ice {
    struct identity current;
    struct identity old; // good besides until the first check with `current`
    bool restarting;     // `old` is set

    int64_t begun_us;   // of the last create or restart
    bool connected;     // something has been verified once
    int64_t consent_us; // last check or authenticated media on the selected path
    int selected;       // index into paths, or NONE
    size_t path_count;
    struct path paths[PRL_ICE_PATHS_MAX];
};

void prl_ice_make_credentials(struct prl_ice_credentials *credentials,
                              const uint8_t random[PRL_ICE_RANDOM_SIZE])
{
    // ice-char of RFC 8839 §5.4: six bits each.
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    _Static_assert((int)PRL_ICE_UFRAG_LEN + (int)PRL_ICE_PASSWORD_LEN == (int)PRL_ICE_RANDOM_SIZE,
                   "one random byte a character");
    memset(credentials, 0, sizeof(*credentials));
    for (size_t i = 0; i < PRL_ICE_UFRAG_LEN; i++)
        credentials->ufrag[i] = alphabet[random[i] & 63];
    for (size_t i = 0; i < PRL_ICE_PASSWORD_LEN; i++)
        credentials->password[i] = alphabet[random[PRL_ICE_UFRAG_LEN + i] & 63];
}

static void set_identity(struct identity *identity, const struct prl_ice_credentials *local,
                         const char *remote_ufrag)
{
    size_t len = strlen(remote_ufrag);
    PRL_CHECK(strlen(local->password) >= 22 && strlen(local->ufrag) >= 4);
    PRL_CHECK(len > 0 && len < sizeof(identity->remote_ufrag));
    identity->local = *local;
    memcpy(identity->remote_ufrag, remote_ufrag, len + 1);
}

enum prl_err prl_ice_create(struct prl_ice **out, const struct prl_ice_credentials *local,
                            const char *remote_ufrag, int64_t now_us)
{
    struct prl_ice *ice = *out = prl_mem_zalloc(sizeof(*ice));
    if (!ice)
        return PRL_ERR_NOMEM;
    set_identity(&ice->current, local, remote_ufrag);
    ice->begun_us = now_us;
    ice->selected = NONE;
    return PRL_OK;
}

void prl_ice_destroy(struct prl_ice **ice)
{
    prl_mem_free(*ice);
    *ice = NULL;
}

static int find_path(const struct prl_ice *ice, const struct prl_ice_path *path)
{
    for (size_t i = 0; i < ice->path_count; i++) {
        const struct prl_ice_path *known = &ice->paths[i].path;
        if (known->tcp == path->tcp && prl_addr_equal(&known->remote, &path->remote) &&
            prl_addr_equal(&known->local, &path->local))
            return (int)i;
    }
    return NONE;
}

static void remove_path(struct prl_ice *ice, int index)
{
    size_t after = ice->path_count - (size_t)index - 1;
    memmove(&ice->paths[index], &ice->paths[index + 1], after * sizeof(ice->paths[0]));
    ice->path_count--;
    if (ice->selected == index)
        ice->selected = NONE;
    else if (ice->selected > index)
        ice->selected--;
}

// The path that has been without a check for the longest makes room, never the selected one.
static void evict(struct prl_ice *ice, struct prl_ice_result *result)
{
    int oldest = NONE;
    for (int i = 0; i < (int)ice->path_count; i++)
        if (i != ice->selected &&
            (oldest == NONE || ice->paths[i].check_us < ice->paths[oldest].check_us))
            oldest = i;
    PRL_CHECK(oldest != NONE);
    result->evicted = true;
    result->evicted_path = ice->paths[oldest].path;
    remove_path(ice, oldest);
}

static int add_path(struct prl_ice *ice, const struct prl_ice_path *path,
                    struct prl_ice_result *result)
{
    if (ice->path_count == PRL_ICE_PATHS_MAX)
        evict(ice, result);
    ice->paths[ice->path_count] = (struct path){.path = *path};
    result->verified = true;
    ice->connected = true;
    return (int)ice->path_count++;
}

static bool is_quiet(const struct prl_ice *ice, int64_t now_us)
{
    return ice->selected == NONE || now_us - ice->paths[ice->selected].heard_us >= PRL_ICE_QUIET_US;
}

static bool select_path(struct prl_ice *ice, int index)
{
    bool changed = ice->selected != index;
    ice->selected = index;
    ice->consent_us = ice->paths[index].check_us;
    return changed;
}

// Whose check this is: the current identity, or the old one during a restart; NULL: nobody's.
static const struct identity *recognise(const struct prl_ice *ice, const struct prl_stun *stun)
{
    const struct identity *identity = &ice->current;
    if (ice->restarting && prl_stun_username_is(stun, ice->old.local.ufrag, ice->old.remote_ufrag))
        identity = &ice->old;
    else if (!prl_stun_username_is(stun, identity->local.ufrag, identity->remote_ufrag))
        return NULL;
    return prl_stun_authentic(stun, identity->local.password) ? identity : NULL;
}

// True when there is a reply, which is then not larger than the request.
static bool make_reply(struct prl_ice_result *result, const struct prl_stun *stun, unsigned error,
                       const struct prl_ice_path *path, const char *password)
{
    struct prl_stun_build build;
    prl_stun_begin(&build, result->reply, sizeof(result->reply),
                   error ? PRL_STUN_ERROR : PRL_STUN_SUCCESS, stun->transaction);
    if (error)
        prl_stun_add_error(&build, error);
    else
        prl_stun_add_mapped(&build, &path->remote);
    if (error == ERROR_UNKNOWN_ATTRIBUTE)
        prl_stun_add_unknown(&build, stun->unknown, stun->unknown_count);
    size_t size = prl_stun_finish(&build, password);
    if (size > stun->size) {
        memset(result->reply, 0, sizeof(result->reply));
        return false;
    }
    result->reply_size = size;
    return size > 0;
}

void prl_ice_check(struct prl_ice *ice, const struct prl_stun *stun,
                   const struct prl_ice_path *path, int64_t now_us, struct prl_ice_result *result)
{
    memset(result, 0, sizeof(*result));
    // FINGERPRINT is a must for connectivity checks (RFC 8445 §7.1).
    if (stun->class != PRL_STUN_REQUEST || stun->method != PRL_STUN_BINDING || !stun->fingerprint)
        return;
    const struct identity *identity = recognise(ice, stun);
    if (!identity)
        return;
    // A lite agent is controlled and cannot become anything else (RFC 8445 §6.1.1, §7.3.1.1).
    unsigned error = stun->unknown_count > 0             ? ERROR_UNKNOWN_ATTRIBUTE
                     : stun->role == PRL_STUN_CONTROLLED ? ERROR_ROLE_CONFLICT
                                                         : 0;
    if (!make_reply(result, stun, error, path, identity->local.password) || error)
        return;
    if (ice->restarting && identity == &ice->current) {
        ice->restarting = false;
        memset(&ice->old, 0, sizeof(ice->old));
        result->restarted = true;
    }
    int index = find_path(ice, path);
    if (index == NONE)
        index = add_path(ice, path, result);
    ice->paths[index].check_us = now_us;
    bool move = stun->use_candidate || is_quiet(ice, now_us) || ice->selected == index;
    ice->paths[index].heard_us = now_us;
    if (move)
        result->selected = select_path(ice, index);
}

bool prl_ice_heard(struct prl_ice *ice, const struct prl_ice_path *path, int64_t now_us)
{
    int index = find_path(ice, path);
    if (index == NONE)
        return false;
    struct path *entry = &ice->paths[index];
    bool fresh = now_us - entry->check_us < PRL_ICE_CONSENT_US;
    bool move = index != ice->selected && fresh && is_quiet(ice, now_us);
    entry->heard_us = now_us;
    if (index == ice->selected)
        ice->consent_us = now_us;
    return move && select_path(ice, index);
}

bool prl_ice_verified(const struct prl_ice *ice, const struct prl_ice_path *path)
{
    return find_path(ice, path) != NONE;
}

const struct prl_ice_path *prl_ice_selected(const struct prl_ice *ice)
{
    return ice->selected == NONE ? NULL : &ice->paths[ice->selected].path;
}

const struct prl_ice_path *prl_ice_path(const struct prl_ice *ice, size_t index)
{
    return index < ice->path_count ? &ice->paths[index].path : NULL;
}

bool prl_ice_forget(struct prl_ice *ice, const struct prl_ice_path *path)
{
    int index = find_path(ice, path);
    if (index == NONE)
        return false;
    bool was_selected = index == ice->selected;
    remove_path(ice, index);
    if (!was_selected)
        return false;
    int latest = NONE;
    for (int i = 0; i < (int)ice->path_count; i++)
        if (latest == NONE || ice->paths[i].heard_us > ice->paths[latest].heard_us)
            latest = i;
    if (latest != NONE)
        (void)select_path(ice, latest);
    return true;
}

void prl_ice_restart(struct prl_ice *ice, const struct prl_ice_credentials *local,
                     const char *remote_ufrag, int64_t now_us)
{
    if (!ice->restarting)
        ice->old = ice->current;
    ice->restarting = true;
    ice->begun_us = now_us;
    set_identity(&ice->current, local, remote_ufrag);
}

const struct prl_ice_credentials *prl_ice_local(const struct prl_ice *ice)
{
    return &ice->current.local;
}

const char *prl_ice_old_ufrag(const struct prl_ice *ice)
{
    return ice->restarting ? ice->old.local.ufrag : NULL;
}

const char *prl_ice_remote_ufrag(const struct prl_ice *ice)
{
    return ice->current.remote_ufrag;
}

int64_t prl_ice_deadline(const struct prl_ice *ice)
{
    int64_t begun = ice->begun_us + PRL_ICE_CONNECT_US;
    int64_t consent = ice->consent_us + PRL_ICE_CONSENT_US;
    return ice->connected && consent > begun ? consent : begun;
}

enum prl_ice_state prl_ice_state(const struct prl_ice *ice, int64_t now_us)
{
    bool over = now_us >= prl_ice_deadline(ice);
    if (!ice->connected)
        return over ? PRL_ICE_NEVER : PRL_ICE_WAITING;
    return over ? PRL_ICE_EXPIRED : PRL_ICE_LIVE;
}

bool prl_ice_may_send(const struct prl_ice *ice, int64_t now_us)
{
    return ice->selected != NONE && now_us - ice->consent_us < PRL_ICE_CONSENT_US;
}
