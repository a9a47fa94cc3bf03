// test_secret.c -- client secrets: made, found, expired, full; what a credential owns.
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "api/credential.h"
#include "api/secret.h"
#include "base/mem.h"
#include "tests/unit.h"

#define S INT64_C(1000000)

static const char issuer[PRL_HASH_TEXT_SIZE] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static enum prl_err mint(struct prl_secrets *secrets, int64_t now_s, int64_t seconds,
                         const char *session, char value[PRL_SECRET_SIZE])
{
    struct prl_secret_wish wish = {.session = session, .issuer = issuer, .seconds = seconds};
    return prl_secrets_mint(secrets, &wish, now_s * S, value);
}

PRL_TEST(secret_is_found_until_it_expires)
{
    struct prl_secrets *secrets;
    REQUIRE(prl_secrets_create(&secrets, &(struct prl_secrets_conf){0}) == PRL_OK);
    char value[PRL_SECRET_SIZE];
    char other[PRL_SECRET_SIZE];
    EXPECT_OK(mint(secrets, 100, 10, "{\"type\":\"realtime\"}", value));
    EXPECT_OK(mint(secrets, 100, 60, NULL, other));
    EXPECT(strncmp(value, "ek_", 3) == 0 && strlen(value) == 51);
    EXPECT(strcmp(value, other) != 0);
    for (int i = 0; i < 3; i++) { // usable several times
        const struct prl_secret *secret = prl_secrets_find(secrets, value, (100 + i) * S);
        REQUIRE(secret != NULL);
        EXPECT_TEXT(secret->session, "{\"type\":\"realtime\"}");
        EXPECT_TEXT(secret->issuer, issuer);
        EXPECT(!strstr(secret->hash, value + 3));
    }
    EXPECT(prl_secrets_find(secrets, value, 110 * S - 1) != NULL);
    EXPECT(prl_secrets_find(secrets, value, 110 * S) == NULL);
    EXPECT(prl_secrets_find(secrets, other, 110 * S) != NULL);
    value[10] = (char)(value[10] == 'a' ? 'b' : 'a');
    EXPECT(prl_secrets_find(secrets, value, 100 * S) == NULL);
    EXPECT(prl_secrets_find(secrets, "ek_", 100 * S) == NULL);
    EXPECT(prl_secrets_find(secrets, "", 100 * S) == NULL);
    char longer[2 * PRL_SECRET_SIZE];
    memset(longer, 'e', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    EXPECT(prl_secrets_find(secrets, longer, 100 * S) == NULL);
    prl_secrets_destroy(&secrets);
    EXPECT(secrets == NULL);
}

PRL_TEST(secret_table_is_bounded)
{
    struct prl_secrets *secrets;
    struct prl_secrets_conf conf = {.count_max = 40, .bytes_max = 100};
    REQUIRE(prl_secrets_create(&secrets, &conf) == PRL_OK);
    char value[PRL_SECRET_SIZE];
    char first[PRL_SECRET_SIZE];
    EXPECT_OK(mint(secrets, 0, 20, NULL, first));
    for (int i = 1; i < 40; i++)
        EXPECT_OK(mint(secrets, 0, 10, NULL, value));
    EXPECT_INT(mint(secrets, 9, 10, NULL, value), PRL_ERR_LIMIT);
    EXPECT_INT(prl_secrets_count(secrets), 40);
    // What has expired makes room, and nothing else does.
    EXPECT_OK(mint(secrets, 10, 10, NULL, value));
    EXPECT_INT(prl_secrets_count(secrets), 2);
    EXPECT(prl_secrets_find(secrets, first, 10 * S) != NULL);
    char session[90];
    memset(session, ' ', sizeof(session) - 1);
    session[sizeof(session) - 1] = '\0';
    EXPECT_OK(mint(secrets, 10, 10, session, value));
    EXPECT_INT(mint(secrets, 10, 10, session, value), PRL_ERR_LIMIT);
    EXPECT_OK(mint(secrets, 10, 10, "{}", value));
    EXPECT_OK(mint(secrets, 20, 10, session, value));
    prl_secrets_destroy(&secrets);
}

// ---- two loops, one table ----

enum { ROUNDS = 100 };

struct holder {
    struct prl_secrets *secrets;
    char values[ROUNDS][PRL_SECRET_SIZE];
    atomic_int minted;
    const struct holder *other;
    int found;
};

// Makes its own and finds those of the other as they come.
static void *hold(void *arg)
{
    struct holder *holder = arg;
    for (int i = 0; i < ROUNDS; i++) {
        EXPECT_OK(mint(holder->secrets, 0, 100, i % 2 ? "{}" : NULL, holder->values[i]));
        atomic_store(&holder->minted, i + 1);
        while (holder->found < atomic_load(&holder->other->minted)) {
            const char *value = holder->other->values[holder->found];
            const struct prl_secret *secret = prl_secrets_find(holder->secrets, value, S);
            if (!secret)
                return NULL;
            EXPECT(!secret->session == (holder->found % 2 == 0));
            holder->found++;
        }
    }
    return NULL;
}

PRL_TEST(secret_of_one_loop_is_known_to_the_other)
{
    static struct holder holders[2];
    REQUIRE(prl_secrets_create(&holders[0].secrets, &(struct prl_secrets_conf){0}) == PRL_OK);
    REQUIRE(prl_secrets_join(&holders[1].secrets, holders[0].secrets) == PRL_OK);
    for (int i = 0; i < 2; i++)
        holders[i].other = &holders[1 - i];
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, hold, &holders[1]) == 0);
    hold(&holders[0]);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < ROUNDS; k++)
            EXPECT(prl_secrets_find(holders[i].secrets, holders[1 - i].values[k], S) != NULL);
        EXPECT_INT(prl_secrets_count(holders[i].secrets), 2 * ROUNDS);
    }
    prl_secrets_destroy(&holders[1].secrets);
    prl_secrets_destroy(&holders[0].secrets);
}

PRL_TEST_OOM(secret_whole_life)
{
    struct prl_secrets *secrets;
    char value[PRL_SECRET_SIZE] = "";
    enum prl_err err = prl_secrets_create(&secrets, &(struct prl_secrets_conf){0});
    for (int i = 0; i < 20 && !err; i++) {
        err = mint(secrets, 0, 10, "{\"type\":\"realtime\"}", value);
        EXPECT(err == PRL_OK || !*value || prl_test_oom());
    }
    struct prl_secrets *joined = NULL;
    if (!err)
        err = prl_secrets_join(&joined, secrets);
    if (!err)
        EXPECT(prl_secrets_find(joined, value, 0) != NULL || prl_test_oom());
    EXPECT(!err || prl_test_oom());
    prl_secrets_destroy(&joined);
    prl_secrets_destroy(&secrets);
}

PRL_TEST(credential_owns_what_it_made)
{
    struct prl_credential anybody = {.kind = PRL_CREDENTIAL_ANYBODY};
    struct prl_credential key = {.kind = PRL_CREDENTIAL_KEY, .id = "a"};
    struct prl_credential other_key = {.kind = PRL_CREDENTIAL_KEY, .id = "b"};
    struct prl_credential secret = {.kind = PRL_CREDENTIAL_SECRET, .id = "s", .issuer = "a"};
    struct prl_credential other = {.kind = PRL_CREDENTIAL_SECRET, .id = "t", .issuer = "a"};
    struct prl_credential open = {.kind = PRL_CREDENTIAL_SECRET, .id = "u"};
    EXPECT(prl_credential_owns(&anybody, &anybody));
    EXPECT(prl_credential_owns(&key, &key));
    EXPECT(!prl_credential_owns(&other_key, &key));
    EXPECT(prl_credential_owns(&secret, &secret));
    EXPECT(!prl_credential_owns(&other, &secret));
    EXPECT(prl_credential_owns(&key, &secret)); // the key that made the secret
    EXPECT(!prl_credential_owns(&other_key, &secret));
    EXPECT(!prl_credential_owns(&secret, &key)); // and never the other way
    EXPECT(prl_credential_owns(&anybody, &open));
    EXPECT(!prl_credential_owns(&anybody, &secret));
}
