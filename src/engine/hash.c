// hash.c -- see hash.h. OpenSSL's EVP does the work; a context is made for each call.
#include "engine/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum { PIECE_BYTES = 1 << 20, DIGEST_BYTES = 32 };

static enum prl_err hash_finish(EVP_MD_CTX *ctx, char out[PRL_HASH_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(ctx, digest, &size) != 1)
        return PRL_ERR_IO;
    PRL_CHECK(size == DIGEST_BYTES);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[PRL_HASH_TEXT_SIZE - 1] = '\0';
    return PRL_OK;
}

static enum prl_err hash_descriptor(int fd, uint8_t *piece, char out[PRL_HASH_TEXT_SIZE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return PRL_ERR_NOMEM;
    enum prl_err err = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 ? PRL_OK : PRL_ERR_IO;
    while (!err) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got == 0)
            break;
        if (got < 0 || EVP_DigestUpdate(ctx, piece, (size_t)got) != 1)
            err = PRL_ERR_IO;
    }
    if (!err)
        err = hash_finish(ctx, out);
    EVP_MD_CTX_free(ctx);
    return err;
}

enum prl_err prl_hash_file(const char *path, char out[PRL_HASH_TEXT_SIZE])
{
    PRL_CHECK(path != NULL && out != NULL);
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return PRL_ERR_NOTFOUND;
    uint8_t *piece = prl_mem_alloc(PIECE_BYTES);
    enum prl_err err = piece ? hash_descriptor(fd, piece, out) : PRL_ERR_NOMEM;
    prl_mem_free(piece);
    close(fd);
    return err;
}

enum prl_err prl_hash_bytes(const void *data, size_t size, char out[PRL_HASH_TEXT_SIZE])
{
    PRL_CHECK((data != NULL || size == 0) && out != NULL);
    out[0] = '\0';
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx)
        return PRL_ERR_NOMEM;
    enum prl_err err = PRL_ERR_IO;
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, data, size) == 1)
        err = hash_finish(ctx, out);
    EVP_MD_CTX_free(ctx);
    return err;
}
