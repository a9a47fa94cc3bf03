// url.c -- see url.h.
#include "net/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "net/origin.h"

static const struct {
    const char *prefix;
    bool tls;
} schemes[] = {{"ws://", false}, {"wss://", true}, {"http://", false}, {"https://", true}};

bool prl_url_parse(const char *text, struct prl_url *url)
{
    const char *rest = NULL;
    *url = (struct prl_url){0};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncasecmp(text, schemes[i].prefix, strlen(schemes[i].prefix)) == 0) {
            rest = text + strlen(schemes[i].prefix);
            url->tls = schemes[i].tls;
        }
    if (!rest)
        return false;
    for (const char *at = rest; *at; at++)
        if ((unsigned char)*at <= 0x20 || *at == 0x7f || *at == '#' || *at == '\\')
            return false;
    char authority[300];
    struct prl_origin_name name;
    size_t len = strcspn(rest, "/?");
    if (len >= sizeof(authority))
        return false;
    memcpy(authority, rest, len);
    authority[len] = '\0';
    if (!prl_origin_parse_host(authority, &name))
        return false;
    snprintf(url->host, sizeof(url->host), "%s", name.host);
    url->port = name.port ? name.port : url->tls ? 443 : 80;
    const char *slash = rest[len] == '/' ? "" : "/";
    int size = snprintf(url->target, sizeof(url->target), "%s%s", slash, rest + len);
    return size > 0 && size < (int)sizeof(url->target);
}
