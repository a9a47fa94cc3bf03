// origin.c -- see origin.h.
#include "net/origin.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool canonical_v4(const char *text, char *out, size_t size)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) != 1)
        return false;
    if ((ntohl(v4.s_addr) >> 24) == 0) // 0/8 reaches this machine, like loopback
        v4.s_addr = htonl(INADDR_LOOPBACK);
    return inet_ntop(AF_INET, &v4, out, (socklen_t)size) != NULL;
}

static bool canonical_v6(const char *text, char *out, size_t size)
{
    struct in6_addr v6;
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        char v4[INET_ADDRSTRLEN];
        return inet_ntop(AF_INET, &v6.s6_addr[12], v4, sizeof(v4)) && canonical_v4(v4, out, size);
    }
    if (IN6_IS_ADDR_UNSPECIFIED(&v6))
        v6 = in6addr_loopback;
    return inet_ntop(AF_INET6, &v6, out, (socklen_t)size) != NULL;
}

bool prl_origin_canonical(const char *text, char *out, size_t size)
{
    size_t len = strlen(text);
    if (len == 0 || len >= size || len > 253)
        return false;
    if (strchr(text, ':'))
        return canonical_v6(text, out, size);
    if (text[strspn(text, "0123456789.")] == '\0')
        return canonical_v4(text, out, size);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        bool fine =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!fine)
            return false;
        out[i] = c;
    }
    out[len] = '\0';
    if (len > 1 && out[len - 1] == '.') // the root's dot
        out[len - 1] = '\0';
    return true;
}

static bool parse_port(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits])
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

bool prl_origin_parse_host(const char *text, struct prl_origin_name *name)
{
    char bare[256];
    const char *start = text;
    const char *end;
    const char *rest;
    *name = (struct prl_origin_name){0};
    bool bracket = *text == '[';
    if (bracket) {
        start = text + 1;
        end = strchr(start, ']');
        rest = end ? end + 1 : NULL;
    } else {
        end = start + strcspn(start, ":");
        rest = end;
    }
    if (!end || (size_t)(end - start) >= sizeof(bare))
        return false;
    memcpy(bare, start, (size_t)(end - start));
    bare[end - start] = '\0';
    if (*rest == ':') {
        if (!parse_port(rest + 1, &name->port))
            return false;
    } else if (*rest) {
        return false;
    }
    if (bracket && !strchr(bare, ':'))
        return false;
    return prl_origin_canonical(bare, name->host, sizeof(name->host));
}

bool prl_origin_loopback(const char *canonical)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, canonical, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(canonical, "::1") == 0 || strcasecmp(canonical, "localhost") == 0;
}

unsigned prl_origin_check_host(const struct prl_origin_rules *rules, const char *host,
                               const char *local_address)
{
    struct prl_origin_name name;
    if (!host || !prl_origin_parse_host(host, &name))
        return 400;
    if (local_address && strcmp(name.host, local_address) == 0)
        return 0;
    for (size_t i = 0; i < rules->host_count; i++)
        if (strcmp(name.host, rules->hosts[i]) == 0)
            return 0;
    return 421;
}

static bool same_origin(const char *origin, const char *host, bool tls)
{
    struct prl_origin_name from;
    struct prl_origin_name to;
    const char *scheme = tls ? "https://" : "http://";
    size_t len = strlen(scheme);
    if (!host || strncasecmp(origin, scheme, len) != 0 ||
        !prl_origin_parse_host(origin + len, &from) || !prl_origin_parse_host(host, &to))
        return false;
    uint16_t usual = tls ? 443 : 80;
    from.port = from.port ? from.port : usual;
    to.port = to.port ? to.port : usual;
    return from.port == to.port && strcmp(from.host, to.host) == 0;
}

unsigned prl_origin_check(const struct prl_origin_rules *rules, const char *origin,
                          const char *host, bool tls)
{
    if (!origin || same_origin(origin, host, tls))
        return 0;
    for (size_t i = 0; i < rules->origin_count; i++)
        if (strcmp(rules->origins[i], "*") == 0 || strcasecmp(origin, rules->origins[i]) == 0)
            return 0;
    return 403;
}
