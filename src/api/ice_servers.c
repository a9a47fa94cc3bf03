// ice_servers.c -- see ice_servers.h.
#include "api/ice_servers.h"

#include <stdio.h>
#include <string.h>

#include "api/credential.h"
#include "api/reply.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "net/http.h"

enum { ENTRY_MAX = 512, JSON_MAX = 32768 };

struct prl_ice_servers {
    const struct prl_auth *auth;
    struct prl_secrets *secrets;
    struct prl_str json;
};

static bool refuse(char *why, size_t number, const char *text)
{
    snprintf(why, PRL_ICE_SERVERS_WHY_SIZE, "rtc.ice_servers, entry %zu: %s", number, text);
    return false;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// In place; false for a malformed escape.
static bool decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = digit_of(in[1]);
        int low = high < 0 ? -1 : digit_of(in[2]);
        if (low < 0 || high * 16 + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

// HOST[:PORT][?transport=udp|tcp]; a host in brackets is IPv6.
static bool is_place(const char *place)
{
    static const char host[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    size_t len = *place == '[' ? strcspn(place, "]") + 1 : strspn(place, host);
    if (len == 0 || len > strlen(place) ||
        (*place == '[' && strspn(place + 1, "0123456789abcdefABCDEF:.") + 2 != len))
        return false;
    const char *rest = place + len;
    if (*rest == ':') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits == 0 || digits > 5)
            return false;
        rest += 1 + digits;
    }
    return !*rest || prl_str_equal(rest, "?transport=udp") || prl_str_equal(rest, "?transport=tcp");
}

static bool write_entry(struct prl_json_write *json, char *entry, size_t number, char *why)
{
    static const char *const schemes[] = {"stun:", "stuns:", "turn:", "turns:"};
    size_t scheme = 0;
    while (scheme < 4 && !prl_str_starts(entry, schemes[scheme]))
        scheme++;
    if (scheme == 4)
        return refuse(why, number, "it must begin with stun:, stuns:, turn: or turns:");
    char *place = entry + strlen(schemes[scheme]);
    char *at = strrchr(place, '@');
    char *password = NULL;
    char *user = place;
    if (at) {
        *at = '\0';
        place = at + 1;
        password = strchr(user, ':');
    }
    if (scheme >= 2 && !password)
        return refuse(why, number, "TURN needs USER:PASSWORD@ before its host");
    if (scheme < 2 && at)
        return refuse(why, number, "STUN takes no user");
    if (!is_place(place))
        return refuse(why, number, "the host, its port or ?transport= is malformed");
    char url[ENTRY_MAX + 8];
    snprintf(url, sizeof(url), "%s%s", schemes[scheme], place);
    prl_json_write_object(json, NULL);
    prl_json_write_string(json, "urls", url);
    if (password) {
        *password++ = '\0';
        if (!decode(user) || !decode(password))
            return refuse(why, number, "a percent escape of user or password is malformed");
        prl_json_write_string(json, "username", user);
        prl_json_write_string(json, "credential", password);
    }
    prl_json_write_end_object(json);
    return true;
}

static bool write_list(struct prl_json_write *json, const char *list, char *why)
{
    size_t number = 0;
    for (const char *at = list + strspn(list, ", "); *at; at += strspn(at, ", ")) {
        char entry[ENTRY_MAX];
        size_t len = strcspn(at, ", ");
        if (++number > PRL_ICE_SERVERS_MAX)
            return refuse(why, number, "there are more than 16");
        if (len >= sizeof(entry))
            return refuse(why, number, "it is longer than 511 bytes");
        memcpy(entry, at, len);
        entry[len] = '\0';
        bool good = write_entry(json, entry, number, why);
        explicit_bzero(entry, sizeof(entry));
        if (!good)
            return false;
        at += len;
    }
    return true;
}

enum prl_err prl_ice_servers_create(struct prl_ice_servers **out, const char *list,
                                    const struct prl_auth *auth, struct prl_secrets *secrets,
                                    char *why)
{
    *out = NULL;
    *why = '\0';
    struct prl_ice_servers *servers = prl_mem_zalloc(sizeof(*servers));
    if (!servers)
        return PRL_ERR_NOMEM;
    servers->auth = auth;
    servers->secrets = secrets;
    prl_str_init(&servers->json, JSON_MAX);
    struct prl_json_write json;
    prl_json_write_init(&json, &servers->json);
    prl_json_write_object(&json, NULL);
    prl_json_write_array(&json, "iceServers");
    enum prl_err err = PRL_ERR_INVALID;
    if (write_list(&json, list ? list : "", why)) {
        prl_json_write_end_array(&json);
        prl_json_write_end_object(&json);
        err = servers->json.err;
    }
    if (err)
        prl_ice_servers_destroy(&servers);
    *out = servers;
    return err;
}

void prl_ice_servers_destroy(struct prl_ice_servers **servers_at)
{
    struct prl_ice_servers *servers = *servers_at;
    if (!servers)
        return;
    if (servers->json.data)
        explicit_bzero(servers->json.data, servers->json.len);
    prl_str_free(&servers->json);
    prl_mem_free(servers);
    *servers_at = NULL;
}

static void on_get(void *arg, struct prl_http_request *request)
{
    static const struct prl_http_header headers[] = {{"Cache-Control", "no-store"}};
    struct prl_ice_servers *servers = arg;
    struct prl_credential credential;
    const struct prl_secret *secret;
    if (!prl_credential_read(servers->auth, servers->secrets, request, &credential, &secret)) {
        prl_reply_stranger(request);
        return;
    }
    struct prl_http_response response = {.status = 200,
                                         .content_type = "application/json",
                                         .headers = headers,
                                         .header_count = 1,
                                         .body = servers->json.data,
                                         .body_size = servers->json.len};
    prl_http_reply(request, &response);
}

enum prl_err prl_ice_servers_route(struct prl_ice_servers *servers, struct prl_http *http)
{
    struct prl_http_route route = {"GET", "/v1/realtime/ice_servers", 0, on_get, servers};
    return prl_http_add_route(http, &route);
}

const char *prl_ice_servers_json(const struct prl_ice_servers *servers)
{
    return prl_str_text(&servers->json);
}
